"""Memory of training, each time in a process of its own, since the peak of a process never falls.

Peak resident memory (``VmHWM``) counts libraries, and pages of mapped files that the system may take away at any time.
So memory of the process's own (``RssAnon``) is measured apart, by sampling. Both are Linux's.
"""

import multiprocessing
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ugvae.experiments.bench.images import NoiseDataModule
from ugvae.experiments.bench.steps import SHAPES, SIZES, Backbone, Precision, bare
from ugvae.experiments.bench.timing import Plan
from ugvae.machine import prepare_process

STEPS = 8
INTERVAL = 0.002  # seconds between two samples
STATUS = Path("/proc/self/status")


@dataclass(frozen=True)
class Memory:
    """Peaks, in MiB.

    Attributes:
        whole: of the whole process.
        own: of the process's own memory.
        training: ``own``, less what there was before data and model.
    """

    whole: float
    own: float
    training: float


def status_mib(name: str) -> float:
    """An entry of this process's status, in MiB."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) / 1024


@contextmanager
def watch_own_mib() -> Iterator[list[float]]:
    """Inside, a thread samples the process's own memory; the one entry of the list is the peak so far, in MiB."""
    peak, done = [status_mib("RssAnon")], threading.Event()

    def sample() -> None:
        while not done.wait(INTERVAL):
            peak[0] = max(peak[0], status_mib("RssAnon"))

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()


def train(backbone: Backbone, batch: int, precision: Precision, file: Path | None = None, images: int = 0) -> Memory:
    """Trains a few steps of the bare loop in this process, on noise in memory, or on a file of so many images."""
    prepare_process()  # as training does
    before = status_mib("RssAnon")
    data = NoiseDataModule(images or 2 * batch, batch, SHAPES[backbone], file)
    with watch_own_mib() as peak:
        bare(data, SIZES[backbone], precision)(STEPS)
    return Memory(status_mib("VmHWM"), peak[0], peak[0] - before)


def memory_of_training(name: str, plan: Plan, *arguments: Any) -> Memory | None:
    """``train(*arguments)`` in a new process; None, recorded under ``name``, where it cannot be measured."""
    if plan.device != "cpu" or not STATUS.is_file():
        plan.leave_out(name, "measured on processors under Linux only")
        return None
    plan.tell(name)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        try:
            return pool.apply_async(train, arguments).get(plan.left)
        except multiprocessing.TimeoutError:
            plan.leave_out(name, "no time left")
            return None
