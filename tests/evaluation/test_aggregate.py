"""Where beta is: information and mismatch against quadrature and closed forms; axes of known posteriors."""

import math

import pytest
import torch
from torch.distributions import MixtureSameFamily, Normal, kl_divergence
from torch.testing import assert_close

from tests.helpers.small_models import make
from ugvae.distributions import DiagonalGaussian
from ugvae.evaluation.aggregate import gaussian_information, information, matched_scale, principal_axes
from ugvae.evaluation.walks import aggregate_walks, component_walks_at
from ugvae.models import MLVAE, UGVAE


def posteriors(means: list[float], variance: float) -> DiagonalGaussian:
    mean = torch.tensor(means).double().unsqueeze(1)
    return DiagonalGaussian(mean, torch.full_like(mean, math.log(variance)))


def test_the_parts_of_kl_are_those_of_quadrature() -> None:
    """One dimension, five posteriors of unequal width: both integrals on a fine grid."""
    torch.manual_seed(0)
    q = DiagonalGaussian(torch.randn(5, 1).double(), torch.randn(5, 1).double() - 1)
    grid = torch.linspace(-12, 12, 200_001, dtype=torch.float64)
    posteriors = Normal(q.mean.squeeze(1), q.std.squeeze(1))
    aggregate = MixtureSameFamily(torch.distributions.Categorical(torch.ones(5).double()), posteriors)
    log_aggregate, log_prior = aggregate.log_prob(grid), Normal(0.0, 1.0).log_prob(grid)
    mismatch = torch.trapezoid(log_aggregate.exp() * (log_aggregate - log_prior), grid)
    kl = kl_divergence(posteriors, Normal(0.0, 1.0)).mean()
    result = information(q)
    assert result.information + result.mismatch == pytest.approx(float(kl))
    assert abs(result.mismatch - float(mismatch)) < 5 * result.error
    assert 0 < result.error < 0.03
    assert result.gaussian > result.information - 5 * result.error
    assert information(q) == result, "the seed is fixed"


@pytest.mark.parametrize(
    ("q", "known", "mismatch"),
    [
        (posteriors([0.0] * 8, 0.01), 0.0, 0.5 * (0.01 - math.log(0.01) - 1)),  # narrow, and it knows nothing
        (posteriors([3.0] * 8, 1.0), 0.0, 4.5),  # elsewhere, and it knows nothing
        (posteriors([-300.0, -100.0, 100.0, 300.0], 1.0), math.log(4), 25_000 - math.log(4)),  # knows which of four
    ],
)
def test_narrowness_is_no_information(q: DiagonalGaussian, known: float, mismatch: float) -> None:
    result = information(q)
    assert result.information == pytest.approx(known, abs=1e-9)
    assert result.mismatch == pytest.approx(mismatch)
    assert result.information <= result.most + 1e-9


def test_gaussian_information_is_that_of_its_definition() -> None:
    """The mean KL to the Gaussian that has the moments of the mixture, by torch.distributions."""
    torch.manual_seed(1)
    q = DiagonalGaussian(torch.randn(30, 3).double() @ torch.randn(3, 3).double(), torch.randn(30, 3).double())
    covariance = q.mean.T.cov(correction=0) + q.log_var.exp().mean(0).diag()
    gaussian = torch.distributions.MultivariateNormal(q.mean.mean(0), covariance)
    posteriors = torch.distributions.MultivariateNormal(q.mean, torch.diag_embed(q.log_var.exp()))
    assert gaussian_information(q) == pytest.approx(float(kl_divergence(posteriors, gaussian).mean()))
    scaled = DiagonalGaussian(3 * q.mean, q.log_var)
    assert gaussian_information(q, 3.0) == pytest.approx(gaussian_information(scaled))


def test_scale_is_that_of_the_information() -> None:
    torch.manual_seed(2)
    q = DiagonalGaussian(1e-5 * torch.randn(200, 4), -3 + 0.1 * torch.randn(200, 4))
    for nats in (0.5, 9.2, 60.0):
        assert gaussian_information(q, matched_scale(q, nats)) == pytest.approx(nats)
    assert matched_scale(q, 0.0) == 0, "the variances alone know more"
    assert matched_scale(posteriors([1.0] * 5, 0.1), 2.0) is None, "means that do not differ cannot be scaled"


def test_axes_of_a_known_aggregate() -> None:
    """Means along (3, 4) / 5 with s.d. 5, and posteriors of s.d. 0.1: the first axis, its share and its quantiles."""
    torch.manual_seed(3)
    direction, places = torch.tensor([0.6, 0.8, 0.0]).double(), 5 * torch.linspace(-2, 2, 401).double()
    q = DiagonalGaussian(1.0 + places.unsqueeze(1) * direction, torch.full((401, 3), math.log(0.01)).double())
    axes = principal_axes(q)
    assert_close(axes.directions[0], direction, atol=1e-3, rtol=0)
    assert axes.shares.tolist() == sorted(axes.shares.tolist(), reverse=True)
    assert float(axes.shares[0]) > 0.998
    walk = axes.walk(0, 3)
    assert_close(walk[1], torch.ones(3).double(), atol=0.1, rtol=0)
    assert_close((walk[2] - walk[0]) @ direction, torch.tensor(18.0).double(), atol=0.3, rtol=0)  # 0.05 to 0.95 of 20


def test_wide_posteriors_do_not_hide_where_groups_differ() -> None:
    """Means differ along the first dimension alone; every posterior is wide along the second."""
    mean = torch.linspace(-1, 1, 41).double().unsqueeze(1) * torch.tensor([1.0, 0.0]).double()
    axes = principal_axes(DiagonalGaussian(mean, torch.tensor([-4.0, 3.0]).double().expand(41, 2)))
    assert_close(axes.directions[0], torch.tensor([1.0, 0.0]).double())
    assert_close(axes.shares, torch.tensor([1.0, 0.0]).double())
    same = principal_axes(DiagonalGaussian(mean[:1].expand(41, 2), torch.zeros(41, 2).double()))
    assert same.shares.tolist() == [0.0, 0.0], "no group differs, and nothing is NaN"


@pytest.mark.parametrize("kind", [UGVAE, MLVAE])
def test_walks_along_axes_move_nothing_but_beta(kind: type) -> None:
    model = make(kind)
    q = DiagonalGaussian(torch.randn(20, model.beta_dim), torch.zeros(20, model.beta_dim))
    axes = principal_axes(q)
    walks = aggregate_walks(model, axes, steps=3, draws=4)
    assert walks.shape[:3] == (min(5, model.beta_dim), 3, 4)
    still = aggregate_walks(model, axes._replace(directions=torch.zeros_like(axes.directions)), steps=3, draws=4)
    assert_close(still, still[:1, :1].expand_as(still))
    assert (walks[0, 0] - walks[0, 2]).abs().max() > 1e-4


def test_walk_of_components_at_given_betas() -> None:
    model = make(UGVAE)
    beta = torch.randn(3, model.beta_dim).double()
    walks, columns = component_walks_at(model, beta, z_range=2.0)
    assert columns.tolist() == [-2, 0, 2]
    z = model.prior(beta[1:2]).mean[:, 2:3] + 2.0
    assert_close(walks[2, 1, 2], model.decode(z, beta[1:2])[0, 0].detach())


def test_information_that_the_groups_limit_is_said() -> None:
    torch.manual_seed(4)
    wide = information(DiagonalGaussian(10 * torch.randn(16, 4), torch.zeros(16, 4)))
    assert wide.limited
    assert str(wide) == f"information ≥ {math.log(16):.1f} + mismatch ≤ {wide.mismatch:.1f}"
    narrow = information(DiagonalGaussian(0.3 * torch.randn(64, 4), torch.zeros(64, 4)))
    assert not narrow.limited
    assert str(narrow) == f"information {narrow.information:.1f} + mismatch {narrow.mismatch:.1f}"
