"""Grids between two groups and two images, from the prior or from posteriors (Fig. 5, 6).

Axes: R rows (steps of beta), S columns (steps of z), K components, C channels, H and W pixels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ugvae.distributions import transport_between
from ugvae.errors import ConfigError
from ugvae.evaluation.walks import changes
from ugvae.evaluation.ways import CARRIED
from ugvae.models.base import GroupVAE
from ugvae.models.bound import Way


class Grid(NamedTuple):
    """Decoded images and the latents behind them.

    Attributes:
        images: means in [0, 1], ``(R, S, C, H, W)``.
        beta: of each row, ``(R, beta_dim)``; None, with a single row, if the model has none.
        z: of each image, ``(R, S, z_dim)``.
    """

    images: Tensor
    beta: Tensor | None
    z: Tensor


@dataclass(frozen=True)
class GridChange:
    """How much a grid changes from end to end, as the mean absolute difference of pixels in [0, 1].

    Attributes:
        by_z: between the first and the last column.
        by_beta: between the first and the last row; None without beta.
    """

    by_z: float
    by_beta: float | None = None


class Endpoint(NamedTuple):
    """One end of an interpolation: an image and its group.

    Attributes:
        z: ``(z_dim,)``.
        d: component probabilities of the image, ``(K,)``; None without a mixture.
        beta: of the group, ``(beta_dim,)``; None if the model has none.
    """

    z: Tensor
    d: Tensor | None
    beta: Tensor | None


def line(start: Tensor, end: Tensor, steps: int) -> Tensor:
    """Points from ``start (..., D)`` to ``end (..., D)`` at equal distances, ``(..., steps, D)``."""
    return torch.lerp(start.unsqueeze(-2), end.unsqueeze(-2), torch.linspace(0, 1, steps).to(start).unsqueeze(-1))


@torch.no_grad()
def interpolate(model: GroupVAE, start: Endpoint, end: Endpoint, steps: int = 7, way: Way = "fixed") -> Grid:
    """Rows from one group's beta to the other's, columns from one image's z to the other's.

    The first and the last corner are the two images as their own groups decode them. With ``transported`` z, the two z
    are carried from their own p(z | k, beta) to that of each row, and the row is the straight line between them. That
    changes nothing where the prior of z has no beta.

    Args:
        model: in eval mode.
        start: the image and group of the first corner.
        end: those of the last.
        steps: R and S; R is 1 for a model without beta.
        way: ``transported`` carries z along the rows.
    """
    if start.beta is None:
        z = line(start.z, end.z, steps).unsqueeze(0)
        return Grid(model.decode(z).cpu(), None, z.cpu())
    beta = line(start.beta, end.beta, steps)
    ends = [corner.z.expand(steps, -1) for corner in (start, end)]
    if way == "transported" and model.num_components:
        target = model.prior(beta)  # (R, K, z_dim)
        sources = [model.prior(corner.beta.unsqueeze(0)) for corner in (start, end)]
        ends = [
            transport_between(corner.z.unsqueeze(0), corner.d.unsqueeze(0), source, target).squeeze(1)
            for corner, source in zip((start, end), sources, strict=True)
        ]
    z = line(*ends, steps)
    return Grid(model.decode(z, beta).cpu(), beta.cpu(), z.cpu())


@torch.no_grad()
def posterior_grid(
    model: GroupVAE,
    groups: Tensor,
    images: tuple[int, int] = (0, 0),
    steps: int = 7,
    way: Way = "fixed",
) -> Grid:
    """The grid between an image of one group and an image of another (Fig. 5, 6), at posterior means.

    Args:
        model: in eval mode.
        groups: two groups of images, uint8 or float in [0, 1], ``(2, B, C, H, W)``.
        images: number of the image in the first and in the second group.
        steps: R and S.
        way: ``transported`` carries z along the rows.

    Raises:
        ConfigError: not two groups.
    """
    if len(groups) != 2:
        raise ConfigError(f"groups: interpolation takes two, got {len(groups)}")
    posterior = model.infer(groups)
    ends = (
        Endpoint(
            posterior.z.mean[side, image],
            None if posterior.d is None else posterior.d[side, image],
            None if posterior.beta is None else posterior.beta.mean[side],
        )
        for side, image in enumerate(images)
    )
    return interpolate(model, *ends, steps, way)


@torch.no_grad()
def prior_grid(
    model: GroupVAE, component: int | None = None, steps: int = 7, seed: int = 0, way: Way = "fixed"
) -> Grid:
    """The grid between two draws from the prior: beta ~ N(0, I), and an image of each of the two groups.

    Args:
        model: in eval mode.
        component: of both images; None draws one for both. Without effect where there is no mixture.
        steps: R and S.
        seed: of the draws.
        way: ``transported`` carries z along the rows.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        beta = model.standard_normal(2, model.beta_dim) if model.beta_dim else None
        d = None
        if model.num_components:
            drawn = int(torch.randint(model.num_components, ())) if component is None else component
            if not 0 <= drawn < model.num_components:
                raise ConfigError(f"component: expected 0 to {model.num_components - 1}, got {drawn}")
            d = torch.full((2, 1), drawn, device=model.device)
        z = model.sample_z(2, 1, d, beta).squeeze(1)
    pi = None if d is None else torch.nn.functional.one_hot(d.squeeze(1), model.num_components).to(z)
    ends = (
        Endpoint(z[side], None if pi is None else pi[side], None if beta is None else beta[side]) for side in (0, 1)
    )
    return interpolate(model, *ends, steps, way)


def ways_of(model: GroupVAE) -> tuple[Way, ...]:
    """Fixed z, and transported z where beta drives the prior of z; elsewhere both are the same."""
    return CARRIED if model.beta_dim and model.num_components else ("fixed",)


def posterior_grids(model: GroupVAE, groups: Tensor, pair: tuple[int, int], steps: int = 7) -> dict[Way, Grid]:
    """The grids between an image of one group and an image of another, by way.

    Without beta a grid has a single row. Its place takes a grid with as many rows as columns, each row between another
    pair of images.

    Args:
        model: in eval mode.
        groups: two groups of images, uint8 or float in [0, 1], ``(2, B, C, H, W)``.
        pair: number of the image in the first and in the second group.
        steps: R and S.
    """
    if model.beta_dim:
        return {way: posterior_grid(model, groups, pair, steps, way) for way in ways_of(model)}
    size = groups.shape[1]
    pairs = [tuple((first + row) % size for first in pair) for row in range(min(steps, size))]
    return {"fixed": _stacked([posterior_grid(model, groups, row_pair, steps) for row_pair in pairs])}


def prior_grids(model: GroupVAE, component: int | None = None, steps: int = 7, seed: int = 0) -> dict[Way, Grid]:
    """The grids between two draws from the prior, by way; without beta a row for each of ``steps`` pairs of draws."""
    if model.beta_dim:
        return {way: prior_grid(model, component, steps, seed, way) for way in ways_of(model)}
    return {"fixed": _stacked([prior_grid(model, component, steps, seed + row) for row in range(steps)])}


def _stacked(grids: Sequence[Grid]) -> Grid:
    """Grids of one row each, of a model without beta, as the rows of one."""
    return Grid(torch.cat([grid.images for grid in grids]), None, torch.cat([grid.z for grid in grids]))


def grid_changes(grids: Mapping[Way, Grid]) -> dict[Way, GridChange]:
    """How much each grid changes along z and along beta."""
    moved = {way: changes(grid.images) for way, grid in grids.items()}
    return {
        way: GridChange(change.columns, change.rows if grids[way].beta is not None else None)
        for way, change in moved.items()
    }
