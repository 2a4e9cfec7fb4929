"""What is timed for each backbone, and the loader alone."""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch

from experiments.bench import plain_process, steps
from experiments.bench.images import MappedImages, RandomImages, endless, write_jpegs, write_noise
from experiments.bench.memory import memory_of_training
from experiments.bench.timing import Measurement, Way, measure, timed
from ugvae.models import UGVAE

PRECISIONS = ("float32", "bfloat16")
FEEDINGS = (plain_process.SAME, plain_process.ONE_AT_A_TIME, plain_process.JPEGS)
PLAIN, PLAIN_FED, PLAIN_JPEG = (f"plain, {feeding}" for feeding in FEEDINGS)
MEDIUM = "matmul_precision medium"
BATCHES = {"mlp": (128, 1024), "conv": (128, 512)}
CONV_STEPS = 12  # most of one timing of conv: bounds the made-up table


class Effort(NamedTuple):
    """How long to measure.

    Attributes:
        rounds: timings of every way.
        seconds: of each of them, about.
        matrix: side of the matrices of the machine's rate.
        quick: too short for numbers that one would quote.
    """

    rounds: int
    seconds: float
    matrix: int
    quick: bool = False


FULL, QUICK = Effort(5, 0.35, 2048), Effort(2, 0.02, 256, quick=True)


def name_of(way: str, precision: str, threads: int | None = None) -> str:
    """``bare loop, float32``, with the threads where they are not all."""
    return f"{way}, {precision}" + (f", {threads} thread" if threads else "")


def rate_ways(effort: Effort) -> list[Way]:
    """Matrix products on all threads, and on one where there are more."""
    ways = []
    for precision in PRECISIONS:
        run, gflop = steps.matrix_product(precision, effort.matrix)
        for threads in (None, 1)[: 1 + (torch.get_num_threads() > 1)]:
            name = name_of("matrix product", precision, threads)
            ways.append(Way(name, run, "GFLOP/s", gflop=gflop, precision=precision, threads=threads))
    return ways


def make_data(backbone: str, batch: int, effort: Effort, folder: Path) -> RandomImages:
    """MNIST-shaped images in memory; 64×64 colour ones in a mapped file."""
    most_steps = (steps.MOST_STEPS if backbone == "mlp" else CONV_STEPS) if not effort.quick else 8
    count = steps.images_needed(batch, most_steps)
    if backbone == "mlp":
        return RandomImages(count, batch)
    file = folder / f"images_{batch}.bin"
    write_noise(file, count, 3 * 64 * 64)
    return MappedImages(file, count, batch, channels=3, image_size=64)


def capped(run: Callable[[int], float], data: RandomImages) -> Callable[[int], float]:
    """No more steps at a time than the table has for one epoch; the seconds are scaled to those asked for."""
    most = data.num_images // (data.group_size * data.groups_per_batch) - steps.WARM_STEPS - 1

    def limited(count: int) -> float:
        done = min(count, most)
        return run(done) * count / done

    return limited


def step_ways(backbone: str, batch: int, data: RandomImages, gflop: float, compiled: bool) -> list[Way]:
    """All ways of a step at the smaller batch; at the larger, those that say how it scales."""
    sizes, small = steps.SIZES[backbone], batch == BATCHES[backbone][0]
    with_compile = {**sizes, "compile": True}
    ways = []

    def add(name: str, run: Callable[[int], float], precision: str, threads: int | None = None) -> None:
        full = name_of(name, precision, threads)
        ways.append(Way(full, run, images=batch, gflop=gflop, precision=precision, threads=threads))

    for precision in PRECISIONS:
        run = steps.bare(data, sizes, precision)
        add("bare loop", run, precision)
        if not small:
            continue
        if torch.get_num_threads() > 1:
            add("bare loop", run, precision, 1)
        if compiled:
            add("bare loop, compiled", steps.bare(data, with_compile, precision), precision)
        if backbone == "conv":
            add("bare loop, contiguous", steps.bare(data, sizes, precision, contiguous=True), precision)
        add("Lightning", capped(steps.lightning_way(data, sizes, precision), data), precision)
    if backbone == "mlp":  # products in bfloat16, all else in float32
        add(f"bare loop, {MEDIUM}", steps.medium(steps.bare(data, sizes)), "bfloat16")
    if small and compiled:
        for precision in PRECISIONS:
            add("Lightning, compiled", capped(steps.lightning_way(data, with_compile, precision), data), precision)
    return ways


def plain_ways(backbone: str, batch: int, run: Callable[[str, int], float], gflop: float) -> list[Way]:
    """The plain restatement, at the smaller batch also as a script feeds it."""
    fed = {"mlp": plain_process.ONE_AT_A_TIME, "conv": plain_process.JPEGS}[backbone]
    feedings = [plain_process.SAME, *([fed] if batch == BATCHES[backbone][0] else [])]
    return [Way(f"plain, {each}, float32", partial(run, each), images=batch, gflop=gflop) for each in feedings]


def bench_backbone(backbone: str, effort: Effort) -> dict[str, Measurement]:
    """Times and memory of one backbone, in batches of two sizes."""
    found: dict[str, Measurement] = {}
    sizes = steps.SIZES[backbone]
    compiled = steps.can_compile() and not effort.quick
    for batch in BATCHES[backbone][: 1 if effort.quick else 2]:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            data = make_data(backbone, batch, effort, folder)
            gflop = steps.gflop_per_step(UGVAE(data.image_shape, **sizes), next(iter(data.loader("train"))))
            files = write_jpegs(folder, 2 * batch) if backbone == "conv" and batch == BATCHES[backbone][0] else []
            shape = {"channels": data.channels, "image_size": data.image_size}
            with plain_process.plain_process(sizes, shape, batch, files) as run:
                ways = [*rate_ways(effort), *plain_ways(backbone, batch, run, gflop)]
                ways += step_ways(backbone, batch, data, gflop, compiled)
                found |= measure(f"{backbone} {batch}", ways, effort.rounds, effort.seconds)
        for precision in PRECISIONS[: 1 if effort.quick else 2]:
            peak = memory_of_training(sizes, data.image_shape, batch, precision)
            for name, key in (("training", "training_mib"), ("the whole process", "peak_mib")):
                full = f"{backbone} {batch}: memory of {name}, {precision}"
                found[full] = {"unit": "MiB", "values": [peak[key]]}
    return found


def bench_loader(effort: Effort) -> dict[str, Measurement]:
    """The loader and nothing else, in groups of 16, batches of 128."""
    shapes: dict[str, dict[str, Any]] = {
        "28×28 in memory": {"image_size": 28, "channels": 1},
        "64×64 colour, memory-mapped": {"image_size": 64, "channels": 3},
    }
    count, ways = 2_000 if effort.quick else 20_000, []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "images.bin"
        write_noise(file, count, 3 * 64 * 64)
        for name, shape in shapes.items():
            mapped = "mapped" in name
            data = MappedImages(file, count, 128, **shape) if mapped else RandomImages(count, 128, **shape)
            batches = endless(data.loader("train", shuffle=True))
            ways.append(Way(name, timed(lambda batches=batches: next(batches)), "images/s", images=128))
        return measure("loader", ways, effort.rounds, effort.seconds)
