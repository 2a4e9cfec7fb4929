"""How much a model uses beta and z: what they know of the data, and what they change in it.

Axes: N groups, B images per group, G groups of a batch, C channels, H and W pixels.
"""

from typing import Any

import torch
from torch import Tensor

from ugvae.data.table import ImageTable
from ugvae.distributions import DiagonalGaussian, image_log_likelihood, kl_standard_normal
from ugvae.errors import ConfigError
from ugvae.evaluation.encoding import IMAGES_AT_ONCE, encode_groups
from ugvae.models.base import GroupVAE

ACTIVE_VARIANCE = 0.01  # of the posterior mean (Burda, Grosse, Salakhutdinov 2016)


@torch.no_grad()
def latent_use(
    model: GroupVAE, table: ImageTable, groups: Tensor, images_per_batch: int = IMAGES_AT_ONCE
) -> dict[str, Any]:
    """What q(beta | X, Z) says of the groups, and what decoding with another group's beta or another image's z does.

    All at posterior means. The effects of a swap are differences from decoding with the own latents: in pixels, the
    mean absolute difference of the decoded images in [0, 1]; in log-likelihood, log p(x | own) − log p(x | swapped).
    Group n gets the beta of group n + 1, image i of a group the z of image i + 1 of the same group. Both effects of
    beta are 0 in a decoder that ignores it, whatever q(beta | X, Z) knows.

    Args:
        model: in eval mode.
        table: held-out images.
        groups: its rows, ``(N, B)`` with N, B ≥ 2; random ones for the numbers of DESIGN §8, or of different kinds.
        images_per_batch: bounds the memory.

    Returns:
        ready for JSON: ``beta`` (None if there is none), ``swap_beta`` (the same) and ``swap_z``; KL in nats per
        group, log-likelihoods in nats per image.

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
    for start in range(0, len(groups), max(1, images_per_batch // groups.shape[1])):
        part = slice(start, start + max(1, images_per_batch // groups.shape[1]))
        images = model.checked(table.images[groups[part]])
        decoded = _decode(model, z[part], None if own is None else own[part])
        for name, (other_z, other_beta) in swaps.items():
            swapped = _decode(model, other_z[part], None if other_beta is None else other_beta[part])
            sums[name] += _effects(images, decoded, swapped, model.x_std)
    effects = {name: (value / groups.numel()).tolist() for name, value in sums.items()}
    return {
        "model": type(model).__name__,
        "groups": len(groups),
        "group_size": groups.shape[1],
        "units": "kl: nats per group; log_likelihood_loss: nats per image; pixels: mean absolute change in [0, 1]",
        "beta": None if posterior.beta is None else posterior_use(posterior.beta),
        "swap_beta": None,
        **{name: {"pixels": each[0], "log_likelihood_loss": each[1]} for name, each in effects.items()},
    }


def posterior_use(q: DiagonalGaussian) -> dict[str, Any]:
    """What posteriors ``(N, D)`` of N ≥ 2 groups say: ready for JSON.

    Returns:
        ``kl``: mean and s.d. of KL(q ‖ N(0, I)), nats per group; ``active_units``: dimensions whose posterior mean
        has a variance between groups above 0.01; ``between_over_posterior``: by dimension, the s.d. of the posterior
        mean between groups over the posterior s.d. (root of the mean variance): below 1 the groups can hardly be
        told apart by a sample.
    """
    kl = kl_standard_normal(q)
    variance = q.mean.var(0)
    ratio = (variance / q.log_var.exp().mean(0)).sqrt()
    return {
        "kl": {"mean": float(kl.mean()), "sd": float(kl.std())},
        "dimensions": q.mean.shape[1],
        "active_units": int((variance > ACTIVE_VARIANCE).sum()),
        "variance_of_mean": variance.tolist(),
        "between_over_posterior": ratio.tolist(),
    }


def _decode(model: GroupVAE, z: Tensor, beta: Tensor | None) -> Tensor:
    """Image means (G, B, C, H, W) of latents that lie on the CPU."""
    return model.decode(z.to(model.device), None if beta is None else beta.to(model.device))


def _effects(images: Tensor, decoded: Tensor, swapped: Tensor, x_std: float) -> Tensor:
    """Sums over the images of the change in pixels and of the loss in log-likelihood, ``(2,)``."""
    pixels = (swapped - decoded).abs().mean((-3, -2, -1)).double().sum()
    loss = image_log_likelihood(images, decoded, x_std) - image_log_likelihood(images, swapped, x_std)
    return torch.stack([pixels, loss.double().sum()]).cpu()
