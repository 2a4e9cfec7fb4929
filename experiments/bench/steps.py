"""A training step of this project: in a bare loop, and by Lightning as ``make train`` does it."""

import os
import shutil
import tempfile
import warnings
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, Literal

import torch
from pytorch_lightning import Callback, Trainer

from ugvae.callbacks import ElboProgressBar, ExactResume, GracefulStop, RunCheckpoint, RunSummary
from ugvae.cli import TRAINER_DEFAULTS
from ugvae.experiments.bench.images import NoiseDataModule
from ugvae.experiments.bench.timing import Device, Run, now, timed
from ugvae.models import UGVAE
from ugvae.models.optim import clip_by_norm
from ugvae.runs.loggers import MetricsLogger

Backbone = Literal["mlp", "conv"]
Precision = Literal["float32", "bfloat16", "matmul_precision medium"]
SHAPES: dict[Backbone, tuple[int, int, int]] = {"mlp": (1, 28, 28), "conv": (3, 64, 64)}
SIZES: dict[Backbone, dict[str, Any]] = {  # Table 2: MNIST and CelebA
    "mlp": {"backbone": "mlp", "z_dim": 10, "beta_dim": 20, "num_components": 10},
    "conv": {"backbone": "conv", "z_dim": 20, "beta_dim": 50, "num_components": 20},
}
WARM_STEPS = 3  # of every Lightning run, before its clock starts


def can_compile() -> bool:
    """Whether ``torch.compile`` finds the C++ compiler that it needs on a CPU."""
    return any(shutil.which(name) for name in (os.environ.get("CXX", "g++"), "g++", "clang++"))


def set_products(precision: Precision) -> None:
    """Sets how float32 matrix products are computed, as the command line does with its default or with ``medium``."""
    torch.set_float32_matmul_precision("medium" if precision == "matmul_precision medium" else "high")


def bare(data: NoiseDataModule, sizes: dict[str, Any], precision: Precision = "float32", device: Device = "cpu") -> Run:
    """All that training computes and nothing else: the project's batches, bound, clipping and fused Adam."""
    model = UGVAE(data.image_shape, **sizes).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3, fused=True)
    batches = data.endless()

    def step() -> None:
        set_products(precision)
        images = next(batches)["image"].to(device, non_blocking=True)
        with torch.autocast(device, torch.bfloat16, enabled=precision == "bfloat16"):
            loss, _ = model.training_outputs(images)
        optimizer.zero_grad()
        loss.backward()
        clip_by_norm(optimizer, TRAINER_DEFAULTS["gradient_clip_val"])
        optimizer.step()

    return timed(step, device)


class StepClock(Callback):
    """Times so many whole steps of a run on ``device``, after the warm ones."""

    def __init__(self, steps: int, device: Device) -> None:
        self.last, self.device = WARM_STEPS + steps, device

    def on_train_batch_start(self, trainer: Trainer, pl_module: UGVAE, batch: Any, batch_idx: int) -> None:
        if batch_idx == WARM_STEPS:
            self.start = now(self.device)
        elif batch_idx == self.last:
            self.seconds = now(self.device) - self.start


def lightning(data: NoiseDataModule, sizes: dict[str, Any], precision: Precision, device: Device) -> Run:
    """Steps of a run as the command line sets it up: log, bar, schedule, warm-up, clipping, checkpoints, signals.

    One model trains on and on, so that it is compiled once. ``data`` must hold the steps of one timing and
    ``WARM_STEPS + 1`` more.
    """
    model = UGVAE(data.image_shape, **sizes)

    def run(steps: int) -> float:
        set_products(precision)
        clock, bar = StepClock(steps, device), ElboProgressBar()
        bar.show()
        with tempfile.TemporaryDirectory() as folder, Path(os.devnull).open("w") as sink, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # there is no validation
            trainer = Trainer(
                **TRAINER_DEFAULTS,
                accelerator=device,
                devices=1,
                precision="bf16-mixed" if precision == "bfloat16" else "32-true",
                max_steps=clock.last + 1,
                limit_val_batches=0,
                logger=MetricsLogger(folder, "bench"),
                callbacks=[clock, bar, GracefulStop(), ExactResume(), RunSummary(), RunCheckpoint()],
            )
            with redirect_stdout(sink):
                trainer.fit(model, data)
        return clock.seconds

    return run
