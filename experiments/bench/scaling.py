"""How cost grows with the work: components, groups, latents, images of the dataset, groups to evaluate."""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ugvae.data.known_groups import StructuredGroups, draw_groups
from ugvae.data.table import ImageTable
from ugvae.evaluation.classification import classify_groups
from ugvae.evaluation.controls import Controls
from ugvae.evaluation.encoding import EncodedImages, encode_beta, encode_images
from ugvae.experiments.bench.images import GROUP_SIZE, NoiseDataModule, write_noise
from ugvae.experiments.bench.memory import memory_of_training
from ugvae.experiments.bench.results import Measurement
from ugvae.experiments.bench.steps import SHAPES, SIZES, bare
from ugvae.experiments.bench.timing import Plan, Way, cpu_name, measure, timed
from ugvae.models import UGVAE

SHAPE = SHAPES["mlp"]
GROUP_OF_EVALUATION = 128

# Of the mlp step: what grows, its values, and G, B and the sizes of the model at a value; else 8 groups of 16, Table 2.
STEP_CURVES: dict[str, tuple[tuple[int, ...], Callable[[int], dict[str, int]]]] = {
    "components K": ((1, 10, 20, 50, 100, 200), lambda x: {"num_components": x}),
    "images per group B, one group": ((8, 32, 128, 1024, 4096), lambda x: {"B": x, "G": 1}),
    "groups G, of 16 images": ((1, 4, 8, 16, 32, 64), lambda x: {"G": x}),
    "images per group B, 4096 in all": ((8, 32, 128, 1024, 4096), lambda x: {"B": x, "G": 4096 // x}),
    "dimensions of beta": ((5, 20, 50, 100, 200), lambda x: {"beta_dim": x}),
    "dimensions of z": ((5, 10, 20, 50, 100, 200), lambda x: {"z_dim": x}),
}
TABLE_SIZES = (10_000, 100_000, 1_000_000)
LOADER = "images of the table, loader alone"
MEMORY = {"own": "images of the table, memory without its pages", "whole": "images of the table, memory with its pages"}
EVALUATION_CURVES = {"groups, encode_beta": (100, 1000, 10_000), "groups, classify_groups": (200, 1000, 3000)}


def step_way(curve: str, x: int, plan: Plan) -> Way:
    """The step of the bare loop at one point of a curve."""
    sizes: dict[str, Any] = {**SIZES["mlp"], "B": GROUP_SIZE, "G": 8, **STEP_CURVES[curve][1](x)}
    group_size, groups = sizes.pop("B"), sizes.pop("G")
    batch = groups * group_size
    data = NoiseDataModule(max(2 * batch, 1024), batch, SHAPE, group_size=group_size, groups_per_batch=groups)
    row = Measurement("scaling", curve, plan.device_name(), images=batch, x=x)
    return Way(row, bare(data, sizes, device=plan.device))


def bench_steps(plan: Plan) -> list[Measurement]:
    """Milliseconds of a step along every curve, the points of one curve in turn."""
    rows = []
    for number, (curve, (xs, _)) in enumerate(STEP_CURVES.items()):
        ways = [step_way(curve, x, plan) for x in (xs[:: len(xs) - 1] if plan.quick else xs)]
        rows += measure(ways, plan.share(1 / (len(STEP_CURVES) - number)))
    return rows


def bench_tables(plan: Plan) -> list[Measurement]:
    """Memory of training on memory-mapped tables of growing size, in fresh processes; then their loaders alone."""
    rows, ways, counts = [], [], (500, 1000) if plan.quick else TABLE_SIZES
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "images.bin"
        write_noise(file, max(counts), SHAPE[1] * SHAPE[2])
        for count in counts:
            job = ("mlp", 128, "float32", file, count)
            name = f"scaling: memory, {count:,} images"
            runs = [memory_of_training(name, plan.share(0.9), *job) for _ in range(1 if plan.quick else 2)]
            for key, curve in MEMORY.items():
                if values := tuple(getattr(memory, key) for memory in runs if memory):
                    rows.append(Measurement("scaling", curve, plan.device_name(), "MiB", values, x=count))
            row = Measurement("scaling", LOADER, cpu_name(), "images/s", images=128, x=count)
            ways.append(Way(row, timed(partial(next, NoiseDataModule(count, 128, SHAPE, file).endless()))))
        return rows + measure(ways, plan)


def bench_evaluation(plan: Plan) -> list[Measurement]:
    """Seconds to encode many groups of 128 images, and to classify them, on made-up images of two kinds."""
    count, size = (1_024, 16) if plan.quick else (20_000, GROUP_OF_EVALUATION)
    images = torch.randint(256, (count, *SHAPE), dtype=torch.uint8)
    model = UGVAE(SHAPE, **SIZES["mlp"]).eval().to(plan.device)
    encoded, generator = encode_images(model, images), torch.Generator().manual_seed(0)

    def encode(groups: int) -> Callable[[], object]:
        return partial(encode_beta, model, images, draw_groups(torch.arange(count), groups, size, generator))

    def classify(groups: int) -> Callable[[], object]:
        return partial(classify_in_two, encoded, ImageTable(images), groups // 2, size)

    row = partial(Measurement, "scaling", device=plan.device_name(), unit="s")
    ways = [
        Way(row(curve, x=x), timed(step(x), plan.device))
        for (curve, xs), step in zip(EVALUATION_CURVES.items(), (encode, classify), strict=True)
        for x in ((20,) if plan.quick else xs)
    ]
    return measure(ways, plan.share(1, turn=0.0))  # one step is long enough


def classify_in_two(encoded: EncodedImages, table: ImageTable, groups_per_kind: int, group_size: int) -> None:
    """One seed of the protocol of Table 1 on groups of two kinds, without controls by other networks."""

    def draw(rows: Tensor, count: int, seed: int) -> StructuredGroups:
        generator = torch.Generator().manual_seed(seed)
        groups = torch.cat([draw_groups(half, count, group_size, generator) for half in rows.tensor_split(2)])
        return StructuredGroups(groups, torch.arange(2).repeat_interleave(count), {0: "first", 1: "second"})

    classify_groups(encoded, Controls({}, None), table, draw, groups_per_kind, seeds=[0])


def bench_scaling(plan: Plan) -> list[Measurement]:
    """All curves."""
    plan = plan.share(1, rounds=min(3, plan.rounds), turn=min(0.2, plan.turn))
    return bench_steps(plan.share(0.4)) + bench_tables(plan.share(0.6)) + bench_evaluation(plan)
