"""Two runs of the bench side by side: what changed, and what may be noise.

If a way has become neither faster nor slower, then of n and m rounds all of one run lie above all of the other with a
probability of 2 / C(n + m, n): below 1 % for 5 and 5. That is what is called a change here. The machine itself may
have changed between the runs, which the rounds of one run cannot show: so its matrix products come first.
"""

import json
import math
from pathlib import Path
from typing import Any

from experiments.bench.report import machine_line, number, table
from experiments.bench.timing import Measurement, median
from ugvae.errors import ConfigError

HIGHER_IS_BETTER = ("images/s", "GFLOP/s")


def read(path: Path) -> dict[str, Any]:
    """The JSON of a run.

    Raises:
        ConfigError: no such file, or of something else.
    """
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read ({error})") from error
    if not isinstance(content, dict) or "measurements" not in content:
        raise ConfigError(f"{path}: not written by make bench")
    return content


def chance(first: Measurement, second: Measurement) -> float:
    """Probability that so many rounds of the same thing separate completely."""
    counts = len(first["values"]), len(second["values"])
    return 2 / math.comb(sum(counts), counts[0])


def judge(first: Measurement, second: Measurement) -> str:
    """``better``, ``worse``, or that it cannot be told."""
    before, after = first["values"], second["values"]
    if chance(first, second) > 0.05:
        return "too few rounds"
    if max(before) < min(after):
        return "better" if first["unit"] in HIGHER_IS_BETTER else "worse"
    if max(after) < min(before):
        return "worse" if first["unit"] in HIGHER_IS_BETTER else "better"
    return "noise"


def noise(measurement: Measurement) -> str:
    """From the middle round to the farthest, in percent."""
    middle = median(measurement)
    return f"{max(abs(value / middle - 1) for value in measurement['values']):.0%}"


def compare(first: dict[str, Any], second: dict[str, Any]) -> str:
    """Markdown: each measurement that both runs have, the ratio of the medians second / first, the noise of both."""
    pairs = {
        name: (each, second["measurements"][name])
        for name, each in first["measurements"].items()
        if name in second["measurements"]
    }
    ordered = sorted(pairs.items(), key=lambda pair: "matrix product" not in pair[0])  # stable: the machine first
    rows = [
        [
            name,
            before["unit"],
            number(median(before)),
            number(median(after)),
            f"{median(after) / median(before):.2f}" if median(before) else "",
            f"±{noise(before)}, ±{noise(after)}",
            judge(before, after),
        ]
        for name, (before, after) in ordered
    ]
    only = [name for name in {**first["measurements"], **second["measurements"]} if name not in pairs]
    lines = [f"first: {machine_line(first)}", f"second: {machine_line(second)}", ""]
    lines.append(table(["", "unit", "first", "second", "second / first", "noise", ""], rows))
    if only:
        lines += ["", f"In one of them only: {'; '.join(only)}."]
    return "\n".join(lines)
