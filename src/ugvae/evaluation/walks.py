"""Grids of images decoded from the prior: walks through beta and z, and samples.

Axes: K components, R rows, S columns, C channels, H and W pixels.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ugvae.models.base import GroupVAE


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


def _line(model: GroupVAE, reach: float, steps: int) -> Tensor:
    return torch.linspace(-reach, reach, steps, device=model.device, dtype=model.dtype)


@torch.no_grad()
def component_walks(
    model: GroupVAE, steps: int = 7, beta_range: float = 1.0, z_range: float = 3.0
) -> tuple[Tensor, Tensor, Tensor]:
    """The walk of Fig. 3 and 8 for every component of a model with a mixture.

    Rows move beta (GMVAE: w) from −beta_range to beta_range on every dimension at once; columns move z from
    m_k(beta) − z_range to m_k(beta) + z_range, again on every dimension at once.

    Returns:
        images ``(K, steps, steps, C, H, W)``, the values of beta ``(steps,)`` and the offsets of z ``(steps,)``.
    """
    rows, columns = _line(model, beta_range, steps), _line(model, z_range, steps)
    condition = rows.unsqueeze(1).expand(-1, model.condition_dim)
    means = model.prior(condition).mean  # (R, K, z_dim)
    z = (means.unsqueeze(2) + columns.view(-1, 1)).flatten(1, 2)  # (R, K·S, z_dim)
    images = model.decode(z, condition if model.beta_dim else None)
    return images.unflatten(1, (means.shape[1], steps)).transpose(0, 1).cpu(), rows.cpu(), columns.cpu()


@torch.no_grad()
def global_walk(
    model: GroupVAE, steps: int = 7, beta_range: float = 1.0, z_range: float = 1.0
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
def latent_walks(model: GroupVAE, steps: int = 7, z_range: float = 3.0) -> tuple[Tensor, Tensor]:
    """The walk of Fig. 9 for a model without a global latent: each row moves one dimension of z, the others stay at 0.

    Returns:
        images ``(z_dim, steps, C, H, W)`` and the values of z ``(steps,)``.
    """
    columns = _line(model, z_range, steps)
    z = columns.view(1, -1, 1) * torch.eye(model.z_dim, device=model.device, dtype=model.dtype).unsqueeze(1)
    return model.decode(z).cpu(), columns.cpu()


@torch.no_grad()
def component_samples(model: GroupVAE, rows: int = 10, columns: int = 10) -> tuple[Tensor, Tensor]:
    """Samples with d drawn once per row (Fig. 10): each row is one group of one component.

    Returns:
        images ``(rows, columns, C, H, W)`` and the component of each row ``(rows,)``.
    """
    d = torch.randint(model.num_components, (rows,))
    return torch.cat([model.sample(1, columns, component=int(k)) for k in d]).cpu(), d
