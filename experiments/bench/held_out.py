"""The bound of held-out images along a training, against a clock that stands still while it is measured."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, Trainer
from pytorch_lightning.callbacks import WeightAveraging

from ugvae.data.module import GroupDataModule
from ugvae.models import BaseVAE
from ugvae.runs.files import save_json


@dataclass(frozen=True)
class Point:
    """The bound of held-out images, in nats per image, after so many steps.

    Attributes:
        seconds: of training so far, without those in which bounds were measured.
        processor: seconds of all threads of the process together; on a shared machine the fairer count.
    """

    step: int
    seconds: float
    processor: float
    bound: float

    def later(self, seconds: float, processor: float) -> "Point":
        """The same with so much work before it."""
        return replace(self, seconds=self.seconds + seconds, processor=self.processor + processor)


class PausedClock:
    """Counts the seconds of training, by the wall and of the processor, between ``start`` and ``pause``."""

    def __init__(self) -> None:
        self.seconds = self.processor = 0.0

    def start(self) -> None:
        """Training begins or goes on."""
        self._started = time.perf_counter(), time.process_time()

    def pause(self) -> None:
        """Training stands still."""
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.seconds += time.perf_counter() - self._started[0]
        self.processor += time.process_time() - self._started[1]

    def point(self, step: int, bound: float) -> Point:
        """The bound at the time of the last pause."""
        return Point(step, self.seconds, self.processor, bound)


def save_points(points: list[Point], file: Path) -> None:
    """Keeps a finished training."""
    save_json([asdict(point) for point in points], file)


def read_points(file: Path) -> list[Point]:
    """The points of a finished training."""
    return [Point(**point) for point in json.loads(file.read_text())]


@torch.no_grad()
def held_out_bound(model: BaseVAE, data: GroupDataModule) -> float:
    """The bound of the validation split in its own groups, nats per image; the noise is the same at every call."""
    training, total, images = model.training, 0.0, 0
    model.eval()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for batch in data.loader("val"):
            bound = model.elbo(batch["image"].to(model.device), batch.get("mask"))
            total += float(bound.total.sum())
            images += int((batch["index"] >= 0).sum())
    model.train(training)
    return total / images


@contextmanager
def as_validated(trainer: Trainer, model: BaseVAE) -> Iterator[None]:
    """For a while the model has the weights that a validation would see: averages of weights, where a run has them."""
    averages = [callback for callback in trainer.callbacks if isinstance(callback, WeightAveraging)]
    for callback in averages:
        callback.on_validation_epoch_start(trainer, model)
    yield
    for callback in averages:
        callback.on_validation_epoch_end(trainer, model)


class HeldOutBound(Callback):
    """Measures the held-out bound of a run every so many steps, and ends it when the bound has reached ``target``.

    It is that of the model which validation sees and the checkpoints hold.

    Args:
        file: JSON of the points, written when the run ends.
        every_n_steps: optimiser steps between two measurements.
        target: nats per image.
    """

    def __init__(self, file: str, every_n_steps: int, target: float) -> None:
        self.file, self.every_n_steps, self.target = Path(file), every_n_steps, target
        self.clock, self.points = PausedClock(), []

    def on_train_start(self, trainer: Trainer, pl_module: BaseVAE) -> None:
        self.clock.start()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: BaseVAE, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if trainer.global_step % self.every_n_steps == 0:
            self.clock.pause()
            with as_validated(trainer, pl_module):
                bound = held_out_bound(pl_module, trainer.datamodule)
            self.points.append(self.clock.point(trainer.global_step, bound))
            if bound >= self.target:
                trainer.should_stop = True
            self.clock.start()

    def on_train_end(self, trainer: Trainer, pl_module: BaseVAE) -> None:
        save_points(self.points, self.file)
