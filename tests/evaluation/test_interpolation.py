"""Grids between two images and their groups. Axes: R rows, S columns, K components."""

import pytest
import torch
from torch.testing import assert_close

from tests.helpers.small_models import every_model, make, make_images
from ugvae.distributions import DiagonalGaussian, transport_between
from ugvae.errors import ConfigError
from ugvae.evaluation.interpolation import Grid, interpolate, line, posterior_ends, prior_ends
from ugvae.models import UGVAE, BaseVAE


def posterior_grid(model: BaseVAE, groups: torch.Tensor, images=(0, 0), **settings) -> Grid:
    return interpolate(model, posterior_ends(model, groups, images), **settings)


def prior_grid(model: BaseVAE, component: int | None = None, seed: int = 0, **settings) -> Grid:
    return interpolate(model, prior_ends(model, component, seed), **settings)


@every_model
@pytest.mark.parametrize("transported", [False, True])
def test_corners_are_the_two_images_as_their_groups_decode_them(model_class: type[BaseVAE], transported: bool) -> None:
    model = make(model_class)
    groups = make_images(model)
    grid = posterior_grid(model, groups, (1, 3), steps=5, way="transported" if transported else "fixed")
    posterior = model.infer(groups)
    rows = 5 if model.beta_dim else 1
    assert grid.images.shape == (rows, 5, *model.image_shape)
    assert grid.z.shape == (rows, 5, model.z_dim)
    for corner, side, image in (((0, 0), 0, 1), ((-1, -1), 1, 3)):
        z, beta = posterior.z.mean[side, image], posterior.beta.mean[side : side + 1] if posterior.beta else None
        assert_close(grid.z[corner], z)
        assert_close(grid.images[corner], model.decode(z.view(1, 1, -1), beta)[0, 0].detach())
    if model.beta_dim:
        assert_close(grid.beta, line(*posterior.beta.mean, 5))


def test_fixed_z_is_the_same_in_every_row() -> None:
    model = make(UGVAE)
    grid = posterior_grid(model, make_images(model))
    assert grid.images.shape[:2] == (7, 7)
    assert_close(grid.z, grid.z[:1].expand(7, -1, -1))
    assert_close(grid.z[0, 3], grid.z[0, [0, -1]].mean(0))


def test_transported_z_is_that_of_translate() -> None:
    """The last row's first column: the first image, carried from its own beta to the other's."""
    model = make(UGVAE)
    groups = make_images(model)
    grid = posterior_grid(model, groups, (2, 1), way="transported")
    beta = model.infer(groups).beta.mean.detach()
    there = model.translate(groups[:1], beta[:1], beta[1:])[0, 2]
    back = model.translate(groups[1:], beta[1:], beta[:1])[0, 1]
    assert_close(grid.images[-1, 0], there)
    assert_close(grid.images[0, -1], back)


def test_transport_carries_one_gaussian_onto_the_other() -> None:
    source = DiagonalGaussian(torch.tensor([[1.0, -2.0]]).double(), torch.tensor([[4.0, 0.25]]).double().log())
    target = DiagonalGaussian(torch.tensor([[0.0, 5.0]]).double(), torch.tensor([[1.0, 9.0]]).double().log())
    z = source.mean + source.std * torch.randn(1000, 2).double()
    moved = transport_between(z, torch.ones(1000, 1).double(), source, target)
    standard = (z - source.mean) / source.std
    assert_close((moved - target.mean) / target.std, standard)
    assert_close(transport_between(z, torch.ones(1000, 1).double(), source, source), z)


def test_transport_averages_the_components() -> None:
    source, target = (DiagonalGaussian(*torch.randn(2, 3, 2).double()) for _ in range(2))
    z, d = torch.randn(4, 2).double(), torch.rand(4, 3).double().softmax(-1)
    alone = torch.stack(
        [transport_between(z, torch.eye(3).double()[k].expand(4, 3), source, target) for k in range(3)], 1
    )
    assert_close(transport_between(z, d, source, target), torch.einsum("nk,nkz->nz", d, alone))


@every_model
def test_prior_grid_is_a_function_of_its_seed(model_class: type[BaseVAE]) -> None:
    model = make(model_class)
    state = torch.get_rng_state()
    first, again, other = prior_grid(model), prior_grid(model), prior_grid(model, seed=1)
    assert torch.equal(state, torch.get_rng_state())
    assert first.images.shape == (7 if model.beta_dim else 1, 7, *model.image_shape)
    assert torch.equal(first.images, again.images)
    assert not torch.equal(first.images, other.images)


def test_prior_grid_stays_in_its_component() -> None:
    """With components far apart, and transported: every z lies near the component's mean under the row's beta."""
    model = make(UGVAE)
    for seed in range(5):
        grid = prior_grid(model, component=4, seed=seed, way="transported")
        prior = model.prior(grid.beta)
        ends = (grid.z[:, [0, -1]] - prior.mean[:, 4:]) / prior.std[:, 4:]
        assert_close(ends, ends[:1].expand(7, -1, -1))  # the same place in the component, in every row


def test_what_cannot_be_interpolated_is_named() -> None:
    model = make(UGVAE)
    with pytest.raises(ConfigError, match=r"^groups: interpolation takes two, got 3$"):
        posterior_grid(model, make_images(model, groups=3))
    with pytest.raises(ConfigError, match=r"^component: expected 0 to 4, got 5$"):
        prior_grid(model, component=5)
