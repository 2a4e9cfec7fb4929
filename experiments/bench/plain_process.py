"""The plain restatement in a process of its own, as a plain script runs it: with the C library's allocator as it is."""

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.utils.data import DataLoader

from experiments.bench import steps
from experiments.bench.images import DecodedInTheLoop, RandomImages, endless

SAME, ONE_AT_A_TIME, JPEGS = "no feeding", "one image at a time", "decoding JPEGs in the loop"
IMAGES = 16  # batches of the made-up table that is fed one image at a time


def batches_of(feeding: str, shape: dict[str, int], batch: int, files: list[Path]) -> Iterator[Tensor]:
    """Batches as a plain script gets them."""
    if feeding == JPEGS:
        return endless(DataLoader(DecodedInTheLoop(files, shape["image_size"]), batch, shuffle=True, drop_last=True))
    data = RandomImages(IMAGES * batch, batch, **shape)
    return steps.same_batch(data) if feeding == SAME else steps.one_at_a_time(data)


def serve(connection: Connection, sizes: dict[str, Any], shape: dict[str, int], batch: int, files: list[Path]) -> None:
    """Runs the steps that are asked for, until nothing more is; all feedings train one model each."""
    runs: dict[str, Callable[[int], float]] = {}
    image_shape = (shape["channels"], shape["image_size"], shape["image_size"])
    while (asked := connection.recv()) is not None:
        feeding, count = asked
        if feeding not in runs:
            runs[feeding] = steps.plain(batches_of(feeding, shape, batch, files), image_shape, sizes)
        connection.send(runs[feeding](count))


@contextmanager
def plain_process(
    sizes: dict[str, Any], shape: dict[str, int], batch: int, files: list[Path]
) -> Iterator[Callable[[str, int], float]]:
    """Inside, gives the seconds of so many steps with a feeding.

    Args:
        sizes: of the model.
        shape: ``channels`` and ``image_size``.
        batch: images of a step.
        files: JPEGs, where they are decoded.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs, sizes, shape, batch, files), daemon=True)
    process.start()
    theirs.close()  # so that its end is seen if it dies

    def run(feeding: str, count: int) -> float:
        ours.send((feeding, count))
        return ours.recv()

    try:
        yield run
    finally:
        ours.send(None)
        process.join(timeout=10)
        process.kill()
