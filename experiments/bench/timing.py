"""Timing several ways of doing something in turn, so that whatever slows the machine slows all of them alike."""

import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

Measurement = dict[str, Any]  # unit, values of the rounds, and what the way was

MOST_STEPS = 120  # of one timing: what the made-up tables hold for the smallest steps


@dataclass(frozen=True)
class Way:
    """One thing to time.

    Attributes:
        name: under which it is reported.
        run: does so many steps and gives the seconds that they took.
        unit: of the report: ``ms per step``, ``s``, ``images/s`` or ``GFLOP/s``.
        images: of one step.
        gflop: of one step, 1e9 floating-point operations; 0 where they were not counted.
        precision: of the matrix products.
        threads: to run on; None leaves them as they are.
    """

    name: str
    run: Callable[[int], float]
    unit: str = "ms per step"
    images: int = 0
    gflop: float = 0.0
    precision: str = "float32"
    threads: int | None = None

    def value(self, steps: int, seconds: float) -> float:
        """A timing in the way's unit."""
        return {
            "ms per step": 1000 * seconds / steps,
            "s": seconds / steps,
            "images/s": self.images * steps / seconds,
            "GFLOP/s": self.gflop * steps / seconds,
        }[self.unit]


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """Inside, torch computes on ``count`` threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def timed(step: Callable[[], object]) -> Callable[[int], float]:
    """``run`` of a way whose step is one call."""

    def run(steps: int) -> float:
        start = time.perf_counter()
        for _ in range(steps):
            step()
        return time.perf_counter() - start

    return run


def say(line: str) -> None:
    """A line of progress, apart from the results."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def measure(title: str, ways: Sequence[Way], rounds: int, seconds: float) -> dict[str, Measurement]:
    """Times all ways in turn, round after round, about ``seconds`` each; a first call of each is not counted.

    Returns:
        by name ``title: name``; ``values`` are those of the rounds.
    """
    started = time.perf_counter()
    steps: dict[str, int] = {}
    values: dict[str, list[float]] = {way.name: [] for way in ways}
    for number in range(-1, rounds):
        for way in ways:
            with threads(way.threads):
                if number < 0:
                    way.run(1)  # compiles, allocates
                    steps[way.name] = max(1, min(MOST_STEPS, round(seconds / max(way.run(1), 1e-6))))
                else:
                    count = steps[way.name]
                    values[way.name].append(way.value(count, way.run(count)))
    say(f"{title}: {len(ways)} ways, {rounds} rounds, {time.perf_counter() - started:.0f} s")
    return {
        f"{title}: {way.name}": {
            "unit": way.unit,
            "values": values[way.name],
            "images": way.images,
            "gflop": way.gflop,
            "precision": way.precision,
            "threads": way.threads or torch.get_num_threads(),
        }
        for way in ways
    }


def median(measurement: Measurement) -> float:
    """The middle one of the rounds."""
    return statistics.median(measurement["values"])
