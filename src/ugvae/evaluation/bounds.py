"""The importance-weighted bound on the log-likelihood of groups (Burda, Grosse, Salakhutdinov 2016, arXiv:1509.00519).

Axes: G groups, B images per group, S draws per group, T draws per image.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ugvae.distributions import DiagonalGaussian
from ugvae.errors import ConfigError
from ugvae.evaluation.encoding import IMAGES_AT_ONCE
from ugvae.models.base import BaseVAE
from ugvae.models.bound import GlobalDraw


@dataclass(frozen=True)
class GroupMean:
    """A mean over groups, nats per image, and its standard error."""

    mean: float
    error: float


@dataclass(frozen=True)
class Elbo(GroupMean):
    """The ELBO, the mean of several draws; None if their number is not known."""

    draws: int | None = None


@dataclass(frozen=True)
class Rung(GroupMean):
    """The importance-weighted bound of S and T draws.

    Attributes:
        S: draws per group.
        T: draws per image.
        gain: over the ELBO of the same groups.
        rise: over the fewest draws, of the same groups; None for the fewest, and where the draws were not fresh.
    """

    S: int
    T: int
    gain: GroupMean
    rise: GroupMean | None = None


@dataclass(frozen=True)
class BoundLadder:
    """The importance-weighted bound for growing S and T, nats per image.

    Attributes:
        groups: number of groups.
        group_size: B.
        elbo: eq. 11 of the same groups, from draws of its own. It is not strictly a lower bound (docs/model.md).
        bounds: by S and T, each from draws of its own.
    """

    groups: int
    group_size: int
    elbo: Elbo
    bounds: list[Rung]


@torch.no_grad()
def importance_weighted_bound(
    model: BaseVAE,
    images: Tensor,
    group_samples: int = 10,
    image_samples: int = 50,
    images_per_chunk: int = IMAGES_AT_ONCE,
) -> Tensor:
    """A lower bound on log p(X) of each group, d summed out; in expectation tighter with more draws.

    For s = 1 … S: Z⁰ ~ q(Z | X), beta_s ~ q(beta | X, Z⁰), then T fresh z_it ~ q(z | x_i) per image;
    logmeanexp_s [log p(beta_s) − log q(beta_s | X, Z⁰) + Σ_i logmeanexp_t (log p(x_i | z_it, beta_s)
    + log p(z_it | beta_s) − log q(z_it | x_i))]. The mean of the outer average is p(X).

    The images of a model without a global latent are independent, so all S·T draws go to each image:
    Σ_i logmeanexp over S·T. That is as much computation, and the tighter bound.

    Args:
        model: in eval mode.
        images: ``(G, B, C, H, W)``, uint8 or float in [0, 1].
        group_samples: S.
        image_samples: T.
        images_per_chunk: images decoded at once, which bounds the memory.

    Returns:
        nats per group, ``(G,)``.

    Raises:
        ValueError: S or T below 1, or wrong images.
    """
    if group_samples < 1 or image_samples < 1:
        raise ValueError(f"samples: expected S, T ≥ 1, got {group_samples}, {image_samples}")
    if not model.beta_dim:
        group_samples, image_samples = 1, group_samples * image_samples
    weights, log_ratio = log_weights(model, model.checked(images), group_samples, image_samples, images_per_chunk)
    per_image = weights.logsumexp(1) - math.log(image_samples)
    return (per_image.sum(-1) + log_ratio).logsumexp(0) - math.log(group_samples)


@torch.no_grad()
def bound_ladder(
    model: BaseVAE,
    images: Tensor,
    group_samples: Sequence[int] = (1, 5),
    image_samples: Sequence[int] = (1, 5, 20, 50),
    elbo_samples: int = 10,
    images_per_chunk: int = IMAGES_AT_ONCE,
) -> BoundLadder:
    """The bound for growing S and T beside the ELBO of the same groups.

    Each size has fresh draws, and so has the ELBO. Means over blocks of shared draws would rise with the size of the
    block whatever is drawn, by Jensen's inequality.

    Args:
        model: in eval mode.
        images: ``(G, B, C, H, W)``, uint8 or float in [0, 1], G ≥ 2.
        group_samples: values of S; for a model without a global latent S is 1 alone.
        image_samples: values of T.
        elbo_samples: draws of the ELBO.
        images_per_chunk: images decoded at once, which bounds the memory.

    Raises:
        ValueError: no S or T, one below 1, or wrong images.
        ConfigError: one group alone, which has no standard error.
    """
    if not group_samples or not image_samples or min(*group_samples, *image_samples) < 1:
        raise ValueError(f"samples: expected S, T ≥ 1, got {list(group_samples)}, {list(image_samples)}")
    images = model.checked(images)
    groups, size = images.shape[:2]
    if groups < 2:
        raise ConfigError("groups: the bound needs two groups for a standard error")
    group_samples = sorted(set(group_samples)) if model.beta_dim else [1]
    image_samples = sorted(set(image_samples))
    parts = images.split(max(1, IMAGES_AT_ONCE // size))
    elbo = torch.stack([torch.cat([model.elbo(part).total for part in parts]) for _ in range(elbo_samples)])
    elbo = elbo.double().mean(0)
    bounds: list[Rung] = []
    fewest = None
    for s, t in itertools.product(group_samples, image_samples):
        per_group = importance_weighted_bound(model, images, s, t, images_per_chunk)
        rise = None if fewest is None else GroupMean(*_over_groups((per_group - fewest) / size))
        fewest = per_group if fewest is None else fewest
        gain = GroupMean(*_over_groups((per_group - elbo) / size))
        bounds.append(Rung(*_over_groups(per_group / size), s, t, gain, rise))
    return BoundLadder(groups, size, Elbo(*_over_groups(elbo / size), elbo_samples), bounds)


def log_weights(
    model: BaseVAE, images: Tensor, group_samples: int, image_samples: int, images_per_chunk: int
) -> tuple[Tensor, Tensor]:
    """Log weights of S draws of beta and T draws of z each, a few groups and draws at a time.

    Returns:
        those of the images ``(S, T, G, B)`` and of the groups ``(S, G)``, double, nats.
    """
    groups, size = images.shape[:2]
    at_once = min(groups, max(1, images_per_chunk // size))
    draws_at_once = max(1, images_per_chunk // (at_once * size))
    counts = [min(draws_at_once, image_samples - done) for done in range(0, image_samples, draws_at_once)]
    local, outer = [], []
    for _ in range(group_samples):
        draw = model.draw_global(images)
        parts = []
        for rows in torch.arange(groups).split(at_once):
            part = GlobalDraw(
                h=draw.h[rows],
                z=DiagonalGaussian(draw.z.mean[rows], draw.z.log_var[rows]),
                beta=None if draw.beta is None else draw.beta[rows],
                log_weight=draw.log_weight[rows],
            )
            parts.append(torch.cat([model.local_log_weights(images[rows], part, count) for count in counts], 1))
        local.append(torch.cat(parts).double().transpose(0, 1))
        outer.append(draw.log_weight.double())
    return torch.stack(local), torch.stack(outer)


def _over_groups(values: Tensor) -> tuple[float, float]:
    """Mean and standard error of ``(G,)``."""
    return float(values.mean()), float(values.std() / len(values) ** 0.5)
