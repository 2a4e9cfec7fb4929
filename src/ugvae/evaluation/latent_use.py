"""How much a model uses beta and z: what they know of the data, and what they change in it.

Axes: N groups, B images per group, G groups of a batch, C channels, H and W pixels.
"""

from collections import defaultdict
from dataclasses import dataclass

import torch
from torch import Tensor

from ugvae.data.table import ImageTable
from ugvae.distributions import DiagonalGaussian, kl_standard_normal, transport_between
from ugvae.errors import ConfigError
from ugvae.evaluation.aggregate import Information, information
from ugvae.evaluation.encoding import IMAGES_AT_ONCE, encode_images
from ugvae.models.base import BaseVAE
from ugvae.models.bound import Posterior

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
        kl: KL(q ‖ N(0, I)), nats per group. A narrow posterior has a large one, whatever it knows.
        dimensions: D.
        active_units: dimensions whose posterior mean has a variance between groups above 0.01.
        variance_of_mean: that variance, ``(D,)``.
        between_over_posterior: by dimension, the s.d. of the posterior mean between groups over the posterior s.d.
            (the root of the mean variance). Below 1 a sample can hardly tell the groups apart.
        information: the mean of ``kl`` in its two parts; None if not measured.
    """

    kl: Spread
    dimensions: int
    active_units: int
    variance_of_mean: list[float]
    between_over_posterior: list[float]
    information: Information | None = None

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
        swap_beta: effect of another group's beta, z as it is; None if the model has no beta.
        beta: the posteriors of beta; None if the model has none.
        untrained: the same of the network before training, where it was measured.
        transported: effect of another group's beta with z carried along by the mixture; None where nothing carries it.
        transported_own: the control, the same z under its own beta: what the carried z does by itself.
        swapped: groups among which latents were swapped; None if all.
    """

    groups: int
    group_size: int
    swap_z: SwapEffect
    swap_beta: SwapEffect | None = None
    beta: PosteriorUse | None = None
    untrained: PosteriorUse | None = None
    transported: SwapEffect | None = None
    transported_own: SwapEffect | None = None
    swapped: int | None = None

    @property
    def effects(self) -> dict[str, SwapEffect]:
        """What beta changes by each way to move z, beyond what the moved z does under its own beta."""
        effects = {"fixed": self.swap_beta} if self.swap_beta else {}
        if self.transported and self.transported_own:
            own = self.transported_own
            effects["transported"] = SwapEffect(
                self.transported.pixels - own.pixels,
                self.transported.log_likelihood_loss - own.log_likelihood_loss,
            )
        return effects


@torch.no_grad()
def latent_use(
    model: BaseVAE,
    table: ImageTable,
    groups: Tensor,
    swapped: int | None = None,
    images_per_batch: int = IMAGES_AT_ONCE,
) -> LatentUse:
    """What q(beta | X, Z) tells of the groups, and what decoding with another group's beta or another image's z does.

    All at posterior means. Group n gets the beta of group n + 1, image i of a group the z of image i + 1 of the same
    group. z stays as it is under the other beta, and is carried along by the model's own mixture. A decoder that
    ignores beta has effects of 0 with z as it is, whatever q(beta | X, Z) knows.

    Args:
        model: in eval mode.
        table: held-out images.
        groups: its rows, ``(N, B)`` with N, B ≥ 2.
        swapped: the first of them, among which latents are swapped; all by default.
        images_per_batch: bounds the memory.

    Raises:
        ConfigError: fewer than two groups or images per group.
    """
    if min(groups.shape) < 2:
        raise ConfigError(f"groups: swapping takes two groups of two images, got {tuple(groups.shape)}")
    rows, places = groups.unique(return_inverse=True)
    encoded = encode_images(model, table.images, images_per_batch, rows)  # each once, however many groups it is in
    shown, posterior = groups[:swapped], encoded.posterior(places[:swapped])
    sums: dict[str, Tensor] = defaultdict(lambda: torch.zeros(2, dtype=torch.float64))
    for part in torch.arange(len(shown)).split(max(1, images_per_batch // groups.shape[1])):
        images = model.checked(table.images[shown[part]])
        decoded, swaps = _swaps(model, posterior, part)
        before = _seen(model, images, decoded)
        for name, after in swaps.items():
            sums[name] += _effects(before, _seen(model, images, after))
    return LatentUse(
        groups=len(groups),
        group_size=groups.shape[1],
        beta=posterior_use(encoded.beta(places)) if model.beta_dim else None,
        swapped=len(shown),
        **{name: SwapEffect(*(total / shown.numel()).tolist()) for name, total in sums.items()},
    )


def _swaps(model: BaseVAE, posterior: Posterior, part: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Logits of some of the groups ``(G, B, C, H, W)`` as they are decoded, and after each swap, by its name."""
    decode = model.decode_logits
    z = posterior.z.mean.to(model.device)
    own_z, other_z = z[part], z.roll(-1, 1)[part]
    if posterior.beta is None:
        return decode(own_z), {"swap_z": decode(other_z)}
    beta = posterior.beta.mean.to(model.device)
    own, other = beta[part], beta.roll(-1, 0)[part]
    swaps = {"swap_z": decode(other_z, own), "swap_beta": decode(own_z, other)}
    if model.num_components:
        carried = transport_between(own_z, posterior.d[part].to(own_z), model.prior(own), model.prior(other))
        swaps |= {
            "transported": decode(carried, other),
            "transported_own": decode(carried, own),
        }
    return decode(own_z, own), swaps


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
        information=information(q),
    )


def _seen(model: BaseVAE, images: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
    """The mean images of logits ``(G, B, C, H, W)``, and the log-likelihood of the images, nats ``(G, B)``."""
    return model.likelihood.mean(logits), model.likelihood.log_prob(images, logits)


def _effects(before: tuple[Tensor, Tensor], after: tuple[Tensor, Tensor]) -> Tensor:
    """Sums over the images of the change in pixels and of the loss in log-likelihood, ``(2,)``."""
    pixels = (after[0] - before[0]).abs().mean((-3, -2, -1)).double().sum()
    return torch.stack([pixels, (before[1] - after[1]).double().sum()]).cpu()
