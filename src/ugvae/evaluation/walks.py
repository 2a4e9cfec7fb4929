"""Grids of images decoded from the prior: walks through beta and z, and samples.

Axes: K components, P panels, R rows, S columns, C channels, H and W pixels.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ugvae.evaluation.aggregate import PrincipalAxes
from ugvae.evaluation.factors import decode_grid
from ugvae.models.base import BaseVAE


@dataclass(frozen=True)
class Change:
    """How much grids of images change from end to end, as mean absolute differences of pixels in [0, 1].

    Attributes:
        rows: between the first and the last row.
        columns: between the first and the last column.
    """

    rows: float
    columns: float


def changes(images: Tensor) -> Change:
    """How much grids ``(..., R, S, C, H, W)`` change."""
    rows = images.select(-5, 0) - images.select(-5, -1)
    columns = images.select(-4, 0) - images.select(-4, -1)
    return Change(float(rows.abs().mean()), float(columns.abs().mean()))


def _line(model: BaseVAE, reach: float, steps: int) -> Tensor:
    return torch.linspace(-reach, reach, steps, device=model.device, dtype=model.dtype)


def condition_name(model: BaseVAE) -> str | None:
    """What drives the mixture of a model: beta, or w, the noise of GMVAE; None if nothing does."""
    if not model.condition_dim:
        return None
    return "beta" if model.beta_dim else "w"


@torch.no_grad()
def component_walks(
    model: BaseVAE, steps: int = 7, beta_range: float = 1.0, z_range: float = 3.0
) -> tuple[Tensor, Tensor, Tensor]:
    """The walk of Fig. 3 and 8 for every component of a model with a mixture.

    Rows move beta (GMVAE: w) from −beta_range to beta_range on every dimension at once; columns move z from
    m_k(beta) − z_range to m_k(beta) + z_range, again on every dimension at once.

    Returns:
        images ``(K, R, steps, C, H, W)``, the values of beta ``(R,)`` and the offsets of z ``(steps,)``. R is steps, or
        1 where nothing drives the mixture.
    """
    rows = _line(model, beta_range, steps if model.condition_dim else 1)
    condition = rows.unsqueeze(1).expand(-1, model.condition_dim)
    walks, columns = component_walks_at(model, condition, z_range, steps)
    return walks, rows.cpu(), columns


@torch.no_grad()
def component_walks_at(
    model: BaseVAE, condition: Tensor, z_range: float = 3.0, steps: int | None = None
) -> tuple[Tensor, Tensor]:
    """The same walk with rows anywhere, such as along an axis of the aggregated posterior.

    Args:
        model: with a mixture, in eval mode.
        condition: beta (GMVAE: w) of each row, ``(R, condition_dim)``.
        z_range: z goes from m_k(beta) minus this to m_k(beta) plus this; in units of s_k where nothing drives the
            mixture, since its components may be narrow.
        steps: S; by default as many columns as rows.

    Returns:
        images ``(K, R, S, C, H, W)`` and the offsets of z ``(S,)``.
    """
    condition = condition.to(model.device, model.dtype)
    columns = _line(model, z_range, steps or len(condition))
    prior = model.prior(condition)
    unit = 1.0 if model.condition_dim else prior.std.unsqueeze(2)
    z = (prior.mean.unsqueeze(2) + unit * columns.view(-1, 1)).flatten(1, 2)  # (R, K·S, z_dim)
    images = model.decode(z, condition if model.beta_dim else None)
    return images.unflatten(1, (-1, len(columns))).transpose(0, 1).cpu(), columns.cpu()


def aggregate_walks(model: BaseVAE, axes: PrincipalAxes, steps: int = 7, draws: int = 7, seed: int = 0) -> Tensor:
    """Walks of beta along the principal axes of the betas of groups, ``(A, steps, draws, C, H, W)``.

    A column is one local draw: it keeps its component and its place in p(z | k, beta) while beta moves.

    Args:
        model: with beta, in eval mode.
        axes: of held-out groups.
        steps: of each walk, at equal steps of the quantiles.
        draws: columns.
        seed: of the local draws.
    """
    return torch.stack([decode_grid(model, axes.walk(axis, steps), draws, seed) for axis in range(len(axes.shares))])


@torch.no_grad()
def plane_walk(model: BaseVAE, axes: PrincipalAxes, steps: int = 7, draws: int = 6, seed: int = 0) -> Tensor:
    """Images over the plane of the first two principal axes of beta, ``(P, R, S, C, H, W)``.

    Columns go along the first axis, rows along the second, both at equal steps of their quantiles; R is 1 where beta
    has one axis alone. A panel is a component, z at its mean m_k(beta); without a mixture a local draw of z.

    Args:
        model: with beta, in eval mode.
        axes: of held-out groups.
        steps: along an axis.
        draws: panels of a model without a mixture.
        seed: of the local draws.
    """
    columns = axes.walk(0, steps)
    rows = axes.walk(1, steps) if len(axes.shares) > 1 else axes.mean.unsqueeze(0)
    beta = (rows.unsqueeze(1) + columns - axes.mean).flatten(0, 1)
    if model.num_components:
        parts = [component_walks_at(model, part, 0.0, 1)[0].squeeze(2) for part in beta.split(8)]
        panels = torch.cat(parts, 1)
    else:
        panels = decode_grid(model, beta, draws, seed).transpose(0, 1)
    return panels.unflatten(1, (len(rows), len(columns)))


@torch.no_grad()
def global_walk(
    model: BaseVAE, steps: int = 7, beta_range: float = 1.0, z_range: float = 1.0
) -> tuple[Tensor, Tensor, Tensor]:
    """The local/global grid of a model with beta and z ~ N(0, I) (Fig. 4).

    Rows move beta, columns z, each on every dimension at once.

    Returns:
        images ``(steps, steps, C, H, W)``, the values of beta ``(steps,)`` and of z ``(steps,)``.
    """
    rows, columns = _line(model, beta_range, steps), _line(model, z_range, steps)
    z = columns.view(1, -1, 1).expand(steps, -1, model.z_dim)
    images = model.decode(z, rows.unsqueeze(1).expand(-1, model.beta_dim))
    return images.cpu(), rows.cpu(), columns.cpu()


@torch.no_grad()
def latent_walks(model: BaseVAE, steps: int = 7, z_range: float = 3.0) -> tuple[Tensor, Tensor]:
    """The walk of Fig. 9 for a model without a global latent: each row moves one dimension of z, the others stay at 0.

    Returns:
        images ``(z_dim, steps, C, H, W)`` and the values of z ``(steps,)``.
    """
    columns = _line(model, z_range, steps)
    z = columns.view(1, -1, 1) * torch.eye(model.z_dim, device=model.device, dtype=model.dtype).unsqueeze(1)
    return model.decode(z).cpu(), columns.cpu()


@torch.no_grad()
def component_samples(model: BaseVAE, rows: int = 10, columns: int = 10) -> tuple[Tensor, Tensor]:
    """Samples with d drawn once per row (Fig. 10): each row is one group of one component.

    Returns:
        images ``(rows, columns, C, H, W)`` and the component of each row ``(rows,)``.
    """
    d = torch.randint(model.num_components, (rows,))
    return torch.cat([model.sample(1, columns, component=int(k)) for k in d]).cpu(), d
