"""What an image keeps of itself in another domain: light, the way it faces, and whether it is still to be found.

Readings are numbers that any image has, so that they need no labels: how dark its middle is, from which side it is
lit, and how far it is turned. A probe is a reading learned from a column that one domain has. What a plain
reconstruction keeps is the reference, what images paired at random have in common is chance.

Axes: M images, N groups, B images per group, C channels, H and W pixels.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from scipy.stats import pearsonr, spearmanr
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, avg_pool2d, normalize

JUDGED_PIXELS = 16  # H = W that judges, probes and readings see, at most
AROUND = 5  # pixels each way that a pixel is compared with
RIDGE = np.logspace(-2, 4, 7)  # strengths that a probe chooses from, by leave-one-out

Reading = Callable[[Tensor], np.ndarray]  # pooled images (M, C, H, W) to (M,)


def pooled(images: Tensor) -> Tensor:
    """Float images ``(M, C, H, W)`` in [0, 1], at most 16×16 by averages of areas, on the CPU."""
    size = [min(side, JUDGED_PIXELS) for side in images.shape[-2:]]
    return adaptive_avg_pool2d(images.float(), size).cpu()


def darkness(images: Tensor) -> np.ndarray:
    """1 less the mean of the central half of height and width, ``(M,)``: backgrounds differ between domains."""
    return 1 - _middle(images).mean((1, 2)).numpy()


def lit_from(images: Tensor) -> np.ndarray:
    """Mean of the right half of the middle less that of its left half, ``(M,)``.

    Spearman's correlation with the light's direction is 0.77 on 480 rendered faces, with the azimuth 0.29.
    """
    middle = _middle(images)
    half = middle.shape[-1] // 2
    return (middle[..., -half:].mean((1, 2)) - middle[..., :half].mean((1, 2))).numpy()


def turned(images: Tensor) -> np.ndarray:
    """How far to the side the axis lies in which an image is most like its mirror image, in half pixels, ``(M,)``.

    Each pixel less the mean around it, so that the light hardly counts: Spearman's correlation with the azimuth is
    0.86 on 480 rendered faces, with the light's direction 0.01.
    """
    grey = images.mean(1, keepdim=True)
    local = (grey - avg_pool2d(grey, AROUND, 1, AROUND // 2, count_include_pad=False)).squeeze(1)
    mirrored, width = local.flip(-1), local.shape[-1]
    reach = width // 3
    shifts = range(-reach, reach + 1)
    likeness = [
        torch.cosine_similarity(
            local[..., max(0, shift) : width + min(0, shift)].flatten(1),
            mirrored[..., max(0, -shift) : width + min(0, -shift)].flatten(1),
        )
        for shift in shifts
    ]
    return (torch.stack(likeness, 1).argmax(1) - reach).numpy()


READINGS: dict[str, Reading] = {"darkness": darkness, "light": lit_from, "azimuth": turned}


def fit_probe(images: Tensor, values: Tensor) -> Reading:
    """A ridge regression of a column on pixels.

    Args:
        images: real pooled images ``(M, C, H, W)``.
        values: what to read, integers ``(M,)``.
    """
    scaler = StandardScaler(with_std=False)  # pixels have one unit
    probe: Pipeline = make_pipeline(scaler, RidgeCV(RIDGE)).fit(images.flatten(1).numpy(), values.numpy())
    return lambda seen: probe.predict(seen.flatten(1).numpy())


def correlation(first: np.ndarray, second: np.ndarray) -> dict[str, float]:
    """Pearson's and Spearman's correlation of ``(M,)`` and ``(M,)``; 0 where one of them is constant."""
    if len(first) < 2 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return {"pearson": 0.0, "spearman": 0.0}
    return {"pearson": float(pearsonr(first, second)[0]), "spearman": float(spearmanr(first, second)[0])}


def kept(source: np.ndarray, readings: Mapping[str, np.ndarray], seed: int = 0) -> dict[str, dict[str, float]]:
    """How well a reading of the source ``(M,)`` agrees with that of each kind of result ``(M,)``.

    Returns:
        a correlation by kind; ``chance``, that of the source with itself shuffled.
    """
    shuffled = np.random.default_rng(seed).permutation(source)
    return {
        **{way: correlation(source, each) for way, each in readings.items()},
        "chance": correlation(source, shuffled),
    }


def retrieved(source: Tensor, result: Tensor) -> float:
    """Share of the results whose source is the nearest of its group: highest correlation of pixels.

    Sources and results each lose the mean image of their own group first, and with it what tells the domains apart.
    Chance is 1/B.

    Args:
        source: pooled images by group, ``(N, B, C, H, W)``.
        result: what was made of each, the same shape.
    """
    first, second = (_directions(each) for each in (source, result))
    nearest = torch.einsum("n i p, n j p -> n i j", second, first).argmax(-1)
    return float((nearest == torch.arange(source.shape[1])).double().mean())


def survey(source: Tensor, shown: Mapping[str, Tensor], seed: int = 0) -> dict[str, Any]:
    """All that can be said without labels of what became of some groups.

    Args:
        source: pooled real images by group, ``(N, B, C, H, W)``.
        shown: pooled results by way, each of the same shape.
        seed: of the shuffled pairs.

    Returns:
        ready for JSON: ``darkness``, ``light`` and ``azimuth``, correlations by way and by chance; ``retrieval``,
        shares by way and by chance.
    """
    flat = source.flatten(0, 1)
    result: dict[str, Any] = {
        name: kept(read(flat), {way: read(each.flatten(0, 1)) for way, each in shown.items()}, seed)
        for name, read in READINGS.items()
    }
    shares = {way: retrieved(source, each) for way, each in shown.items()}
    return {**result, "retrieval": {**shares, "chance": 1 / source.shape[1]}}


def probe_survey(
    learned: tuple[Tensor, Tensor],
    sources: Sequence[tuple[Tensor, Tensor]],
    shown: Mapping[str, Mapping[str, Tensor]],
    seed: int = 0,
) -> dict[str, Any]:
    """What a probe of a column says of results: learned from real images of the domains that have the column.

    What the source has is read from the column where it is known, and by the probe from the real image where not. In
    that direction, and wherever the result is of a domain the probe has not seen, the probe is a stranger: look first
    at what it says of plain reconstructions.

    Args:
        learned: pooled real training images ``(M, C, H, W)`` and their values ``(M,)``, below 0 unknown.
        sources: of each direction, pooled real test images ``(N, B, C, H, W)`` and their values ``(N, B)``.
        shown: by direction, pooled results by way, ``(N, B, C, H, W)``.
        seed: of the shuffled pairs.

    Returns:
        ready for JSON: ``held_out`` by direction, the correlation on the real sources with known values; by direction
        what ``kept`` says, and ``source``, ``column`` or ``probe``. A ``reason`` alone if there are too few values.
    """
    images, values = learned
    known = values >= 0
    if len(values[known].unique()) < 2:
        return {"reason": "the training images have fewer than two values"}
    probe = fit_probe(images[known], values[known])
    result: dict[str, Any] = {"held_out": {}}
    for (direction, ways), (real, truth) in zip(shown.items(), sources, strict=True):
        flat, column = real.flatten(0, 1), truth.flatten()
        has_column = bool((column >= 0).all())
        source = column.numpy().astype(float) if has_column else probe(flat)
        if has_column:
            result["held_out"][direction] = correlation(source, probe(flat))
        readings = {way: probe(each.flatten(0, 1)) for way, each in ways.items()}
        result[direction] = {"source": "column" if has_column else "probe", **kept(source, readings, seed)}
    return result


def _middle(images: Tensor) -> Tensor:
    """The middle of the mean over channels of images ``(M, C, H, W)``; at least 2 pixels each way."""
    grey = images.mean(1)
    rows, columns = (slice(side // 4, max(side - side // 4, side // 4 + 2)) for side in grey.shape[1:])
    return grey[:, rows, columns]


def _directions(groups: Tensor) -> Tensor:
    """Groups ``(N, B, C, H, W)`` less their mean image, each image less its mean and of unit length: ``(N, B, P)``."""
    flat = (groups - groups.mean(1, keepdim=True)).flatten(2)
    return normalize(flat - flat.mean(-1, keepdim=True), dim=-1)
