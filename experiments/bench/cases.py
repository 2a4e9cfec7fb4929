"""What is timed for each backbone, and the loader alone."""

import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import torch

from ugvae.experiments.bench.images import NoiseDataModule, write_jpegs, write_noise
from ugvae.experiments.bench.memory import memory_of_training
from ugvae.experiments.bench.plain import Feeding, plain_process
from ugvae.experiments.bench.results import Measurement
from ugvae.experiments.bench.steps import SHAPES, SIZES, WARM_STEPS, Backbone, Precision, bare, can_compile, lightning
from ugvae.experiments.bench.timing import MOST_STEPS, Plan, Run, Way, cpu_name, measure, timed
from ugvae.machine import default_precision

BATCHES: dict[Backbone, tuple[int, int]] = {"mlp": (128, 1024), "conv": (128, 512)}
TIMED_STEPS: dict[Backbone, int] = {"mlp": MOST_STEPS, "conv": 12}  # of one timing at most
FED: dict[Backbone, Feeding] = {"mlp": "one image at a time", "conv": "decoding JPEGs in the loop"}
LOOPS = {"bare loop": bare, "Lightning": lightning}


@dataclass(frozen=True)
class Setting:
    """One way of this project to train.

    Attributes:
        loop: ``bare loop``, or ``Lightning`` with everything on.
        precision: of matrix products and convolutions.
        variant: ``compiled`` or ``1 thread``.
        large: timed with the larger batch too.
    """

    loop: str
    precision: Precision = "float32"
    variant: Literal["", "compiled", "1 thread"] = ""
    large: bool = False

    @property
    def name(self) -> str:
        """The name in the results: ``bare loop, compiled, float32`` or ``bare loop, float32, 1 thread``."""
        compiled = ", compiled" if self.variant == "compiled" else ""
        threads = ", 1 thread" if self.variant == "1 thread" else ""
        return f"{self.loop}{compiled}, {self.precision}{threads}"


SETTINGS = (  # the most important first, those that take long to compile last
    Setting("bare loop", large=True),
    Setting("Lightning"),
    Setting("bare loop", "bfloat16", large=True),
    Setting("Lightning", "bfloat16"),
    Setting("bare loop", "matmul_precision medium", large=True),
    Setting("bare loop", "float32", "1 thread"),
    Setting("bare loop", "bfloat16", "1 thread"),
    Setting("bare loop", "float32", "compiled"),
    Setting("Lightning", "float32", "compiled"),
    Setting("bare loop", "bfloat16", "compiled"),
    Setting("Lightning", "bfloat16", "compiled"),
)


def possible(setting: Setting, backbone: Backbone, plan: Plan) -> bool:
    """Whether a setting is to be timed; records what the machine cannot do, or not fast."""
    if setting.precision != "float32" and default_precision("conv", plan.device) == "32-true":
        plan.leave_out(f"{backbone}: bfloat16", "emulated here, and many times slower")
        return False
    if setting.variant == "compiled" and not can_compile():
        plan.leave_out(f"{backbone}: compiled", "no C++ compiler")
        return False
    if setting.variant == "1 thread" and (plan.device == "cuda" or torch.get_num_threads() == 1):
        return False
    return not (plan.quick and setting.variant == "compiled") and (backbone == "mlp" or "medium" not in setting.name)


def bench_batch(backbone: Backbone, batch: int, plan: Plan) -> list[Measurement]:
    """Times of one backbone and batch size, in turn with the plain restatement."""
    large, steps = batch != BATCHES[backbone][0], 8 if plan.quick else TIMED_STEPS[backbone]
    with tempfile.TemporaryDirectory() as name, plain_process() as plain:
        folder, count = Path(name), batch * (steps + WARM_STEPS + 1)
        file = folder / "images.bin" if backbone == "conv" else None  # as the cache of a large dataset
        if file:
            write_noise(file, count, 3 * 64 * 64)
            write_jpegs(folder, 0 if large else 2 * batch)
        data = NoiseDataModule(count, batch, SHAPES[backbone], file)

        def way(name: str, run: Run, threads: int | None = None) -> Way:
            row = Measurement(f"{backbone} {batch}", name, plan.device_name(threads), images=batch)
            return Way(row, run, steps, threads)

        ways = []
        for setting in SETTINGS:
            if (setting.large or not large) and possible(setting, backbone, plan):
                sizes = {**SIZES[backbone], "compile": setting.variant == "compiled"}
                run = LOOPS[setting.loop](data, sizes, setting.precision, plan.device)
                ways.append(way(setting.name, run, 1 if setting.variant == "1 thread" else None))
        for place, feeding in ((0, "no feeding"), (3, FED[backbone]))[: 1 if large else 2]:
            run = partial(plain, (feeding, backbone, batch, folder, plan.device))
            ways.insert(place, way(f"plain, {feeding}, float32", run))
        return measure(ways, plan)


def bench_backbone(backbone: Backbone, plan: Plan) -> list[Measurement]:
    """Times, and peak memory of the bare loop, of one backbone with batches of two sizes."""
    rows = []
    batches = BATCHES[backbone][: 1 if plan.quick else 2]
    for batch, part in zip(batches, (0.65, 0.5), strict=False):
        rows += bench_batch(backbone, batch, plan.share(part))
    for batch in batches:
        for setting in SETTINGS[0], SETTINGS[2]:
            precision, case = setting.precision, f"{backbone} {batch}"
            if not possible(setting, backbone, plan):
                continue
            if memory := memory_of_training(f"{case}: memory, {precision}", plan, backbone, batch, precision):
                for name, peak in (("training", memory.training), ("the whole process", memory.whole)):
                    way = f"memory of {name}, {precision}"
                    rows.append(Measurement(case, way, plan.device_name(), "MiB", (peak,), batch))
    return rows


def bench_loader(plan: Plan) -> list[Measurement]:
    """The loader and nothing else, in groups of 16 and batches of 128."""
    count = 2_000 if plan.quick else 20_000
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "images.bin"
        write_noise(file, count, 3 * 64 * 64)
        tables = {
            "28×28 in memory": NoiseDataModule(count, 128, SHAPES["mlp"]),
            "64×64 colour, memory-mapped": NoiseDataModule(count, 128, SHAPES["conv"], file),
        }
        rows = {name: Measurement("loader", name, cpu_name(), "images/s", images=128) for name in tables}
        return measure([Way(rows[name], timed(partial(next, data.endless()))) for name, data in tables.items()], plan)
