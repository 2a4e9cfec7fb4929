"""What an image keeps in another domain: its darkness, its light, the way it faces, and whether it can be recognised.

A reading is a number that can be computed from any image without labels: how dark its middle is, from which side it is
lit, how far it is turned. A probe is a reading learned from a column that one domain has. The reference is what a
plain reconstruction keeps; chance is what images paired at random have in common.

Axes: M images, N groups, B images per group, C channels, H and W pixels.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from scipy.stats import pearsonr, spearmanr
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, avg_pool2d, normalize

JUDGED_PIXELS = 16  # the largest H and W that judges, probes and readings see
AROUND = 5  # pixels each way that a pixel is compared with
RIDGE = np.logspace(-2, 4, 7)  # strengths that a probe chooses from, by leave-one-out

Reading = Callable[[Tensor], np.ndarray]  # pooled images (M, C, H, W) to (M,)


@dataclass(frozen=True)
class Correlation:
    """Pearson's and Spearman's correlation."""

    pearson: float
    spearman: float


@dataclass(frozen=True)
class Survey:
    """What became of the images of some groups, without labels.

    Attributes:
        retrieval: share of the results that are nearest to their own source, by way and by ``chance``.
        darkness: correlation of the reading before and after, by way and by ``chance``.
        light: the same.
        azimuth: the same.
    """

    retrieval: dict[str, float]
    darkness: dict[str, Correlation] | None = None
    light: dict[str, Correlation] | None = None
    azimuth: dict[str, Correlation] | None = None

    @property
    def readings(self) -> dict[str, dict[str, Correlation]]:
        """The correlations by name of the reading."""
        return {name: ways for name in READINGS if (ways := getattr(self, name))}


@dataclass(frozen=True)
class ProbedDirection:
    """What a probe reads in one direction.

    Attributes:
        source: whether the value of the source is from the column, or is read by the probe from the real image.
        kept: correlation with the source, by way and by ``chance``.
        held_out: correlation of column and probe on real held-out images, where the column is known.
    """

    source: Literal["column", "probe"]
    kept: dict[str, Correlation]
    held_out: Correlation | None = None


@dataclass(frozen=True)
class Probe:
    """What a probe of a column reads.

    Attributes:
        directions: by direction; empty if there is no probe.
        reason: why there is no probe.
    """

    directions: dict[str, ProbedDirection] = field(default_factory=dict)
    reason: str | None = None

    @staticmethod
    def upgraded(content: Mapping[str, Any]) -> Mapping[str, Any]:
        """The JSON of this class from that of earlier versions, which had the directions beside ``held_out``."""
        if "held_out" not in content:
            return content
        directions = {
            name: {
                "source": result["source"],
                "kept": {way: value for way, value in result.items() if way != "source"},
                "held_out": content["held_out"].get(name),
            }
            for name, result in content.items()
            if name != "held_out"
        }
        return {"directions": directions}


def pooled(images: Tensor) -> Tensor:
    """Float images ``(M, C, H, W)`` in [0, 1], at most 16×16 by averages of areas, on the CPU."""
    size = [min(side, JUDGED_PIXELS) for side in images.shape[-2:]]
    return adaptive_avg_pool2d(images.float(), size).cpu()


def darkness(images: Tensor) -> np.ndarray:
    """1 − the mean of the central half of height and width, ``(M,)``. Backgrounds would differ between domains."""
    return 1 - _middle(images).mean((1, 2)).numpy()


def lit_from(images: Tensor) -> np.ndarray:
    """Mean of the right half of the middle − mean of its left half, ``(M,)``.

    Spearman's correlation with the light's direction is 0.77 on 480 rendered faces, with the azimuth 0.29.
    """
    middle = _middle(images)
    half = middle.shape[-1] // 2
    return (middle[..., -half:].mean((1, 2)) - middle[..., :half].mean((1, 2))).numpy()


def turned(images: Tensor) -> np.ndarray:
    """How far off the middle the mirror axis lies at which an image is most symmetric, in half pixels, ``(M,)``.

    The local mean is subtracted from each pixel, so that the light hardly counts: Spearman's correlation with the
    azimuth is 0.86 on 480 rendered faces, with the light's direction 0.01.
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
        values: of the column, integers ``(M,)``.
    """
    scaler = StandardScaler(with_std=False)  # all pixels have the same unit
    probe: Pipeline = make_pipeline(scaler, RidgeCV(RIDGE)).fit(images.flatten(1).numpy(), values.numpy())
    return lambda pictures: probe.predict(pictures.flatten(1).numpy())


def correlation(first: np.ndarray, second: np.ndarray) -> Correlation:
    """The correlation of ``(M,)`` and ``(M,)``; 0 where one of them is constant."""
    if len(first) < 2 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return Correlation(0.0, 0.0)
    return Correlation(float(pearsonr(first, second)[0]), float(spearmanr(first, second)[0]))


def kept(source: np.ndarray, results: Mapping[str, np.ndarray], seed: int = 0) -> dict[str, Correlation]:
    """How well a reading of the sources ``(M,)`` agrees with that of the results ``(M,)``.

    Returns:
        a correlation by way; ``chance``, the correlation of the sources with themselves shuffled.
    """
    shuffled = np.random.default_rng(seed).permutation(source)
    return {way: correlation(source, values) for way, values in {**results, "chance": shuffled}.items()}


def retrieved(source: Tensor, result: Tensor) -> float:
    """Share of the results that are nearest to their own source, of all sources of its group, by correlation of pixels.

    The mean image of the own group is subtracted from sources and from results, and with it what tells the domains
    apart. Chance is 1/B.

    Args:
        source: pooled images by group, ``(N, B, C, H, W)``.
        result: what each became, the same shape.
    """
    first, second = _directions(source), _directions(result)
    nearest = torch.einsum("n i p, n j p -> n i j", second, first).argmax(-1)
    return float((nearest == torch.arange(source.shape[1])).double().mean())


def survey(source: Tensor, shown: Mapping[str, Tensor], seed: int = 0) -> Survey:
    """The readings and the retrieval of some groups.

    Args:
        source: pooled real images by group, ``(N, B, C, H, W)``.
        shown: pooled results by way, each of the same shape.
        seed: of the shuffled pairs.
    """
    flat = source.flatten(0, 1)
    readings = {
        name: kept(read(flat), {way: read(result.flatten(0, 1)) for way, result in shown.items()}, seed)
        for name, read in READINGS.items()
    }
    shares = {way: retrieved(source, result) for way, result in shown.items()}
    return Survey({**shares, "chance": 1 / source.shape[1]}, **readings)


def probe_survey(
    learned: tuple[Tensor, Tensor],
    sources: Sequence[tuple[Tensor, Tensor]],
    shown: Mapping[str, Mapping[str, Tensor]],
    seed: int = 0,
) -> Probe:
    """What a probe of a column reads in results. It is learned from real images of the domains that have the column.

    The value of a source comes from the column where it is known, else from the probe. The probe has not seen images of
    a domain without the column, so look first at what it reads in plain reconstructions there.

    Args:
        learned: pooled real training images ``(M, C, H, W)`` and their values ``(M,)``, below 0 unknown.
        sources: of each direction, pooled real test images ``(N, B, C, H, W)`` and their values ``(N, B)``.
        shown: by direction, pooled results by way, ``(N, B, C, H, W)``.
        seed: of the shuffled pairs.
    """
    images, values = learned
    known = values >= 0
    if len(values[known].unique()) < 2:
        return Probe(reason="the training images have fewer than two values")
    probe = fit_probe(images[known], values[known])
    directions = {}
    for (direction, ways), (real, truth) in zip(shown.items(), sources, strict=True):
        read, column = probe(real.flatten(0, 1)), truth.flatten()
        has_column = bool((column >= 0).all())
        source = column.numpy().astype(float) if has_column else read
        directions[direction] = ProbedDirection(
            source="column" if has_column else "probe",
            kept=kept(source, {way: probe(result.flatten(0, 1)) for way, result in ways.items()}, seed),
            held_out=correlation(source, read) if has_column else None,
        )
    return Probe(directions)


def _middle(images: Tensor) -> Tensor:
    """The middle of the mean over channels of images ``(M, C, H, W)``; at least 2 pixels each way."""
    grey = images.mean(1)
    rows, columns = (slice(side // 4, max(side - side // 4, side // 4 + 2)) for side in grey.shape[1:])
    return grey[:, rows, columns]


def _directions(groups: Tensor) -> Tensor:
    """Groups ``(N, B, C, H, W)`` without their mean image; each image centred and of unit length, ``(N, B, P)``."""
    flat = (groups - groups.mean(1, keepdim=True)).flatten(2)
    return normalize(flat - flat.mean(-1, keepdim=True), dim=-1)
