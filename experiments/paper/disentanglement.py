"""Disentanglement of z over images and of beta over groups, on data with known factors, as a command."""

import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jsonargparse.typing import PositiveInt
from torch import Tensor

from ugvae.data.known_groups import draw_groups
from ugvae.errors import ConfigError
from ugvae.evaluation.controls import fitted_untrained
from ugvae.evaluation.disentanglement import BINS, Disentanglement, Scores, measure
from ugvae.evaluation.encoding import encode_images
from ugvae.evaluation.factor_classifiers import LEAST_ROWS
from ugvae.evaluation.kinds import check_columns, division, evaluation_groups
from ugvae.evaluation.minimum import LEAST_GROUPS, LEAST_IMAGES, LEAST_SIZE
from ugvae.evaluation.trained_run import TrainedRun
from ugvae.experiments.paper.command import Command, Made
from ugvae.experiments.paper.common import TwoOrMore
from ugvae.experiments.paper.metric_tables import disentanglement as table

MOST_RARE = 0.1  # of the images: a column of which more have a rare or an unknown value is no factor


class Factors(NamedTuple):
    """Columns that are factors of the images.

    Attributes:
        rows: images whose every factor is known and not rare, ``(N,)``.
        columns: integers ``(N,)`` by name.
        left_out: why other columns are none, by name.
    """

    rows: np.ndarray
    columns: dict[str, np.ndarray]
    left_out: dict[str, str]


@torch.no_grad()
def disentanglement(
    run: TrainedRun,
    column: Sequence[str] = (),
    images: PositiveInt = 5000,
    group_size: TwoOrMore | None = None,
    groups: PositiveInt = 500,
    bins: TwoOrMore = BINS,
    seed: int = 0,
) -> Made:
    """Disentanglement: MIG, SAP, DCI, explicitness, modularity and the FactorVAE score of z and of beta.

    The factors are columns of held-out images. Beta is measured over groups of one value of a factor each, one factor
    after the other. Beside the scores stand those of the untrained network, and those by chance.

    Args:
        run: with two dimensions of z or more.
        column: the factors; by default every column of whole numbers or names, with 4 images of nearly all values
        images: held-out images, at most
        group_size: images per group of beta; by default that of training, or less where a value has few images
        groups: groups of each factor, at most
        bins: of equal width, into which a dimension is cut to measure its information
        seed: of the halves, the groups and the untrained weights
    """
    started, model, test = time.monotonic(), run.model, run.table.images
    check_columns(run, [dict.fromkeys(column, 0)], "column")
    drawn = evaluation_groups(run, len(test), seed)
    flat = drawn.flatten().numpy()
    distinct = np.sort(np.unique(flat, return_index=True)[1])[:images]  # in the order of the groups, which is random
    drawn = drawn[: distinct[-1] // drawn.shape[1] + 1]  # further groups have none of these images
    candidates = {name: run.table.columns[name].numpy()[flat[distinct]] for name in column or run.table.columns}
    chosen = find_factors(candidates)
    if not chosen.columns:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in chosen.left_out.items())
        raise ConfigError(f"column: the data have no factor. {reasons or 'They have no columns'}")
    before = fitted_untrained(model, run.data.table("train").images, seed)
    needed, inside = drawn.unique(return_inverse=True)
    networks = {
        "trained": encode_images(model, test, rows=needed),
        "untrained": encode_images(before, test, rows=needed),
    }
    places = distinct[chosen.rows]
    z = {name: encoded.posterior(inside).z.mean.flatten(0, 1).numpy()[places] for name, encoded in networks.items()}
    results, left_out = {"z": compared(z, chosen.columns, None, bins, seed)}, chosen.left_out
    if model.beta_dim == 1:
        left_out["beta"] = "it has one dimension; the scores compare two or more"
    if model.beta_dim > 1:
        for name, values in chosen.columns.items():
            size = largest_group(values, group_size or run.data.group_size)
            if size < LEAST_SIZE:
                left_out[f"beta, {name}"] = f"a value has too few images for {LEAST_GROUPS} groups"
                continue
            rows, factor = groups_of_values(inside.flatten()[places], values, size, groups, seed)
            beta = {network: encoded.beta(rows).mean.numpy() for network, encoded in networks.items()}
            results[f"beta, {name}"] = compared(beta, {name: factor}, size, bins, seed)
    for shown in table(results):
        print(f"{shown.markdown()}\n", flush=True)
    for name, reason in left_out.items():
        print(f"{name}: left out: {reason}", flush=True)
    return Made({"results": results, "left_out": left_out, "seconds": time.monotonic() - started}, {})


def find_factors(columns: Mapping[str, np.ndarray]) -> Factors:
    """The columns that are factors, and the rows on which all of them are known.

    A factor has two values or more in at least 4 images, and rarer or unknown values in at most a tenth of the images.
    Of columns that divide the images in the same way the first is taken.

    Args:
        columns: of the images, ``(M,)`` by name.

    Example:
        >>> factors = find_factors({"a": np.arange(20) % 2, "b": 1 - np.arange(20) % 2, "c": np.arange(20)})
        >>> list(factors.columns), factors.left_out
        (['a'], {'b': 'divides the images as a does', 'c': 'fewer than 2 values have 4 images'})
    """
    left_out: dict[str, str] = {}
    kept: dict[str, np.ndarray] = {}
    named: dict[bytes, str] = {}  # the first column of every division
    for name, values in columns.items():
        if reason := _no_factor(values):
            left_out[name] = reason
        elif (first := named.setdefault(division(values).tobytes(), name)) != name:
            left_out[name] = f"divides the images as {first} does"
        else:
            kept[name] = values
    rows = np.arange(len(next(iter(columns.values()), ())))
    before = -1
    while kept and len(rows) != before:  # a row that goes with one factor may make a value of another rare
        before = len(rows)
        rows = rows[np.all([_common(values[rows]) for values in kept.values()], 0)]
    if len(rows) < LEAST_IMAGES and kept:
        return Factors(
            rows, {}, left_out | dict.fromkeys(kept, f"{len(rows)} images have common values of all factors")
        )
    return Factors(rows, {name: values[rows] for name, values in kept.items()}, left_out)


def _no_factor(values: np.ndarray) -> str | None:
    """Why a column by itself is no factor; None if it is."""
    if values.dtype.kind == "f":
        return "holds fractions"
    common = _common(values)
    if len(np.unique(values[common])) < 2:
        return f"fewer than 2 values have {LEAST_ROWS} images"
    if (share := 1 - common.mean()) > MOST_RARE:
        return f"{share:.0%} of the images have an unknown value, or one of fewer than {LEAST_ROWS} images"
    return None


def _common(values: np.ndarray) -> np.ndarray:
    """Which entries are known and have a value that is there at least 4 times, bool ``(M,)``."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (values >= 0) & (counts[place] >= LEAST_ROWS)


def largest_group(values: np.ndarray, wanted: int) -> int:
    """The size of groups, at most as wanted, of which every value fills 10 without a common image."""
    return min(wanted, int(np.unique(values, return_counts=True)[1].min()) // LEAST_GROUPS)


def groups_of_values(
    rows: Tensor, values: np.ndarray, group_size: int, groups: int, seed: int
) -> tuple[Tensor, np.ndarray]:
    """Groups of one value each, no image in two of them, and their values.

    Args:
        rows: of the table, ``(M,)``.
        values: of these rows, ``(M,)``.
        group_size: B.
        groups: N at most, but 10 of every value.
        seed: of the draw.

    Returns:
        rows ``(N, B)`` and values ``(N,)``.
    """
    generator = torch.Generator().manual_seed(seed)
    there = np.unique(values)
    most = max(LEAST_GROUPS, groups // len(there))
    parts = [
        draw_groups(own, min(most, len(own) // group_size), group_size, generator)
        for own in (rows[torch.from_numpy(values == value)] for value in there)
    ]
    return torch.cat(parts), there.repeat([len(part) for part in parts])


def compared(
    latents: Mapping[str, np.ndarray], factors: Mapping[str, np.ndarray], group_size: int | None, bins: int, seed: int
) -> Disentanglement:
    """Scores of latents ``(N, D)`` by network, and those by chance: of the trained ones with factors of other rows."""
    scores: dict[str, Scores] = {name: measure(means, factors, bins, seed) for name, means in latents.items()}
    count, dimensions = latents["trained"].shape
    order = np.random.default_rng(seed).permutation(count)
    permuted = {name: values[order] for name, values in factors.items()}
    scores["permuted"] = measure(latents["trained"], permuted, bins, seed)
    values = {name: len(np.unique(column)) for name, column in factors.items()}
    return Disentanglement(count, dimensions, values, scores, group_size, bins)


def _one_dimension(run: TrainedRun) -> str | None:
    """Why a run's latents are not scored: the gaps of MIG and SAP are between two dimensions."""
    return None if run.model.z_dim > 1 else "z has one dimension; the scores compare two or more"


def _no_factors(run: TrainedRun) -> str | None:
    factors = find_factors({name: values.numpy() for name, values in run.table.columns.items()})
    return None if factors.columns else "no column of the data is a factor of 2 values or more with 4 images of each"


COMMAND = Command("disentanglement", disentanglement, "table", _one_dimension, _no_factors)
