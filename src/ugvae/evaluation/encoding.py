"""Encoding many groups of a table.

Axes: N groups, B images per group, K components.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from ugvae.distributions import DiagonalGaussian
from ugvae.models.base import GroupVAE
from ugvae.models.terms import Posterior


@torch.no_grad()
def encode_groups(model: GroupVAE, images: Tensor, groups: Tensor, images_per_batch: int = 4096) -> Posterior:
    """Posteriors of groups of a table, in batches of about ``images_per_batch`` images.

    The model should be in eval mode: BatchNorm would otherwise couple the groups.

    Args:
        model: any model with ``infer``.
        images: uint8 table ``(M, C, H, W)``.
        groups: its rows, ``(N, B)``.
        images_per_batch: bounds the memory.

    Returns:
        on the CPU: z ``(N, B, z_dim)``, d ``(N, B, K)``, beta ``(N, beta_dim)``; None where the model has none.
    """
    parts = [
        model.infer(model.to_unit(images[chunk].to(model.device)))
        for chunk in groups.split(max(1, images_per_batch // groups.shape[1]))
    ]
    return Posterior(*(_join(pieces) for pieces in zip(*parts, strict=True)))


def _join(parts: Sequence[DiagonalGaussian | Tensor | None]) -> DiagonalGaussian | Tensor | None:
    if parts[0] is None:
        return None
    if isinstance(parts[0], Tensor):
        return torch.cat(parts).cpu()
    return DiagonalGaussian(*(torch.cat(pieces).cpu() for pieces in zip(*parts, strict=True)))
