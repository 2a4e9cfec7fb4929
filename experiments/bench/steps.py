"""The ways to do a training step: plain, in a bare loop, by Lightning; and what the machine could do meanwhile."""

import logging
import os
import shutil
import tempfile
import time
import types
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Trainer
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torch.utils.flop_counter import FlopCounterMode

from experiments.bench.images import OneImageAtATime, RandomImages, endless
from experiments.bench.timing import MOST_STEPS, timed
from tests.helpers.reference import PlainUGVAE
from ugvae.callbacks import ElboProgressBar, ExactResume, GracefulStop, RankWatch, RunCheckpoint, RunSummary
from ugvae.callbacks.base import RunCallback
from ugvae.callbacks.profiling import NoProfiler
from ugvae.cli import HARMLESS_WARNINGS, TRAINER_DEFAULTS
from ugvae.models import UGVAE
from ugvae.models.optim import clip_by_norm
from ugvae.runs.loggers import MetricsLogger

SIZES: dict[str, dict[str, Any]] = {  # Table 2: MNIST and CelebA
    "mlp": {"backbone": "mlp", "z_dim": 10, "beta_dim": 20, "num_components": 10},
    "conv": {"backbone": "conv", "z_dim": 20, "beta_dim": 50, "num_components": 20},
}
WARM_STEPS = 3  # of every Lightning run, before its clock starts
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
LIGHTNING_PRECISION = {"float32": "32-true", "bfloat16": "bf16-mixed"}


def gflop_per_step(model: UGVAE, batch: dict[str, Tensor]) -> float:
    """1e9 floating-point operations of the matrix products and convolutions of a step, forward and backward.

    Counted in float64, whose products are all operators that torch counts; the model is left so, with gradients.
    """
    with FlopCounterMode(display=False) as counter:
        model.double().training_outputs(batch["image"])[0].backward()
    return counter.get_total_flops() / 1e9


def matrix_product(precision: str, size: int) -> tuple[Callable[[int], float], float]:
    """A product of two square matrices, the most that the machine can be asked for; its GFLOP."""
    left, right = (torch.randn(size, size).to(DTYPES[precision]) for _ in range(2))
    out = torch.empty_like(left)
    return timed(lambda: torch.mm(left, right, out=out)), 2 * size**3 / 1e9


def can_compile() -> bool:
    """Whether ``torch.compile`` finds the compiler that it needs on a CPU."""
    return any(shutil.which(name) for name in (os.environ.get("CXX", "g++"), "g++", "clang++"))


def bare(
    data: RandomImages, sizes: dict[str, Any], precision: str = "float32", contiguous: bool = False
) -> Callable[[int], float]:
    """All that training computes, and nothing else: the project's batches, bound, clipping and fused Adam."""
    model = UGVAE(data.image_shape, **sizes)
    if contiguous:  # instead of channels last
        model.to(memory_format=torch.contiguous_format)
        model.encoder.forward = types.MethodType(nn.Sequential.forward, model.encoder)
    return bare_step(model, endless(data.loader("train", shuffle=True)), precision)


def bare_step(model: UGVAE, batches: Iterator[dict[str, Tensor]], precision: str) -> Callable[[int], float]:
    """``run`` of the bare loop with a model and batches."""
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3, fused=True)

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            loss, _ = model.training_outputs(next(batches)["image"])
        optimizer.zero_grad()
        loss.backward()
        clip_by_norm(optimizer, TRAINER_DEFAULTS["gradient_clip_val"])
        optimizer.step()

    return timed(step)


def medium(run: Callable[[int], float]) -> Callable[[int], float]:
    """The same with float32 matrix products computed in bfloat16: ``--matmul_precision medium``."""

    def with_medium(count: int) -> float:
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("medium")
        try:
            return run(count)
        finally:
            torch.set_float32_matmul_precision(before)

    return with_medium


def plain(
    batches: Iterator[Tensor], image_shape: tuple[int, int, int], sizes: dict[str, Any]
) -> Callable[[int], float]:
    """The plain restatement with the batches that it is given: one group each, float ``(B, C, H, W)``."""
    model = PlainUGVAE(image_shape, **sizes)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)

    def step() -> None:
        loss = model.loss(next(batches))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()

    return timed(step)


def same_batch(data: RandomImages) -> Iterator[Tensor]:
    """One batch as floats, for ever: the time without any feeding."""
    batch = data.table("train").images[: data.group_size * data.groups_per_batch] / 255
    while True:
        yield batch


def one_at_a_time(data: RandomImages) -> Iterator[Tensor]:
    """Batches as a plain script gets them."""
    batch = data.group_size * data.groups_per_batch
    return endless(DataLoader(OneImageAtATime(data.table("train").images), batch, shuffle=True, drop_last=True))


class StepClock(RunCallback):
    """Seconds of so many whole steps, after the warm ones."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def on_train_batch_start(self, trainer: Trainer, pl_module: UGVAE, batch: Any, batch_idx: int) -> None:
        if batch_idx == WARM_STEPS:
            self.start = time.perf_counter()
        if batch_idx == WARM_STEPS + self.steps:
            self.seconds = time.perf_counter() - self.start


@contextmanager
def silent_lightning() -> Iterator[None]:
    """Without Lightning's greeting of every trainer."""
    logger = logging.getLogger("pytorch_lightning")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def lightning(data: RandomImages, model: UGVAE, precision: str, steps: int) -> float:
    """A run as the command line sets it up: logging, bar, schedule, warm-up, clipping, checkpoints, signals."""
    clock, bar = StepClock(steps), ElboProgressBar()
    bar.show()
    with (
        silent_lightning(),
        tempfile.TemporaryDirectory() as folder,
        Path(os.devnull).open("w") as sink,
        redirect_stdout(sink),
    ):
        callbacks = [clock, bar, RankWatch(), GracefulStop(), ExactResume(), RunSummary(), RunCheckpoint()]
        with warnings.catch_warnings():
            for harmless in HARMLESS_WARNINGS:
                warnings.filterwarnings("ignore", f".*{harmless}")
            warnings.filterwarnings("ignore", ".*could not find the monitored key")  # there is no validation
            trainer = Trainer(
                **TRAINER_DEFAULTS,
                accelerator="cpu",
                precision=LIGHTNING_PRECISION[precision],
                profiler=NoProfiler(),
                max_steps=WARM_STEPS + steps + 1,
                logger=MetricsLogger(folder, "bench"),
                callbacks=callbacks,
                limit_val_batches=0,
            )
            trainer.fit(model, data)
    return clock.seconds


def lightning_way(data: RandomImages, sizes: dict[str, Any], precision: str) -> Callable[[int], float]:
    """``run`` of a way; one model, which is compiled once."""
    return partial(lightning, data, UGVAE(data.image_shape, **sizes), precision)


def images_needed(batch: int, most_steps: int = MOST_STEPS) -> int:
    """Images that the steps of one Lightning run take within one epoch."""
    return batch * (WARM_STEPS + most_steps + 1)
