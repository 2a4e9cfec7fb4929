"""Times several ways of doing something in turn, round after round, within a budget of seconds.

What slows the machine for a while slows all ways alike, so that ratios within one run can be trusted.
"""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch

from ugvae.experiments.bench.results import Measurement
from ugvae.machine import clock

Device = Literal["cpu", "cuda"]
MOST_STEPS = 120  # of one timing: bounds the made-up tables of images
Run = Callable[[int], float]  # does so many steps and returns their seconds


def cpu_name(threads: int | None = None) -> str:
    """The processor in the results, with the number of threads: torch's own choice by default."""
    return f"CPU × {threads or torch.get_num_threads()}"


@dataclass
class Plan:
    """How to measure a part, and the seconds that it may take. Progress goes to stderr.

    Attributes:
        seconds: of the part, from now on; ``later``, of what comes after it.
        rounds: timings of every way, of ``turn`` seconds.
        quick: fewer ways and points; no numbers to quote.
        left_out: what was not measured, with the reason; one list for all parts.
    """

    seconds: float
    later: float = 0.0
    rounds: int = 5
    turn: float = 0.35
    quick: bool = False
    device: Device = "cpu"
    left_out: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.deadline = time.monotonic() + self.seconds

    @property
    def left(self) -> float:
        """Seconds until the deadline, at least 0."""
        return max(0.0, self.deadline - time.monotonic())

    def share(self, part: float, **changes: Any) -> "Plan":
        """The plan of the next piece of this part, with a share of the seconds that are left."""
        return replace(self, seconds=part * self.left, later=self.later + (1 - part) * self.left, **changes)

    def device_name(self, threads: int | None = None) -> str:
        """The device in the results: the processor with its threads, or the name of the GPU."""
        return torch.cuda.get_device_name() if self.device == "cuda" else cpu_name(threads)

    def tell(self, line: str) -> None:
        """Prints a line of progress, with the time that is left for everything."""
        sys.stderr.write(f"{line}; at most {clock(self.left + self.later)} left\n")
        sys.stderr.flush()

    def leave_out(self, name: str, reason: str) -> None:
        """Records, once, that something is not measured."""
        line = f"{name} ({reason})"
        if line not in self.left_out:
            self.left_out.append(line)
            self.tell(f"left out: {line}")


@dataclass(frozen=True, eq=False)
class Way:
    """One thing to time: a row of the results without values, and what does its steps.

    A timing takes ``most_steps`` at most, on so many ``threads`` of torch; None is torch's own choice.
    """

    row: Measurement
    run: Run
    most_steps: int = MOST_STEPS
    threads: int | None = None

    def seconds(self, steps: int) -> float:
        """Does so many steps on ``threads`` threads; seconds per step, never 0."""
        before = torch.get_num_threads()
        torch.set_num_threads(self.threads or before)
        try:
            return max(self.run(steps), 1e-9) / steps
        finally:
            torch.set_num_threads(before)

    def value(self, steps: int) -> float:
        """Does so many steps; their cost in the unit of the row."""
        seconds = self.seconds(steps)
        return {"ms per step": 1000 * seconds, "s": seconds, "images/s": self.row.images / seconds}[self.row.unit]


def now(device: Device = "cpu") -> float:
    """Seconds of a clock, after the device has finished what it was given."""
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def timed(step: Callable[[], object], device: Device = "cpu") -> Run:
    """The ``run`` of a way whose step is one call."""

    def run(steps: int) -> float:
        start = now(device)
        for _ in range(steps):
            step()
        return now(device) - start

    return run


def measure(ways: Sequence[Way], plan: Plan) -> list[Measurement]:
    """Times all ways of one case in turn, round after round; the most important ways come first.

    Two single steps of each way are not counted: they compile, allocate, and show what a step takes. When they have
    taken two thirds of the time, the other ways are left out. On a slow machine timings become shorter, down to one
    step, and then rounds become fewer, down to one.
    """
    case, kept = ways[0].row.case, plan.left / 3
    if not kept:
        plan.leave_out(case, "no time left")
        return []
    plan.tell(f"{case}: first steps of {len(ways)} ways")
    step, overhead = {}, 0.0
    for way in ways:
        if step and plan.left < kept:
            late = "; ".join(other.row.name.removeprefix(f"{case}: ") for other in ways[len(step) :])
            plan.leave_out(f"{case}: {late}", "no time left")
            break
        way.seconds(1)
        start = time.perf_counter()
        step[way] = way.seconds(1)
        overhead += time.perf_counter() - start - step[way]

    turn = min(plan.turn, (plan.left / plan.rounds - overhead) / len(step))
    counts = {way: max(1, min(way.most_steps, round(turn / seconds))) for way, seconds in step.items()}
    values: list[list[float]] = []
    longest = 0.0
    for number in range(1, plan.rounds + 1):
        if plan.left < longest:
            plan.leave_out(f"{case}: rounds {number} to {plan.rounds}", "no time left")
            break
        plan.tell(f"{case}: round {number} of {plan.rounds}")
        start = time.perf_counter()
        values.append([way.value(count) for way, count in counts.items()])
        longest = max(longest, time.perf_counter() - start)
    return [replace(way.row, values=rounds) for way, rounds in zip(counts, zip(*values, strict=True), strict=True)]
