"""The ways to decode images under another group's beta: what is done to z.

Axes: N groups, B images per group, M images, C channels, H and W pixels.
"""

from collections.abc import Sequence
from typing import NamedTuple, get_args

import torch
from torch import Tensor

from ugvae.data.known_groups import groups_where
from ugvae.data.table import ImageTable
from ugvae.distributions import DiagonalGaussian, match_moments, moments
from ugvae.evaluation.content import pooled
from ugvae.evaluation.encoding import encode_groups
from ugvae.models.base import GroupVAE
from ugvae.models.bound import Posterior, Way

CARRIED: tuple[Way, ...] = get_args(Way)  # ways to carry z that the model knows
WAYS = (*CARRIED, "matched")
PLAIN = "reconstruction"  # the reference: z and beta of the image itself
Z_ALONE = "matched, own beta"  # the control: what moving z does without beta
LABELS = {  # of every way to decode an image, for legends and tables
    PLAIN: "plain reconstruction",
    **{way: f"{way} z" for way in WAYS},
    Z_ALONE: "matched z, own beta",
}


def domain_groups(
    table: ImageTable, domains: Sequence[int], column: str, group_size: int, num_groups: int, seed: int = 0
) -> list[Tensor]:
    """Rows ``(N, B)`` of each of the domains alone."""
    drawn = groups_where(table, [{column: value} for value in domains], group_size, num_groups, seed=seed)
    return [drawn.groups[drawn.labels == side] for side in range(len(domains))]


def translate_groups(model: GroupVAE, images: Tensor, groups: Sequence[Tensor]) -> list[dict[str, Tensor]]:
    """Group n of each domain by its own beta, and by that of group n of the other, at posterior means.

    Args:
        model: in eval mode.
        images: uint8 ``(M, C, H, W)``.
        groups: rows ``(N, B)`` of either domain.

    Returns:
        for each domain the decoded images, pooled, ``(N, B, C, H, W)``, by the ways of ``LABELS``.
    """
    posteriors = [encode_groups(model, images, rows) for rows in groups]
    results: list[dict[str, Tensor]] = []
    for side, own in enumerate(posteriors):
        parts: dict[str, list[Tensor]] = {way: [] for way in LABELS}
        for number, group in enumerate(groups[side]):
            sides = global_side(own, number), global_side(posteriors[1 - side], number)
            for way, decoded in decode_ways(model, images[group].unsqueeze(0), *sides).items():
                parts[way].append(pooled(decoded[0]))
        results.append({way: torch.stack(decoded) for way, decoded in parts.items()})
    return results


class GlobalSide(NamedTuple):
    """What a group gives to a translation.

    Attributes:
        beta: posterior mean, ``(1, beta_dim)``.
        z: mean and variance of its posterior means of z, ``(1, z_dim)``.
    """

    beta: Tensor
    z: DiagonalGaussian


def global_side(posterior: Posterior, group: int) -> GlobalSide:
    """What one group of a posterior gives to a translation."""
    part = slice(group, group + 1)
    return GlobalSide(posterior.beta.mean[part], moments(posterior.z.mean[part]))


@torch.no_grad()
def decode_ways(model: GroupVAE, images: Tensor, own: GlobalSide, other: GlobalSide) -> dict[str, Tensor]:
    """Images ``(1, B, C, H, W)`` of a group, decoded with their own beta, and in all ways with another beta."""
    ours, theirs = own.beta.to(model.device), other.beta.to(model.device)
    plain = {PLAIN: model.translate(images, ours, ours, "fixed")}
    carried = {way: model.translate(images, ours, theirs, way) for way in CARRIED}
    z = match_moments(model.infer(images).z.mean.cpu(), own.z, other.z).to(model.device)
    return plain | carried | {"matched": model.decode(z, theirs), Z_ALONE: model.decode(z, ours)}
