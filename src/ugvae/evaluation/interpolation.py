"""Grids between two groups and two images, from the prior or from posteriors (Fig. 5, 6).

Axes: R rows (steps of beta), S columns (steps of z), K components, C channels, H and W pixels.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from ugvae.distributions import DiagonalGaussian, transport_between
from ugvae.errors import ConfigError
from ugvae.evaluation.walks import changes
from ugvae.evaluation.ways import CARRIED
from ugvae.models.base import BaseVAE
from ugvae.models.bound import Way


class Grid(NamedTuple):
    """Decoded images and the latents behind them.

    Attributes:
        images: means in [0, 1], ``(R, S, C, H, W)``.
        beta: of each row, ``(R, beta_dim)``; None if the model has none.
        z: of each image, ``(R, S, z_dim)``.
    """

    images: Tensor
    beta: Tensor | None
    z: Tensor


class Ends(NamedTuple):
    """The two ends of an interpolation, an image and its group each.

    Attributes:
        z: ``(2, z_dim)``.
        d: component probabilities of the images, ``(2, K)``; None without a mixture.
        beta: of the groups, ``(2, beta_dim)``; None if the model has none.
    """

    z: Tensor
    d: Tensor | None
    beta: Tensor | None


@dataclass(frozen=True)
class GridChange:
    """How much a grid changes from end to end, as the mean absolute difference of pixels in [0, 1].

    Attributes:
        by_z: between the first and the last column.
        by_beta: between the first and the last row; None without beta.
    """

    by_z: float
    by_beta: float | None = None


def line(start: Tensor, end: Tensor, steps: int) -> Tensor:
    """Points from ``start (..., D)`` to ``end (..., D)`` at equal distances, ``(..., steps, D)``."""
    return torch.lerp(start.unsqueeze(-2), end.unsqueeze(-2), torch.linspace(0, 1, steps).to(start).unsqueeze(-1))


@torch.no_grad()
def interpolate(model: BaseVAE, ends: Ends, steps: int = 7, way: Way = "fixed") -> Grid:
    """Rows from one group's beta to the other's, columns from one image's z to the other's.

    The first and the last corner are the two images as their own groups decode them. With ``transported`` z, the two z
    are carried from their own p(z | k, beta) to that of each row, and the row is the straight line between them. That
    changes nothing where the prior of z has no beta.

    Args:
        model: in eval mode.
        ends: the images and groups of the first and of the last corner.
        steps: R and S; R is 1 for a model without beta.
        way: ``transported`` carries z along the rows.
    """
    if ends.beta is None:
        z = line(*ends.z, steps).unsqueeze(0)
        return Grid(model.decode(z).cpu(), None, z.cpu())
    beta = line(*ends.beta, steps)
    corners = ends.z.unsqueeze(1).expand(-1, steps, -1)  # (2, R, z_dim)
    if way == "transported" and model.num_components:
        own = DiagonalGaussian(*(part.unsqueeze(1) for part in model.prior(ends.beta)))  # (2, 1, K, z_dim)
        z, d = ends.z[:, None, None], ends.d[:, None, None]
        corners = transport_between(z, d, own, model.prior(beta)).squeeze(2)
    z = line(*corners, steps)
    return Grid(model.decode(z, beta).cpu(), beta.cpu(), z.cpu())


@torch.no_grad()
def posterior_ends(model: BaseVAE, groups: Tensor, images: tuple[int, int] = (0, 0)) -> Ends:
    """An image of one group and an image of another (Fig. 5, 6), at posterior means.

    Args:
        model: in eval mode.
        groups: two groups of images, uint8 or float in [0, 1], ``(2, B, C, H, W)``.
        images: number of the image in the first and in the second group.

    Raises:
        ConfigError: not two groups.
    """
    if len(groups) != 2:
        raise ConfigError(f"groups: interpolation takes two, got {len(groups)}")
    posterior, sides = model.infer(groups), torch.arange(2)
    return Ends(
        posterior.z.mean[sides, images],
        None if posterior.d is None else posterior.d[sides, images],
        None if posterior.beta is None else posterior.beta.mean,
    )


@torch.no_grad()
def prior_ends(model: BaseVAE, component: int | None = None, seed: int = 0) -> Ends:
    """Two draws from the prior: beta ~ N(0, I), and an image of each of the two groups.

    Args:
        model: in eval mode.
        component: of both images; None draws one for both. Without effect where there is no mixture.
        seed: of the draws.

    Raises:
        ConfigError: no such component.
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
    return Ends(z, None if d is None else one_hot(d.squeeze(1), model.num_components).to(z), beta)


def crossing_grids(model: BaseVAE, ends_of: Callable[[int], Ends], steps: int = 7) -> dict[Way, Grid]:
    """The grid between two ends, by way: fixed z, and transported z where beta drives the prior of z.

    Without beta a grid has a single row. So the grid gets as many rows as columns, each between other ends.

    Args:
        model: in eval mode.
        ends_of: gives the ends of a row; with beta those of row 0 are taken for all.
        steps: R and S.
    """
    if model.beta_dim:
        ways = CARRIED if model.num_components else CARRIED[:1]
        return {way: interpolate(model, ends_of(0), steps, way) for way in ways}
    rows = [interpolate(model, ends_of(row), steps) for row in range(steps)]
    return {"fixed": Grid(torch.cat([row.images for row in rows]), None, torch.cat([row.z for row in rows]))}


def grid_changes(grids: Mapping[Way, Grid]) -> dict[Way, GridChange]:
    """How much each grid changes along z and along beta."""
    changed = {way: (changes(grid.images), grid.beta) for way, grid in grids.items()}
    return {
        way: GridChange(change.columns, None if beta is None else change.rows)
        for way, (change, beta) in changed.items()
    }
