"""Memory of training, each time in a process of its own, since the peak of a process never falls.

The peak of the whole process is that of its resident memory (``VmHWM``), libraries included. Pages of a mapped file
count in it as long as the system leaves them there, though it may take them away at any time; so what the process has
of its own (``RssAnon``, Linux) is told apart, sampled every few milliseconds.
"""

import json
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from experiments.bench import steps
from experiments.bench.images import MappedImages, RandomImages, endless
from experiments.bench.timing import timed
from ugvae.machine import prepare_process
from ugvae.models import UGVAE

STEPS = 8
INTERVAL = 0.002  # seconds between two samples
STATUS = Path("/proc/self/status")
MIB = 2**20


def status_mib(name: str) -> float | None:
    """An entry of the process's status in MiB, where the system tells."""
    if STATUS.is_file():
        for line in STATUS.read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) / 1024
    return None


def peak_mib() -> float:
    """Most resident memory so far, in MiB; ``getrusage`` alone would count what a process inherits from its parent."""
    unit = 1 if sys.platform == "darwin" else 1024
    return status_mib("VmHWM") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / MIB


def own_mib() -> float:
    """Resident memory that is not of files, in MiB; the peak of all where the system does not tell."""
    return status_mib("RssAnon") or peak_mib()


@contextmanager
def watch_own_mib() -> Iterator[list[float]]:
    """Inside, samples ``own_mib`` from another thread; the list holds the most of it when the block has ended."""
    most, done = [own_mib()], threading.Event()

    def sample() -> None:
        while not done.wait(INTERVAL):
            most[0] = max(most[0], own_mib())

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield most
    finally:
        done.set()
        thread.join()


def memory_of_training(
    sizes: dict[str, Any], image_shape: tuple[int, int, int], batch: int, precision: str, **more: Any
) -> dict[str, float]:
    """Trains a few steps in a new process: see ``train``."""
    asked = {"sizes": sizes, "image_shape": image_shape, "batch": batch, "precision": precision, **more}
    command = [sys.executable, "-m", "tests.bench.memory", json.dumps(asked)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"the process that measures memory failed:\n{done.stderr}")
    return json.loads(done.stdout)


def train(
    sizes: dict[str, Any],
    image_shape: tuple[int, int, int],
    batch: int,
    precision: str,
    file: str | None = None,
    num_images: int = 0,
    loader_batches: int = 0,
) -> dict[str, float]:
    """Steps of the bare loop.

    Args:
        sizes: of the model.
        image_shape: (C, H, W).
        batch: images per step.
        precision: ``float32`` or ``bfloat16``.
        file: images to be mapped; made up in memory by default, two batches.
        num_images: in that file.
        loader_batches: read so many batches without training first.

    Returns:
        ``peak_mib`` of the whole process; ``own_mib``, the most of its own; ``training_mib``, that less what it had
        before there were data and a model; ``images_per_second`` of the loader alone.
    """
    channels, image_size, _ = image_shape
    before = own_mib()
    shape = {"channels": channels, "image_size": image_size}
    data = MappedImages(Path(file), num_images, batch, **shape) if file else RandomImages(2 * batch, batch, **shape)
    batches = endless(data.loader("train", shuffle=True))
    speed = 0.0
    with watch_own_mib() as most:
        if loader_batches:
            next(batches)  # draws the epoch's groups
            speed = batch * loader_batches / timed(lambda: next(batches))(loader_batches)
        model = UGVAE(image_shape, **sizes)
        steps.bare_step(model, batches, precision)(STEPS)
    own = most[0]
    return {"peak_mib": peak_mib(), "own_mib": own, "training_mib": own - before, "images_per_second": speed}


if __name__ == "__main__":
    prepare_process()  # as training does
    print(json.dumps(train(**json.loads(sys.argv[1]))))
