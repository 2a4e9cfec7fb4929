"""Faults, caused for real: files that may not grow, caches cut while mapped, a dead service, weights gone bad."""

import os
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch

from tests.helpers.killed_runs import countdown, in_method
from ugvae.callbacks import figures, reports
from ugvae.models import BaseVAE


@contextmanager
def small_files(size: int) -> Iterator[None]:
    """No file of this process can grow beyond ``size`` bytes: a write fails with EFBIG, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def full_at_checkpoint(count: int) -> None:
    """The disk is full in the middle of the ``count``-th ``last.ckpt``."""
    now, write = countdown(count), Path.write_bytes

    def limited(path: Path, content: memoryview) -> int:
        if path.name.startswith(".last.") and now():
            with small_files(50_000):
                return write(path, content)
        return write(path, content)

    Path.write_bytes = limited


def full_at_figures(_: int) -> None:
    """The disk is full for every figure, and for the summary of the end."""
    figures.save_figure = _limited(figures.save_figure)
    reports.save_json = _limited(reports.save_json)


def _limited(write: Callable) -> Callable:
    def limited(*arguments: Any) -> None:
        with small_files(100):
            write(*arguments)

    return limited


def on_caches(act: Callable[[Path], object]) -> None:
    """Does something to the images of every cache below the working folder."""
    caches = list(Path.cwd().rglob("images-*.bin"))
    assert caches
    for path in caches:
        act(path)


def _cut(path: Path) -> None:
    os.truncate(path, 0)


cut_before_epoch = partial(in_method, "on_train_epoch_end", partial(on_caches, _cut))
cut_in_a_step = partial(in_method, "training_step", partial(on_caches, _cut))
removed_in_a_step = partial(in_method, "training_step", partial(on_caches, Path.unlink))


def spoil_weights(count: int) -> None:
    """A step makes a weight NaN that no loss has shown yet."""
    now, log = countdown(count), BaseVAE.log_if_due

    def spoiled(model: BaseVAE) -> None:
        log(model)
        if now():
            with torch.no_grad():
                next(model.decoder.parameters()).view(-1)[0] = float("nan")

    BaseVAE.log_if_due = spoiled


def _kill_wandb() -> None:
    """Kills the process of W&B that serves this one."""
    mine = str(os.getpid())
    processes = []
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            text = status.read_text()
        except OSError:  # gone meanwhile
            continue
        if "wandb-core" in text.splitlines()[0] and mine in Path(f"{status.parent}/cmdline").read_text():
            processes.append(int(status.parent.name))
    assert processes, "there is no such process"
    for number in processes:
        os.kill(number, signal.SIGKILL)


wandb_dies = partial(in_method, "training_step", _kill_wandb)
