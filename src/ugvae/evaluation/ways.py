"""The ways to decode images under another group's beta: what is done to z.

Axes: N groups, B images per group, M images, C channels, H and W pixels.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import NamedTuple, get_args

import torch
from torch import Tensor

from ugvae.data.known_groups import groups_where
from ugvae.data.table import ImageTable
from ugvae.distributions import DiagonalGaussian, match_moments, moments, transport_between
from ugvae.evaluation.content import pooled
from ugvae.evaluation.encoding import encode_groups
from ugvae.models.base import BaseVAE
from ugvae.models.bound import Posterior, Way

CARRIED: tuple[Way, ...] = get_args(Way)  # ways to carry z that the model knows
WAYS = (*CARRIED, "matched")
PLAIN = "reconstruction"  # the reference: z and beta of the image itself
CONTROL = {  # of each way: z moved in that way, and decoded under the image's own beta; fixed z is not moved
    way: PLAIN if way == "fixed" else f"{way}, own beta" for way in WAYS
}
LABELS = {  # of every way to decode an image, for legends and tables
    PLAIN: "plain reconstruction",
    **{way: f"{way} z" for way in WAYS},
    **{control: f"{way} z, own beta" for way, control in CONTROL.items() if control != PLAIN},
}


def domain_groups(
    table: ImageTable, domains: Sequence[int], column: str, group_size: int, num_groups: int, seed: int = 0
) -> list[Tensor]:
    """Rows ``(N, B)`` of each of the domains alone."""
    drawn = groups_where(table, [{column: value} for value in domains], group_size, num_groups, seed=seed)
    return [drawn.groups[drawn.labels == side] for side in range(len(domains))]


def translate_groups(
    model: BaseVAE, images: Tensor, groups: Sequence[Tensor], keep: Callable[[Tensor], Tensor] = pooled
) -> list[dict[str, Tensor]]:
    """Group n of each domain by its own beta, and by that of group n of the other, at posterior means.

    Args:
        model: in eval mode.
        images: uint8 ``(M, C, H, W)``.
        groups: rows ``(N, B)`` of either domain.
        keep: what is kept of the decoded images ``(B, C, H, W)`` of a group; by default they are pooled.

    Returns:
        for each domain what is kept, ``(N, B, …)``, by the ways of ``LABELS`` that the model has.
    """
    posteriors = [encode_groups(model, images, rows) for rows in groups]
    results: list[dict[str, Tensor]] = []
    for side, own in enumerate(posteriors):
        parts: dict[str, list[Tensor]] = defaultdict(list)
        for number, group in enumerate(groups[side]):
            sides = global_side(own, number), global_side(posteriors[1 - side], number)
            for way, decoded in decode_ways(model, images[group].unsqueeze(0), *sides).items():
                parts[way].append(keep(decoded[0]))
        results.append({way: torch.stack(kept) for way, kept in parts.items()})
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
def decode_ways(model: BaseVAE, images: Tensor, own: GlobalSide, other: GlobalSide) -> dict[str, Tensor]:
    """Images ``(1, B, C, H, W)`` of a group with their own beta, and in all ways with another beta and with their own.

    Only a mixture transports z: without one there is no such way.
    """
    ours, theirs = own.beta.to(model.device), other.beta.to(model.device)
    posterior = model.infer(images)
    z = posterior.z.mean
    matched = match_moments(z.cpu(), own.z, other.z).to(model.device)
    shown = {PLAIN: model.translate(images, ours, ours, "fixed"), "matched": model.decode(matched, theirs)}
    shown |= {
        way: model.translate(images, ours, theirs, way) for way in CARRIED if way == "fixed" or model.num_components
    }
    shown[CONTROL["matched"]] = model.decode(matched, ours)
    if model.num_components:
        carried = transport_between(z, posterior.d, model.prior(ours), model.prior(theirs))
        shown[CONTROL["transported"]] = model.decode(carried, ours)
    return {way: shown[way] for way in LABELS if way in shown}
