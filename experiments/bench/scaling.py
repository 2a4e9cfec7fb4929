"""How cost grows with the work: components, groups, latents, images of the dataset, groups to evaluate.

A curve is a list of points; each has a measurement, whose name is that of the curve and ``= x``.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from experiments.bench import steps
from experiments.bench.cases import Effort
from experiments.bench.images import GROUP_SIZE, RandomImages, write_noise
from experiments.bench.memory import memory_of_training
from experiments.bench.timing import Measurement, Way, measure, say, timed
from ugvae.data.known_groups import StructuredGroups, draw_groups
from ugvae.data.table import ImageTable
from ugvae.evaluation.classification import classify_groups
from ugvae.evaluation.controls import Controls
from ugvae.evaluation.encoding import EncodedImages, encode_beta, encode_images
from ugvae.models import UGVAE

SHAPE = (1, 28, 28)
IMAGES_HELD_FIXED = 4096
GROUP_OF_EVALUATION = 128
TABLE_SIZES = (10_000, 100_000, 1_000_000)
BYTES_PER_IMAGE = 28 * 28


class Curve(NamedTuple):
    """What is varied.

    Attributes:
        label: of the x axis.
        points: x of each point.
    """

    label: str
    points: Sequence[int]


STEP_CURVES = {  # of the mlp step; other sizes as in Table 2, 8 groups of 16
    "K": Curve("components K", (1, 10, 20, 50, 100, 200)),
    "B": Curve("images per group B, one group", (8, 32, 128, 1024, 4096)),
    "G": Curve(f"groups G, of {GROUP_SIZE} images", (1, 4, 8, 16, 32, 64)),
    "B of 4096": Curve(f"images per group B, {IMAGES_HELD_FIXED} in all", (8, 32, 128, 1024, 4096)),
    "beta_dim": Curve("dimensions of beta", (5, 20, 50, 100, 200)),
    "z_dim": Curve("dimensions of z", (5, 10, 20, 50, 100, 200)),
}


def groups_and_sizes(curve: str, x: int) -> tuple[int, int, dict[str, Any]]:
    """G, B and the sizes of the model at one point of a curve."""
    sizes = dict(steps.SIZES["mlp"])
    if curve in ("beta_dim", "z_dim"):
        return 8, GROUP_SIZE, {**sizes, curve: x}
    if curve == "K":
        return 8, GROUP_SIZE, {**sizes, "num_components": x}
    return {"B": (1, x, sizes), "G": (x, GROUP_SIZE, sizes), "B of 4096": (IMAGES_HELD_FIXED // x, x, sizes)}[curve]


def step_way(curve: str, x: int) -> Way:
    """The step of the bare loop at one point."""
    groups, group_size, sizes = groups_and_sizes(curve, x)
    batch = groups * group_size
    data = RandomImages(max(2 * batch, 1024), batch, group_size=group_size, groups_per_batch=groups)
    return Way(f"{curve} = {x}", steps.bare(data, sizes), images=batch)


def bench_steps(effort: Effort) -> dict[str, Measurement]:
    """Milliseconds of a step along every curve, the points of one curve in turn."""
    found: dict[str, Measurement] = {}
    for name, curve in STEP_CURVES.items():
        points = (curve.points[0], curve.points[-1]) if effort.quick else curve.points
        ways = [step_way(name, x) for x in points]
        found |= measure("scaling", ways, min(effort.rounds, 3), min(effort.seconds, 0.2))
    return found


def bench_table_size(effort: Effort) -> dict[str, Measurement]:
    """Loader and memory of training on memory-mapped tables of growing size, each in a process of its own."""
    found: dict[str, Measurement] = {}
    counts = (500, 1000) if effort.quick else TABLE_SIZES
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "images.bin"
        write_noise(file, max(counts), BYTES_PER_IMAGE)
        for count in counts:
            batches = min(300, count // 128 - 1)
            more = {"file": str(file), "num_images": count, "loader_batches": batches}
            rounds = [
                memory_of_training(steps.SIZES["mlp"], SHAPE, 128, "float32", **more)
                for _ in range(1 if effort.quick else 2)
            ]
            units = {"images_per_second": "images/s", "own_mib": "MiB", "peak_mib": "MiB"}
            for key, unit in units.items():
                name = f"scaling: {key} of a table = {count}"
                found[name] = {"unit": unit, "values": [each[key] for each in rounds]}
            say(f"table of {count:,} images: {rounds[0]['own_mib']:.0f} MiB of its own")
    return found


def bench_evaluation(effort: Effort) -> dict[str, Measurement]:
    """Seconds to encode many groups of 128, and to classify them, on made-up images of two kinds."""
    count, size = (1_024, 16) if effort.quick else (20_000, GROUP_OF_EVALUATION)
    images = torch.randint(256, (count, *SHAPE), dtype=torch.uint8)
    model = UGVAE(SHAPE, **steps.SIZES["mlp"]).eval()
    generator = torch.Generator().manual_seed(0)
    ways = []
    for groups in (10,) if effort.quick else (100, 1000, 5000):
        drawn = draw_groups(torch.arange(count), groups, size, generator)
        run = timed(lambda drawn=drawn: encode_beta(model, images, drawn))
        ways.append(Way(f"encode_beta of groups = {groups}", run, "s", images=groups * size))
    encoded = encode_images(model, images)
    for groups in (10,) if effort.quick else (100, 500, 1500):
        run = timed(lambda groups=groups: classify(encoded, ImageTable(images), groups, size))
        ways.append(Way(f"classify_groups of groups = {2 * groups}", run, "s", images=2 * groups * size))
    # seconds each: one timing a round
    return measure("scaling", ways, 2 if effort.quick else 3, 0.0)


def classify(encoded: EncodedImages, table: ImageTable, groups_per_kind: int, group_size: int) -> None:
    """One repetition of Table 1's protocol without controls by other networks."""

    def draw(rows: torch.Tensor, count: int, seed: int) -> StructuredGroups:
        generator = torch.Generator().manual_seed(seed)
        halves = rows.tensor_split(2)
        groups = torch.cat([draw_groups(half, count, group_size, generator) for half in halves])
        return StructuredGroups(groups, torch.arange(2).repeat_interleave(count), {0: "first", 1: "second"})

    classify_groups(encoded, Controls({}, None), table, draw, groups_per_kind, seeds=[0])


def bench_scaling(effort: Effort) -> dict[str, Measurement]:
    """All curves."""
    return {**bench_steps(effort), **bench_table_size(effort), **bench_evaluation(effort)}


def points_of(measurements: dict[str, Measurement], curve: str) -> dict[int, list[float]]:
    """The rounds of each point of a curve, by x."""
    start = f"scaling: {curve} = "
    return {
        int(name.removeprefix(start)): each["values"] for name, each in measurements.items() if name.startswith(start)
    }
