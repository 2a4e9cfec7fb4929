"""Encodes many groups of a table, or each of its images once.

Axes: M images of a table, N groups, B images per group, K components.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from tqdm import tqdm

from ugvae.distributions import DiagonalGaussian
from ugvae.models.base import BaseVAE
from ugvae.models.bound import Posterior

IMAGES_AT_ONCE = 256  # larger batches do not fit the caches of a CPU, and convolutions take several times as long


@torch.no_grad()
def encode_groups(model: BaseVAE, images: Tensor, groups: Tensor, images_per_batch: int = IMAGES_AT_ONCE) -> Posterior:
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
    parts = [model.infer(images[chunk]) for chunk in groups.split(max(1, images_per_batch // groups.shape[1]))]
    return Posterior(*(_join(pieces) for pieces in zip(*parts, strict=True)))


def _join(parts: Sequence[DiagonalGaussian | Tensor | None]) -> DiagonalGaussian | Tensor | None:
    if parts[0] is None:
        return None
    if isinstance(parts[0], Tensor):
        return torch.cat(parts).cpu()
    return DiagonalGaussian(*(torch.cat(pieces).cpu() for pieces in zip(*parts, strict=True)))


class EncodedImages(NamedTuple):
    """The images of a table encoded one by one; the latents of any group follow without encoding again.

    Attributes:
        model: the network.
        h: features, ``(M, 256)``.
    """

    model: BaseVAE
    h: Tensor

    def posterior(self, groups: Tensor, groups_per_batch: int = 64) -> Posterior:
        """What ``infer`` gives for groups ``(N, B)``: rows of the table."""
        parts = [self.model.posterior(self.h[chunk]) for chunk in groups.split(groups_per_batch)]
        return Posterior(*(_join(pieces) for pieces in zip(*parts, strict=True)))

    def beta(self, groups: Tensor) -> DiagonalGaussian:
        """q(beta | X, Z) at the means of z, ``(N, beta_dim)``, of groups ``(N, B)``."""
        return self.posterior(groups).beta


@torch.no_grad()
def encode_images(
    model: BaseVAE,
    images: Tensor,
    images_per_batch: int = IMAGES_AT_ONCE,
    rows: Tensor | None = None,
    progress: str | None = None,
) -> EncodedImages:
    """Encodes every image of a table once.

    Args:
        model: in eval mode: BatchNorm would otherwise couple the images.
        images: uint8 ``(M, C, H, W)``.
        images_per_batch: bounds the memory.
        rows: those to encode, ``(M,)``; all by default.
        progress: words beside a progress bar in a terminal; by default there is none.
    """
    rows = (torch.arange(len(images)) if rows is None else rows).unsqueeze(1)
    hidden = True if progress is None else None  # None shows a bar in a terminal alone
    batches = tqdm(rows.split(images_per_batch), progress, disable=hidden, leave=False)
    h = torch.cat([model.encode(model.checked(images[batch])) for batch in batches])
    return EncodedImages(model, h.squeeze(1))


@torch.no_grad()
def encode_beta(model: BaseVAE, images: Tensor, groups: Tensor) -> DiagonalGaussian:
    """q(beta | X, Z) of groups ``(N, B)`` of a table, ``(N, beta_dim)`` on the CPU; each image is encoded once.

    The same as ``encode_groups(...).beta``, and cheaper where groups share images.
    """
    rows, places = groups.unique(return_inverse=True)
    return encode_images(model, images, rows=rows).beta(places)
