"""Densities and divergences, against torch.distributions, Monte Carlo and brute force.

Axes: G groups, B images, K components, D dimensions.
"""

import math
from collections.abc import Callable
from functools import partial
from operator import itemgetter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.distributions import Categorical, Independent, Normal, kl_divergence
from torch.testing import assert_close

from tests.helpers.gaussians import B, D, G, K, each, gaussian
from tests.helpers.reference import fixed_noise
from ugvae.distributions import (
    DiagonalGaussian,
    component_kl,
    image_log_likelihood,
    kl_gaussians,
    kl_standard_normal,
    kl_uniform,
    match_moments,
    mixture_kl,
    moments,
)


def as_torch(q: DiagonalGaussian) -> Independent:
    return Independent(Normal(q.mean, q.log_var.exp().sqrt()), 1)


def simplex(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64).softmax(-1)


def enumerated_mixture_kl(q: DiagonalGaussian, prior: DiagonalGaussian, weights: Tensor) -> Tensor:
    """Σ_k π_ik KL(q_i ‖ p_k) through the whole (..., B, K, D) table, in float64."""
    shape = (*weights.shape, q.mean.shape[-1])
    images = each(lambda t: t.double().unsqueeze(-2).expand(shape), q)
    components = each(lambda t: t.double().unsqueeze(-3).expand(shape), prior)
    return (weights.double() * kl_divergence(as_torch(images), as_torch(components))).sum(-1)


def test_match_moments_gives_points_the_mean_and_variance_of_others() -> None:
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(2, 5, 3, generator=generator, dtype=torch.float64) * 4 + 1
    others = torch.rand(2, 9, 3, generator=generator, dtype=torch.float64)
    moved = match_moments(points, moments(points), moments(others))
    for got, want in zip(moments(moved), moments(others), strict=True):
        assert_close(got, want)
    assert_close(match_moments(moved, moments(others), moments(points)), points)
    assert_close(moments(points).std, points.std(-2))


def test_log_prob_and_std() -> None:
    q, value = gaussian(G, B, D), torch.randn(G, B, D, dtype=torch.float64)
    assert_close(q.log_prob(value), as_torch(q).log_prob(value))
    assert_close(q.std, as_torch(q).stddev)


def test_sample_is_reparameterised() -> None:
    q, noise = gaussian(B, D), torch.randn(B, D, dtype=torch.float64)
    with fixed_noise(noise):
        assert_close(q.sample(), q.mean + q.log_var.exp().sqrt() * noise)
    wide = DiagonalGaussian(torch.full((100_000,), 2.0), torch.full((100_000,), math.log(9.0)))
    draws = wide.sample()
    assert draws.mean().item() == pytest.approx(2, abs=0.05)
    assert draws.std().item() == pytest.approx(3, abs=0.05)


def test_kl_against_torch() -> None:
    q, p = gaussian(G, B, D), gaussian(G, B, D)
    standard = DiagonalGaussian(torch.zeros_like(q.mean), torch.zeros_like(q.mean))
    assert_close(kl_gaussians(q, p), kl_divergence(as_torch(q), as_torch(p)))
    assert_close(kl_standard_normal(q), kl_divergence(as_torch(q), as_torch(standard)))
    assert_close(kl_gaussians(q, standard), kl_standard_normal(q))
    assert_close(kl_gaussians(q, q), torch.zeros(G, B, dtype=torch.float64), atol=1e-12, rtol=0)


def test_kl_gaussians_broadcasts() -> None:
    q, p = gaussian(B, 1, D), gaussian(K, D)
    table = kl_gaussians(q, p)
    assert table.shape == (B, K)
    for k in range(K):
        component = as_torch(each(itemgetter(k), p)).expand((B, 1))
        assert_close(table[:, k], kl_divergence(as_torch(q), component)[:, 0])


def test_kl_monte_carlo() -> None:
    q, p = gaussian(D, scale=0.5), gaussian(D, scale=0.5)
    z = each(lambda t: t.expand(200_000, D), q).sample()
    for difference, exact in [
        (q.log_prob(z) - p.log_prob(z), kl_gaussians(q, p)),
        (q.log_prob(z) - Normal(0.0, 1.0).log_prob(z).sum(-1), kl_standard_normal(q)),
    ]:
        assert abs(difference.mean() - exact) < 5 * difference.std() / len(z) ** 0.5


def test_kl_uniform() -> None:
    logits = 3 * torch.randn(G, B, K, dtype=torch.float64)
    uniform = Categorical(logits=torch.zeros_like(logits))
    assert_close(kl_uniform(logits), kl_divergence(Categorical(logits=logits), uniform))
    assert_close(kl_uniform(logits + 100), kl_uniform(logits))
    assert_close(kl_uniform(torch.tensor([1000.0, 0.0, 0.0])), torch.tensor(math.log(3.0)))
    assert kl_uniform(torch.randn(B, 1)).abs().max() == 0


def test_image_log_likelihood() -> None:
    images, mean = torch.rand(2, G, B, 3, 4, 5, dtype=torch.float64)
    expected = Normal(mean, 0.2).log_prob(images).sum((-3, -2, -1))
    assert_close(image_log_likelihood(images, mean, 0.2), expected)
    pixel, at = torch.linspace(-3, 4, 10_001, dtype=torch.float64), torch.tensor(0.3, dtype=torch.float64)
    density = image_log_likelihood(pixel.view(-1, 1, 1, 1), at, 0.2).exp()
    assert torch.trapezoid(density, pixel).item() == pytest.approx(1)  # the constant makes it integrate to one


def test_mixture_kl_against_enumeration() -> None:
    q, prior, weights = gaussian(G, B, D), gaussian(G, K, D), simplex(G, B, K)
    assert_close(mixture_kl(q, prior, weights), enumerated_mixture_kl(q, prior, weights))
    for g in range(G):  # each group has its own prior
        one = mixture_kl(each(itemgetter(g), q), each(itemgetter(g), prior), weights[g])
        assert_close(mixture_kl(q, prior, weights)[g], one)


@pytest.mark.parametrize("offset", [1e3, -1e4])
def test_mixture_kl_in_float32_with_a_large_shared_offset(offset: float) -> None:
    q, prior = gaussian(B, D, dtype=torch.float32), gaussian(K, D, dtype=torch.float32)
    q, prior = (g._replace(mean=g.mean + offset) for g in (q, prior))
    weights = simplex(B, K).float()
    expected = enumerated_mixture_kl(q, prior, weights).float()
    assert_close(mixture_kl(q, prior, weights), expected, rtol=2e-4, atol=1e-4)


def test_mixture_kl_one_hot_picks_the_component() -> None:
    q, prior = gaussian(B, D), gaussian(K, D)
    for k in range(K):
        weights = torch.zeros(B, K, dtype=torch.float64)
        weights[:, k] = 1
        assert_close(mixture_kl(q, prior, weights), kl_gaussians(q, each(itemgetter(k), prior)))


def test_mixture_kl_of_one_component() -> None:
    q, prior = gaussian(G, B, D), gaussian(G, 1, D)
    assert_close(mixture_kl(q, prior, torch.ones(G, B, 1, dtype=torch.float64)), kl_gaussians(q, prior))


def test_component_kl_is_mixture_kl_of_one_hot_weights() -> None:
    """For a mixture of each group, and for one mixture of all."""
    q = gaussian(G, B, D)
    for components in (gaussian(G, K, D), gaussian(K, D)):
        one_hot = torch.eye(K, dtype=torch.float64).expand(B, K, K).unbind(1)
        of_each = [enumerated_mixture_kl(q, components, weights.expand(G, B, K)) for weights in one_hot]
        assert_close(component_kl(q, components), torch.stack(of_each, -1))


def test_mixture_kl_keeps_float32_under_autocast() -> None:
    q, prior = gaussian(B, D, dtype=torch.float32), gaussian(K, D, dtype=torch.float32)
    weights = simplex(B, K).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert (q.mean @ prior.mean.T).dtype == torch.bfloat16  # the region is active
        result = mixture_kl(q, prior, weights)
    assert result.dtype == torch.float32
    assert_close(result, mixture_kl(q, prior, weights), rtol=1e-6, atol=1e-6)


GRADCHECKED: dict[str, tuple[Callable[..., object], list[tuple[int, ...]]]] = {
    "log_prob": (lambda m, v, x: DiagonalGaussian(m, v).log_prob(x), [(B, D)] * 3),
    "kl_standard_normal": (lambda m, v: kl_standard_normal(DiagonalGaussian(m, v)), [(B, D)] * 2),
    "kl_gaussians": (
        lambda m, v, n, w: kl_gaussians(DiagonalGaussian(m, v), DiagonalGaussian(n, w)),
        [(B, 1, D), (B, 1, D), (K, D), (K, D)],
    ),
    "kl_uniform": (kl_uniform, [(B, K)]),
    "component_kl": (
        lambda m, v, n, w: component_kl(DiagonalGaussian(m, v), DiagonalGaussian(n, w)),
        [(G, B, D), (G, B, D), (K, D), (K, D)],
    ),
    "mixture_kl": (
        lambda m, v, n, w, pi: mixture_kl(DiagonalGaussian(m, v), DiagonalGaussian(n, w), pi),
        [(G, B, D), (G, B, D), (G, K, D), (G, K, D), (G, B, K)],
    ),
    "image_log_likelihood": (partial(image_log_likelihood, std=0.7), [(B, 1, 2, 2)] * 2),
}


@pytest.mark.parametrize("name", GRADCHECKED)
def test_gradients(name: str) -> None:
    function, shapes = GRADCHECKED[name]
    inputs = tuple(torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes)
    assert torch.autograd.gradcheck(function, inputs)


@settings(deadline=None, derandomize=True, max_examples=80)
@given(
    seed=st.integers(0, 2**31),
    scale=st.sampled_from([1e-6, 1e-3, 0.1, 1.0, 5.0]),
    images=st.integers(1, 6),
    components=st.integers(1, 6),
    dims=st.integers(1, 8),
)
def test_divergences_are_not_negative(seed: int, scale: float, images: int, components: int, dims: int) -> None:
    torch.manual_seed(seed)
    q, prior = gaussian(images, dims, scale=scale), gaussian(components, dims, scale=scale)
    logits = scale * torch.randn(images, components, dtype=torch.float64)
    to_mixture = mixture_kl(q, prior, logits.softmax(-1))
    to_first = kl_gaussians(q, each(itemgetter(0), prior))
    for divergence in (kl_standard_normal(q), to_first, kl_uniform(logits), to_mixture):
        assert divergence.shape == (images,)
        assert divergence.min() >= -1e-12
