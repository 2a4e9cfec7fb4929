"""The product of Gaussian experts, against the textbook. Axes: G groups, B images, D dimensions."""

import math
from operator import itemgetter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from tests.helpers.gaussians import B, D, G, each, gaussian
from ugvae.distributions import DiagonalGaussian, product_of_gaussians


def textbook_product(factors: DiagonalGaussian) -> DiagonalGaussian:
    precision = (1 / factors.log_var.double().exp()).sum(-2)
    mean = (factors.mean.double() / factors.log_var.double().exp()).sum(-2) / precision
    return DiagonalGaussian(mean, (1 / precision).log())


def test_product_against_textbook() -> None:
    factors = gaussian(G, B, D)
    product, expected = product_of_gaussians(factors), textbook_product(factors)
    assert product.mean.shape == (G, D)
    assert_close(product, expected)


def test_product_is_the_normalised_product_of_densities() -> None:
    factors, points = gaussian(B, 1), torch.linspace(-2, 2, 9, dtype=torch.float64).view(-1, 1)
    log_density = sum(DiagonalGaussian(m, v).log_prob(points) for m, v in zip(*factors, strict=True))
    ratio = product_of_gaussians(factors).log_prob(points) - log_density
    assert_close(ratio, ratio[:1].expand_as(ratio))  # equal up to the constant of normalisation


def test_product_identities() -> None:
    factors = gaussian(G, B, D)
    assert_close(product_of_gaussians(each(lambda t: t[:, :1], factors)), each(lambda t: t[:, 0], factors))

    once = product_of_gaussians(factors)
    twice = product_of_gaussians(each(lambda t: torch.cat([t, t], 1), factors))
    assert_close(twice, DiagonalGaussian(once.mean, once.log_var - math.log(2)))

    order = torch.randperm(B)
    assert_close(product_of_gaussians(each(lambda t: t[:, order], factors)), once)


def test_product_is_associative() -> None:
    factors = gaussian(B, D)
    left = product_of_gaussians(each(itemgetter(slice(2)), factors))
    rest = DiagonalGaussian(*(torch.cat([first[None], t[2:]]) for first, t in zip(left, factors, strict=True)))
    assert_close(product_of_gaussians(rest), product_of_gaussians(factors))


def test_prior_expert_is_one_standard_normal_more() -> None:
    factors = gaussian(G, B, D)
    with_standard = each(lambda t: torch.cat([t, torch.zeros(G, 1, D, dtype=t.dtype)], 1), factors)
    assert_close(product_of_gaussians(factors, prior_expert=True), textbook_product(with_standard))


@pytest.mark.parametrize("prior_expert", [False, True])
@pytest.mark.parametrize("log_vars", [[80.0], [-80.0], [80.0, 80.0], [-80.0, -80.0], [-80.0, 0.0, 80.0]])
def test_product_of_extreme_variances_in_float32(log_vars: list[float], prior_expert: bool) -> None:
    log_var = torch.tensor(log_vars).unsqueeze(1).expand(-1, D).clone().requires_grad_()
    mean = torch.randn_like(log_var).requires_grad_()
    product = product_of_gaussians(DiagonalGaussian(mean, log_var), prior_expert)
    zeros = torch.zeros(int(prior_expert), D)
    expected = textbook_product(each(lambda t: torch.cat([t, zeros]), DiagonalGaussian(mean, log_var)))
    assert_close(product, each(Tensor.float, expected))
    (product.mean.sum() + product.log_var.sum() + product.sample().sum()).backward()
    assert mean.grad.isfinite().all()
    assert log_var.grad.isfinite().all()
    assert mean.grad.abs().sum() > 0 or prior_expert


@settings(deadline=None, derandomize=True, max_examples=50)
@given(rows=st.lists(st.tuples(st.floats(-50, 50), st.floats(-80, 80)), min_size=1, max_size=8))
def test_product_is_sharper_than_its_factors_and_between_their_means(rows: list[tuple[float, float]]) -> None:
    factors = DiagonalGaussian(*torch.tensor(rows, dtype=torch.float64).T.unsqueeze(-1))
    product = product_of_gaussians(factors)
    assert product.log_var <= factors.log_var.min() + 1e-9
    assert factors.mean.min() - 1e-9 <= product.mean <= factors.mean.max() + 1e-9
    assert_close(product, product_of_gaussians(each(lambda t: t.flip(0), factors)))


@pytest.mark.parametrize("prior_expert", [False, True])
def test_product_of_no_factors_is_standard_normal(prior_expert: bool) -> None:
    factors = each(lambda t: t.requires_grad_(), gaussian(G, B, D))
    mask = torch.ones(factors.mean.shape[:2], dtype=torch.bool)
    mask[0] = False
    product = product_of_gaussians(factors, prior_expert, mask)
    assert_close(product.mean[0], torch.zeros_like(product.mean[0]))
    assert_close(product.log_var[0], torch.zeros_like(product.mean[0]))
    assert_close(each(lambda t: t[1:], product), product_of_gaussians(each(lambda t: t[1:], factors), prior_expert))
    (product.mean.sum() + product.log_var.sum()).backward()
    assert not factors.mean.grad[0].any()
    assert factors.log_var.grad.isfinite().all()


@pytest.mark.parametrize("prior_expert", [False, True])
def test_gradients_of_the_product(prior_expert: bool) -> None:
    inputs = tuple(torch.randn(G, B, D, dtype=torch.float64, requires_grad=True) for _ in range(2))

    def product(mean: Tensor, log_var: Tensor) -> tuple[Tensor, Tensor]:
        return tuple(product_of_gaussians(DiagonalGaussian(mean, log_var), prior_expert))

    assert torch.autograd.gradcheck(product, inputs)
