"""How much a model uses beta and z: what they know of the data, and what they change in it.

Axes: N groups, B images per group, G groups of a batch, C channels, H and W pixels.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ugvae.data.table import ImageTable
from ugvae.distributions import DiagonalGaussian, image_log_likelihood, kl_standard_normal
from ugvae.errors import ConfigError
from ugvae.evaluation.encoding import IMAGES_AT_ONCE, encode_groups
from ugvae.models.base import GroupVAE

ACTIVE_VARIANCE = 0.01  # of the posterior mean (Burda, Grosse, Salakhutdinov 2016)
UNITS = "kl: nats per group; log_likelihood_loss: nats per image; pixels: mean absolute change in [0, 1]"


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation over groups."""

    mean: float
    sd: float


@dataclass(frozen=True)
class PosteriorUse:
    """What the posteriors of beta tell of the groups.

    Attributes:
        kl: KL(q ‖ N(0, I)), nats per group.
        dimensions: D.
        active_units: dimensions whose posterior mean has a variance between groups above 0.01.
        variance_of_mean: that variance, ``(D,)``.
        between_over_posterior: by dimension, the s.d. of the posterior mean between groups over the posterior s.d.
            (the root of the mean variance). Below 1 a sample can hardly tell the groups apart.
    """

    kl: Spread
    dimensions: int
    active_units: int
    variance_of_mean: list[float]
    between_over_posterior: list[float]

    @property
    def apart(self) -> int:
        """Dimensions in which a sample tells groups apart: they differ by more than one posterior s.d."""
        return sum(ratio > 1 for ratio in self.between_over_posterior)


@dataclass(frozen=True)
class SwapEffect:
    """What decoding with another latent changes.

    Attributes:
        pixels: mean absolute difference of the decoded images in [0, 1].
        log_likelihood_loss: log p(x | own) − log p(x | swapped), nats per image.
    """

    pixels: float
    log_likelihood_loss: float


@dataclass(frozen=True)
class LatentUse:
    """Use of the latents on one set of groups.

    Attributes:
        groups: N.
        group_size: B.
        swap_z: effect of another image's z.
        swap_beta: effect of another group's beta; None if the model has no beta.
        beta: the posteriors of beta; None if the model has none.
        untrained: the same of the network before training, where it was measured.
    """

    groups: int
    group_size: int
    swap_z: SwapEffect
    swap_beta: SwapEffect | None = None
    beta: PosteriorUse | None = None
    untrained: PosteriorUse | None = None


@torch.no_grad()
def latent_use(model: GroupVAE, table: ImageTable, groups: Tensor, images_per_batch: int = IMAGES_AT_ONCE) -> LatentUse:
    """What q(beta | X, Z) tells of the groups, and what decoding with another group's beta or another image's z does.

    All at posterior means. Group n gets the beta of group n + 1, image i of a group the z of image i + 1 of the same
    group. A decoder that ignores beta has effects of 0, whatever q(beta | X, Z) knows.

    Args:
        model: in eval mode.
        table: held-out images.
        groups: its rows, ``(N, B)`` with N, B ≥ 2.
        images_per_batch: bounds the memory.

    Raises:
        ConfigError: fewer than two groups or images per group.
    """
    if min(groups.shape) < 2:
        raise ConfigError(f"groups: swapping takes two groups of two images, got {tuple(groups.shape)}")
    posterior = encode_groups(model, table.images, groups, images_per_batch)
    z = posterior.z.mean
    own = None if posterior.beta is None else posterior.beta.mean
    swaps = {"swap_z": (z.roll(-1, 1), own)}
    if own is not None:
        swaps["swap_beta"] = (z, own.roll(-1, 0))
    sums = {name: torch.zeros(2, dtype=torch.float64) for name in swaps}
    for part in torch.arange(len(groups)).split(max(1, images_per_batch // groups.shape[1])):
        images = model.checked(table.images[groups[part]])
        decoded = _decode(model, z, own, part)
        for name, latents in swaps.items():
            sums[name] += _effects(images, decoded, _decode(model, *latents, part), model.x_std)
    return LatentUse(
        groups=len(groups),
        group_size=groups.shape[1],
        beta=None if posterior.beta is None else posterior_use(posterior.beta),
        **{name: SwapEffect(*(total / groups.numel()).tolist()) for name, total in sums.items()},
    )


def posterior_use(q: DiagonalGaussian) -> PosteriorUse:
    """What the posteriors ``(N, D)`` of N ≥ 2 groups tell of them."""
    kl = kl_standard_normal(q)
    variance = q.mean.var(0)
    ratio = (variance / q.log_var.exp().mean(0)).sqrt()
    return PosteriorUse(
        kl=Spread(float(kl.mean()), float(kl.std())),
        dimensions=q.mean.shape[1],
        active_units=int((variance > ACTIVE_VARIANCE).sum()),
        variance_of_mean=variance.tolist(),
        between_over_posterior=ratio.tolist(),
    )


def _decode(model: GroupVAE, z: Tensor, beta: Tensor | None, part: Tensor) -> Tensor:
    """Image means (G, B, C, H, W) of some of the groups, whose latents are on the CPU."""
    return model.decode(z[part].to(model.device), None if beta is None else beta[part].to(model.device))


def _effects(images: Tensor, decoded: Tensor, swapped: Tensor, x_std: float) -> Tensor:
    """Sums over the images of the change in pixels and of the loss in log-likelihood, ``(2,)``."""
    pixels = (swapped - decoded).abs().mean((-3, -2, -1)).double().sum()
    loss = image_log_likelihood(images, decoded, x_std) - image_log_likelihood(images, swapped, x_std)
    return torch.stack([pixels, loss.double().sum()]).cpu()
