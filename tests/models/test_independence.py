"""Independence of z and beta, and local posteriors that see beta. Axes: G groups, B images, n = G·B."""

import pytest
import torch
from torch import Tensor
from torch.distributions import Independent, Normal, kl_divergence
from torch.testing import assert_close

from tests.helpers.reference import fixed_noise
from tests.helpers.small_models import make, make_images
from ugvae.distributions import hsic
from ugvae.errors import ConfigError
from ugvae.models import MLVAE, UGVAE, VAE, BaseVAE

EXACT = {"rtol": 0, "atol": 1e-10}
G, B = 4, 5


def by_the_definition(z: Tensor, beta: Tensor) -> Tensor:
    """tr(K H L H) / n² with the matrices written out."""
    flat, repeated = z.flatten(0, 1), beta.repeat_interleave(z.shape[1], 0)
    squared = torch.cdist(flat, flat).square() / z.shape[-1]
    kernel = sum((-squared / (2 * scale)).exp() for scale in (0.25, 1.0, 4.0)) / 3
    other = (-torch.cdist(repeated, repeated).square() / (2 * beta.var(0, correction=0).sum())).exp()
    centring = torch.eye(len(flat), dtype=z.dtype) - 1 / len(flat)
    return (kernel @ centring @ other @ centring).trace() / len(flat) ** 2


def test_hsic_is_that_of_the_definition() -> None:
    z, beta = torch.randn(G, B, 3, dtype=torch.float64), torch.randn(G, 2, dtype=torch.float64)
    assert_close(hsic(z, beta), by_the_definition(z, beta), **EXACT)
    dependent = z + 3 * beta.sum(1).view(G, 1, 1)
    assert hsic(dependent, beta) > 5 * hsic(z, beta)


def test_hsic_counts_the_images_that_there_are() -> None:
    z, beta = torch.randn(G, B, 3, dtype=torch.float64), torch.randn(G, 2, dtype=torch.float64)
    half = torch.arange(2 * B) < B
    padded = torch.cat([z, torch.full_like(z, 7.0)], 1)
    assert_close(hsic(padded, beta, half.expand(G, -1)), hsic(z, beta), **EXACT)


def test_hsic_of_one_beta_is_nothing() -> None:
    z = torch.randn(G, B, 3, dtype=torch.float64, requires_grad=True)
    value = hsic(z, torch.ones(G, 2, dtype=torch.float64))
    value.backward()
    assert abs(value.item()) < 1e-12
    assert z.grad.isfinite().all()


@pytest.mark.parametrize("model_class", [UGVAE, MLVAE])
def test_the_term_is_reported_and_no_part_of_the_bound(model_class: type[BaseVAE]) -> None:
    plain, model = make(model_class), make(model_class, independence=3.0)
    model.load_state_dict(plain.state_dict())
    images = make_images(model)
    noise = torch.randn(2, 4, 3, dtype=torch.float64), torch.randn(2, 4, dtype=torch.float64)
    with fixed_noise(*noise):
        bound = model.elbo(images)
    with fixed_noise(*noise):
        expected = plain.elbo(images)
    assert_close(bound.total, expected.total, **EXACT)
    weight = 100 * 3 * images[0, 0].numel() / 784
    assert_close(model.loss(bound), plain.loss(expected) + weight * bound["hsic"][0], **EXACT)
    model.independence_on.zero_()  # the first steps of training
    assert_close(model.loss(bound), plain.loss(expected), **EXACT)


def test_training_for_independence_lowers_the_dependence() -> None:
    dependences = {}
    images = torch.rand(8, 1, 1, 1, 1).expand(8, 16, 1, 6, 6) * torch.rand(8, 16, 1, 6, 6)  # a brightness per group
    for weight in (0.0, 30.0):
        torch.manual_seed(0)
        model = make(UGVAE, (1, 6, 6), double=False, independence=max(weight, 1e-9)).train()
        optimizer = torch.optim.Adam(model.parameters(), 3e-3)
        for _ in range(150):
            bound = model.elbo(images)
            optimizer.zero_grad()
            model.loss(bound).backward()
            optimizer.step()
        dependences[weight] = torch.stack([model.elbo(images)["hsic"][0] for _ in range(20)]).mean().item()
    assert dependences[30.0] < 0.5 * dependences[0.0]


@pytest.mark.parametrize("model_class", [UGVAE, MLVAE])
def test_local_posterior_that_sees_beta(model_class: type[BaseVAE]) -> None:
    """The bound by torch.distributions, beta first from h with uniform π, then z from [h, beta]."""
    model = make(model_class, local_posterior="given_beta")
    images = make_images(model)
    beta_noise, z_noise = torch.randn(2, 4, dtype=torch.float64), torch.randn(2, 4, 3, dtype=torch.float64)
    with fixed_noise(beta_noise, z_noise):
        bound = model.elbo(images)
    h = model.encode(images)
    pi = h.new_full((2, 4, 5), 0.2) if model.num_components else h[..., :0]
    factors = model.beta_head(torch.cat([h, pi], -1))
    precision = (-factors.log_var).exp()
    variance = 1 / precision.sum(1)
    q_beta = Normal(variance * (precision * factors.mean).sum(1), variance.sqrt())
    beta = q_beta.loc + q_beta.scale * beta_noise
    q_z = model.z_head(torch.cat([h, beta.unsqueeze(1).expand(-1, 4, -1)], -1))
    z = q_z.mean + q_z.std * z_noise
    assert_close(bound["kl_beta"], kl_divergence(q_beta, Normal(0.0, 1.0)).sum(-1), **EXACT)
    decoded = Independent(Normal(model.decode(z, beta), model.x_std), 3)
    assert_close(bound["reconstruction"], decoded.log_prob(images), **EXACT)
    local = Independent(Normal(q_z.mean, q_z.std), 1)
    if model.num_components:
        prior, pi = model.prior(beta), model.d_head(z).softmax(-1)
        components = [Independent(Normal(prior.mean[:, [k]], prior.std[:, [k]]), 1) for k in range(5)]
        expected = sum(pi[..., k] * kl_divergence(local, part.expand((2, 4))) for k, part in enumerate(components))
    else:
        expected = kl_divergence(local, Independent(Normal(torch.zeros_like(z), torch.ones_like(z)), 1))
    assert_close(bound["kl_z"], expected, **EXACT)
    posterior = model.infer(images)
    assert_close(posterior.beta.mean, q_beta.loc, **EXACT)
    assert_close(posterior.z.mean, model.q_z(h, q_beta.loc).mean, **EXACT)


def test_what_needs_a_global_latent_is_refused_by_name() -> None:
    for name, value in {"independence": 1.0, "local_posterior": "given_beta"}.items():
        with pytest.raises(ConfigError, match=f"^{name}: the images of a group share nothing in VAE"):
            VAE((1, 8, 8), **{name: value})
    with pytest.raises(ConfigError, match=r"^span_devices: the term of independence"):
        UGVAE((1, 8, 8), independence=1.0, span_devices=True)
