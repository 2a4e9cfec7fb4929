"""The importance-weighted bound and the samples of every model, against linear models with closed forms.

Axes: G groups, B images.
"""

import itertools
import math

import pytest
import torch
from torch.testing import assert_close

from tests.helpers.linear_models import exact_log_likelihood, make_linear
from tests.helpers.small_models import B, G, every_model, make, make_images
from ugvae.errors import ConfigError
from ugvae.evaluation import bounds
from ugvae.evaluation.bounds import bound_ladder, importance_weighted_bound
from ugvae.models import UGVAE, BaseVAE


@every_model
def test_samples_follow_the_prior(model_class: type[BaseVAE]) -> None:
    """A linear model: mean and covariance of an image, and covariance of two images of a group, in closed form."""
    model = make(model_class, (1, 1, 3), z_dim=2, beta_dim=2, w_dim=2, num_components=2)
    make_linear(model)
    images = model.sample(20_000, 2).flatten(2)
    expected_mean, expected_covariance = linear_moments(model)
    assert_close(images[:, 0].mean(0), expected_mean, atol=0.05, rtol=0)
    pairs = images.flatten(1).T.cov()
    assert_close(pairs[:3, :3], expected_covariance[0], atol=0.1, rtol=0.1)
    assert_close(pairs[:3, 3:], expected_covariance[1], atol=0.1, rtol=0.1)


def linear_moments(model: BaseVAE) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Mean of the decoded images of a linear model; covariance of an image, and of two images of a group."""
    weight = model.decoder.weight.detach()
    z_mean, z_cov, cross = torch.zeros(2), torch.eye(2), torch.zeros(2, 2)
    z_mean, z_cov, cross = z_mean.double(), z_cov.double(), cross.double()
    slope = torch.zeros(2, 2, dtype=torch.float64)
    if model.num_components:
        with torch.no_grad():
            axes = torch.cat([torch.zeros(1, 2), torch.eye(2)]).double()
            prior = model.prior(axes)
        means, slopes = prior.mean[0], (prior.mean[1:] - prior.mean[0]).permute(1, 2, 0)  # (K, Z), (K, Z, D)
        z_mean, slope = means.mean(0), slopes.mean(0)
        second = torch.stack(
            [v.diag() + a @ a.T + m.outer(m) for m, a, v in zip(means, slopes, prior.log_var[0].exp(), strict=True)]
        )
        z_cov = second.mean(0) - z_mean.outer(z_mean)
    if not model.beta_dim:
        return weight @ z_mean + model.decoder.bias.detach(), [weight @ z_cov @ weight.T, torch.zeros(3, 3).double()]
    eye = torch.eye(2, dtype=torch.float64)
    joint = torch.cat([torch.cat([z_cov, slope], 1), torch.cat([slope.T, eye], 1)])
    shared = torch.cat([torch.cat([slope @ slope.T, slope], 1), torch.cat([slope.T, eye], 1)])
    mean = weight @ torch.cat([z_mean, torch.zeros(2).double()]) + model.decoder.bias.detach()
    return mean, [weight @ joint @ weight.T, weight @ shared @ weight.T]


@every_model
@torch.no_grad()
def test_importance_weighted_bound_meets_the_exact_log_likelihood(model_class: type[BaseVAE]) -> None:
    """A linear-Gaussian model: p(X) in closed form, every assignment of d enumerated."""
    model = make(model_class, (1, 1, 3), x_std=1.0, z_dim=2, beta_dim=2, w_dim=2, num_components=2)
    make_linear(model)
    group, repeats = torch.rand(2, *model.image_shape, dtype=torch.float64), 100
    exact = exact_log_likelihood(model, group)
    bounds = importance_weighted_bound(model, group.expand(repeats, *group.shape), 40, 20, images_per_chunk=2000)
    ratio = (bounds - exact).exp()  # has mean 1
    error = ratio.std() / repeats**0.5
    assert error < 0.05
    assert abs(ratio.mean() - 1) < 5 * error
    assert abs(bounds.mean() - exact) < 0.1


@every_model
@torch.no_grad()
def test_importance_weighted_bound_is_above_the_elbo_and_tightens(model_class: type[BaseVAE]) -> None:
    model = make(model_class, (1, 2, 2), x_std=0.2)
    model.z_head.bias[model.z_dim :] += 1  # too wide a q(z | x): a gap that can be seen
    images = make_images(model, 1, 2).expand(400, -1, -1, -1, -1)
    values = [model.elbo(images).total]
    values += [importance_weighted_bound(model, images, *samples) for samples in ((1, 1), (1, 8), (2, 16))]
    for (i, lower), (j, upper) in itertools.combinations(enumerate(values), 2):
        error = (lower.var() / len(lower) + upper.var() / len(upper)).sqrt()
        gain = upper.mean() - lower.mean()
        assert gain > (4 if j - i > 1 else -4) * error  # neighbours may be as good as alike


@every_model
def test_importance_weighted_bound_in_chunks(model_class: type[BaseVAE], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "randn_like", torch.zeros_like)
    model = make(model_class)
    images = make_images(model)
    whole = importance_weighted_bound(model, images, 3, 5)
    for chunk in (1, B, 2 * G * B):  # parts of the draws of one group, of all
        assert_close(importance_weighted_bound(model, images, 3, 5, images_per_chunk=chunk), whole)
    assert_close(importance_weighted_bound(model, images, 1, 1), whole)  # all draws are alike
    for samples in ((0, 1), (1, 0)):
        with pytest.raises(ValueError, match="S, T ≥ 1"):
            importance_weighted_bound(model, images, *samples)


@every_model
@torch.no_grad()
def test_ladder_is_the_bound_of_every_rung(model_class: type[BaseVAE]) -> None:
    """Draws of its own agree with those of the ladder, and the exact log-likelihood is above every rung."""
    model = make(model_class, (1, 1, 3), x_std=1.0, z_dim=2, beta_dim=2, w_dim=2, num_components=2)
    make_linear(model)
    group, repeats = torch.rand(2, *model.image_shape, dtype=torch.float64), 200
    exact = float(exact_log_likelihood(model, group))
    images = group.expand(repeats, *group.shape)
    ladder = bound_ladder(model, images, (1, 4), (1, 5), elbo_samples=3)
    rungs = {(rung.S, rung.T): rung for rung in ladder.bounds}
    assert set(rungs) == set(itertools.product((1, 4) if model.beta_dim else (1,), (1, 5)))
    for (s, t), rung in rungs.items():
        alone = importance_weighted_bound(model, images, s, t) / 2
        error = math.hypot(float(alone.std()) / repeats**0.5, rung.error)
        assert abs(rung.mean - float(alone.mean())) < 5 * error
        assert rung.gain.mean == pytest.approx(rung.mean - ladder.elbo.mean)
        assert (rung.rise is None) == ((s, t) == (1, 1))
        assert rung.rise is None or rung.rise.mean == pytest.approx(rung.mean - rungs[1, 1].mean)
        assert rung.mean < exact / 2 + 5 * rung.error
    assert ladder.bounds[-1].rise.mean > ladder.bounds[-1].rise.error
    assert ladder.bounds[-1].gain.mean > 0


@torch.no_grad()
def test_sizes_of_the_ladder_have_fresh_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every size calls for draws of its own: with a bound that counts its calls nothing is shared."""
    model, calls = make(UGVAE), []
    bound = bounds.importance_weighted_bound
    monkeypatch.setattr(bounds, "importance_weighted_bound", lambda *a: calls.append(bound(*a)) or calls[-1])
    ladder = bound_ladder(model, make_images(model), (1, 2), (1, 3))
    assert [rung.mean for rung in ladder.bounds] == [pytest.approx(float(values.mean()) / B) for values in calls]
    assert len({float(values.sum()) for values in calls}) == 4


@torch.no_grad()
def test_ladder_in_chunks_and_without_draws() -> None:
    model = make(UGVAE)
    images = make_images(model)
    torch.manual_seed(3)
    whole = bound_ladder(model, images, (2, 1), (6, 3, 3))
    torch.manual_seed(3)
    parts = bound_ladder(model, images, (1, 2), (3, 6), images_per_chunk=1)
    assert [(rung.S, rung.T) for rung in parts.bounds] == [(1, 3), (1, 6), (2, 3), (2, 6)]
    assert parts.elbo == whole.elbo
    with pytest.raises(ConfigError, match="two groups"):
        bound_ladder(model, images[:1])
    for samples in (((), (1,)), ((1,), ()), ((0,), (1,)), ((1,), (0,))):
        with pytest.raises(ValueError, match="S, T ≥ 1"):
            bound_ladder(model, images, *samples)
