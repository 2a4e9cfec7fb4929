"""The importance-weighted bound and the samples of every model, against linear models with closed forms.

Axes: G groups, B images.
"""

import itertools

import pytest
import torch
from torch.testing import assert_close

from tests.reference_models import exact_log_likelihood, make_linear
from tests.small_models import B, G, every_model, make, make_images
from ugvae.evaluation.bounds import importance_weighted_bound
from ugvae.models import GroupVAE


@every_model
def test_samples_follow_the_prior(model_class: type[GroupVAE]) -> None:
    """A linear model: mean and covariance of an image, and covariance of two images of a group, in closed form."""
    model = make(model_class, (1, 1, 3), z_dim=2, beta_dim=2, w_dim=2, num_components=2)
    make_linear(model)
    images = model.sample(20_000, 2).flatten(2)
    expected_mean, expected_covariance = linear_moments(model)
    assert_close(images[:, 0].mean(0), expected_mean, atol=0.05, rtol=0)
    pairs = images.flatten(1).T.cov()
    assert_close(pairs[:3, :3], expected_covariance[0], atol=0.1, rtol=0.1)
    assert_close(pairs[:3, 3:], expected_covariance[1], atol=0.1, rtol=0.1)


def linear_moments(model: GroupVAE) -> tuple[torch.Tensor, list[torch.Tensor]]:
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
def test_importance_weighted_bound_meets_the_exact_log_likelihood(model_class: type[GroupVAE]) -> None:
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
def test_importance_weighted_bound_is_above_the_elbo_and_tightens(model_class: type[GroupVAE]) -> None:
    model = make(model_class, (1, 2, 2), x_std=0.5)
    model.z_head.bias[model.z_dim :] += 1  # too wide a q(z | x): a gap that can be seen
    images = make_images(model, 1, 2).expand(400, -1, -1, -1, -1)
    values = [model.elbo(images).total]
    values += [importance_weighted_bound(model, images, *samples) for samples in ((1, 1), (1, 8), (2, 16))]
    for (i, lower), (j, upper) in itertools.combinations(enumerate(values), 2):
        error = (lower.var() / len(lower) + upper.var() / len(upper)).sqrt()
        gain = upper.mean() - lower.mean()
        assert gain > (4 if j - i > 1 else -4) * error  # neighbours may be as good as alike


@every_model
def test_importance_weighted_bound_in_chunks(model_class: type[GroupVAE], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "randn_like", torch.zeros_like)
    model = make(model_class)
    images = make_images(model)
    whole = importance_weighted_bound(model, images, 3, 5)
    assert_close(importance_weighted_bound(model, images, 3, 5, images_per_chunk=2 * G * B), whole)
    assert_close(importance_weighted_bound(model, images, 1, 1), whole)  # all draws are alike
    for samples in ((0, 1), (1, 0)):
        with pytest.raises(ValueError, match="S, T ≥ 1"):
            importance_weighted_bound(model, images, *samples)
