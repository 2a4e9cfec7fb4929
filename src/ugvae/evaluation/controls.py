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
    trained: DiagonalGaussian | None, untrained: Sequence[DiagonalGaussian], seeds: Sequence[int]
) -> tuple[float | None, list[dict[str, np.ndarray]]]:
    """Samples of an untrained network's beta at the information that the trained one has on the first groups.

    A classifier of samples measures signal over noise, and any scale of the means makes more of that without knowing
    more of anything. So an accuracy stands beside that of the untrained network at the same nats.

    Args:
        trained: beta of the training groups by the trained network, ``(N, beta_dim)``; None where there is no beta.
        untrained: the same by the untrained network, on which the scale of its means is found, then beta of others;
            empty without such a network.
        seeds: of the samples of each.

    Returns:
        the nats per group (``gaussian_information``), None where there is no beta; the samples ``(N, beta_dim)`` by
        their name, for each seed: nothing without beta or untrained network, or where its means do not differ.
    """
    nats = None if trained is None else gaussian_information(trained)
    scale = None if nats is None or not untrained else matched_scale(untrained[0], nats)
    if scale is None:
        return nats, [{} for _ in seeds]
    samples = []
    for beta, seed in zip(untrained, seeds, strict=True):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            sample = DiagonalGaussian(scale * beta.mean, beta.log_var).sample()
        samples.append({f"{SAME_INFORMATION} beta sample": sample.float().cpu().numpy()})
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
