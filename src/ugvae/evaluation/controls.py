"""Controls that training has to beat: the same network before training, and the pixels themselves.

An untrained network in eval mode normalises by BatchNorm's initial statistics, 0 and 1, so that its features hardly
differ between images. A second control has BatchNorm's statistics fitted to the training images and no weight changed:
a random network whose features spread as widely as those of a trained one. A third has its posterior means scaled until
it carries as many nats of information as the trained one.

Axes: M images of a table, N groups, B images per group, C channels, H and W pixels.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import embedding_bag

from ugvae.distributions import DiagonalGaussian
from ugvae.evaluation.aggregate import gaussian_information, matched_scale
from ugvae.evaluation.encoding import EncodedImages, encode_images
from ugvae.models.base import BaseVAE

UNTRAINED = "untrained"
FITTED = "untrained, BatchNorm fitted,"
SAME_INFORMATION = "untrained, same information,"
NATS = " nats"  # ends the names of samples at an information that was asked for
FIT_BATCH, FIT_BATCHES = 512, 4  # 2,048 images give a channel's mean to 2 % of its s.d., in a second


class Controls(NamedTuple):
    """The test images by untrained networks, one set of weights for each repetition of an experiment.

    Attributes:
        encoded: by the name of the control, which begins the names of its features; one entry per repetition.
        note: what was left out, and why; None if nothing was.
    """

    encoded: Mapping[str, Sequence[EncodedImages]]
    note: str | None


def untrained(model: BaseVAE, seed: int = 0) -> BaseVAE:
    """The same network with fresh weights, in eval mode."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return type(model)(**model.hparams).to(model.device, model.dtype).eval()


@torch.no_grad()
def fit_batchnorm(model: BaseVAE, images: Tensor, seed: int = 0) -> bool:
    """Fits the running statistics of BatchNorm to images, in place: their mean over batches of 512. No weight changes.

    Args:
        model: comes back in eval mode.
        images: uint8 training images ``(M, C, H, W)``; up to 2,048 are drawn from them.
        seed: of the draw.

    Returns:
        whether there is any BatchNorm.
    """
    layers = [module for module in model.modules() if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)]
    if not layers:
        return False
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # the plain mean of all batches
        layer.train()
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    for rows in order.split(FIT_BATCH)[:FIT_BATCHES]:
        if len(rows) == FIT_BATCH or len(rows) == len(images):  # a short rest would count as much as a whole batch
            model.encode(model.checked(images[rows].unsqueeze(0)))
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    model.eval()
    return True


def encode_controls(model: BaseVAE, images: Tensor, training_images: Tensor, seeds: Sequence[int]) -> Controls:
    """Encodes the images of a table by the untrained network, as it is and with BatchNorm fitted, once per seed.

    Args:
        model: the trained network.
        images: uint8 ``(M, C, H, W)``.
        training_images: uint8, to fit BatchNorm to.
        seeds: of the weights, one per repetition.
    """
    encoded: dict[str, list[EncodedImages]] = {UNTRAINED: []}
    for seed in seeds:
        encoded[UNTRAINED].append(encode_images(untrained(model, seed), images))
        fitted = untrained(model, seed)
        if fit_batchnorm(fitted, training_images, seed):
            encoded.setdefault(FITTED, []).append(encode_images(fitted, images))
    note = None if FITTED in encoded else "the network has no BatchNorm: there are no statistics to fit"
    return Controls(encoded, note)


def fitted_untrained(model: BaseVAE, training_images: Tensor, seed: int = 0) -> BaseVAE:
    """The network with fresh weights, BatchNorm fitted where there is any: the harder control of the two."""
    network = untrained(model, seed)
    fit_batchnorm(network, training_images, seed)
    return network


def samples_at_information(
    trained: Sequence[DiagonalGaussian],
    untrained: Sequence[DiagonalGaussian],
    seeds: Sequence[int],
    levels: Sequence[float] = (),
) -> tuple[float | None, list[dict[str, np.ndarray]]]:
    """Samples of beta at given information: of an untrained network at that of the trained one, and of both at levels.

    A classifier of samples measures signal over noise, and any scale of the means makes more of that without knowing
    more of anything. So an accuracy stands beside that of the untrained network at the same nats, and models whose
    betas have different information are compared at one level.

    Args:
        trained: beta of groups by the trained network: of the training groups, on which the scales of the means are
            found, then of others, ``(N, beta_dim)`` each; empty where there is no beta.
        untrained: the same by the untrained one; empty without such a network.
        seeds: of the samples of each.
        levels: further nats per group, for both networks.

    Returns:
        the nats per group of the trained network (``gaussian_information``), None where there is no beta; the samples
        ``(N, beta_dim)`` by their name, for each of the seeds: without those of a network that is not there or whose
        means do not differ, and of a level that its variances alone exceed.
    """
    samples: list[dict[str, np.ndarray]] = [{} for _ in seeds]
    if not trained:
        return None, samples
    nats = gaussian_information(trained[0])
    wanted = {f"{SAME_INFORMATION} beta sample": (untrained, nats)}
    for level in levels:
        name = f"beta sample at {level:g}{NATS}"
        wanted |= {name: (trained, level), f"{UNTRAINED} {name}": (untrained, level)}
    for name, (betas, level) in wanted.items():
        scale = matched_scale(betas[0], level) if betas else None
        if scale is None or (scale == 0 and level in levels):  # at scale 0 it has more information than the level
            continue
        for part, beta, seed in zip(samples, betas, seeds, strict=True):
            with torch.random.fork_rng():
                torch.manual_seed(seed)
                sample = DiagonalGaussian(scale * beta.mean, beta.log_var).sample()
            part[name] = sample.float().cpu().numpy()
    return nats, samples


def mean_images(images: Tensor, groups: Tensor, pixels_at_once: int = 4096) -> np.ndarray:
    """The mean image of each group of a table.

    Args:
        images: uint8 ``(M, C, H, W)``.
        groups: rows ``(N, B)``.
        pixels_at_once: values of an image turned to floats at once, which bounds the memory.

    Returns:
        flat, in [0, 1], ``(N, C·H·W)``.
    """
    rows, groups = groups.unique(return_inverse=True)
    flat = images.index_select(0, rows).flatten(1)
    # one pass over the pixels, without a copy of any group
    parts = [embedding_bag(groups, part.float(), mode="mean") for part in flat.split(pixels_at_once, 1)]
    return (torch.cat(parts, 1) / 255).numpy()
