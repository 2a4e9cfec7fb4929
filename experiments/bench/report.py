"""The results as Markdown and as a picture, and two runs side by side."""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from ugvae.experiments.bench.results import Measurement, Results
from ugvae.experiments.paper.table import Table
from ugvae.plots.figure import DPI, save_figure
from ugvae.runs.files import replace_section

REFERENCE = "plain, no feeding, float32"
COLUMNS = 4  # of the picture
CHANCE = 0.05  # above it, two runs have too few rounds to be told apart


def number(value: float) -> str:
    """Three digits or more, thousands apart."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}" if abs(value) < 10 else f"{value:.1f}"


def table(rows: Iterable[Measurement]) -> str:
    """One line per way, or per curve: the median at each of its points."""
    ways: dict[tuple[str, str], list[Measurement]] = {}
    for row in rows:
        ways.setdefault((row.case, row.way), []).append(row)
    lines = []
    for (case, way), points in ways.items():
        first = points[0]
        line = {"case": case, "way": way, "device": first.device, "unit": first.unit, "median": number(first.median)}
        if first.x is not None:
            line["median"] = " · ".join(f"{row.x:,}: {number(row.median)}" for row in points)
        elif len(first.values) > 1:
            line["min to max"] = f"{number(min(first.values))} to {number(max(first.values))}"
        if (case, REFERENCE) in ways and first.unit == "ms per step":
            line["plain / this"] = f"{ways[case, REFERENCE][0].median / first.median:.2f}"
        lines.append(line)
    return Table("", lines).markdown()


def sections(results: Results) -> dict[str, str]:
    """Markdown of every part that was run, with the machine and what was left out."""
    parts: dict[str, list[Measurement]] = {}
    for row in results.measurements.values():
        parts.setdefault(row.case.split(" ")[0], []).append(row)
    contents = {part: f"{table(rows)}\n\n{results.machine}" for part, rows in parts.items()}
    for line in results.left_out:
        part = line.replace(":", " ").split(" ")[0]
        contents[part] = f"{contents.get(part, '')}\n\nLeft out: {line}."
    return contents


def draw_curve(axes: Axes, points: Sequence[Measurement]) -> None:
    """Medians, and bars from the lowest to the highest round; y is logarithmic where it changes more than fourfold."""
    xs, medians = [row.x for row in points], np.array([row.median for row in points])
    bars = [medians - [min(row.values) for row in points], [max(row.values) for row in points] - medians]
    axes.errorbar(xs, medians, bars, marker="o", ms=3.5, lw=1.2, capsize=2)
    axes.set_xscale("log")
    axes.set_xticks(xs, labels=[f"{x // 1000}k" if x % 1000 == 0 else str(x) for x in xs])
    if medians.max() > 4 * medians.min():
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    else:
        axes.set_ylim(0, 1.15 * max(max(row.values) for row in points))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_locator(NullLocator())
    axes.set_xlabel(points[0].way.replace(", ", ",\n", 1), fontsize=8)
    axes.set_ylabel(points[0].unit, fontsize=8)
    axes.tick_params(labelsize=7)
    axes.grid(alpha=0.25)


def save_curves(rows: Iterable[Measurement], path: Path) -> None:
    """Draws one panel per curve."""
    curves: dict[str, list[Measurement]] = {}
    for row in rows:
        if row.x is not None:
            curves.setdefault(row.way, []).append(row)
    lines = -(-len(curves) // COLUMNS)
    figure = Figure(figsize=(10.0, 2.4 * lines), dpi=DPI, layout="constrained")
    for number, points in enumerate(curves.values(), start=1):
        draw_curve(figure.add_subplot(lines, COLUMNS, number), points)
    save_figure(figure, path)


def fill(results: Results, doc: Path) -> None:
    """Puts the sections of what was run into a document, and the figure of the curves into ``figures/`` beside it."""
    for part, content in sections(results).items():
        if part == "scaling":
            path = doc.parent / "figures" / "performance.png"
            save_curves(results.measurements.values(), path)
            content = f"![cost as the work grows](figures/{path.name})\n\n{content}"
        replace_section(doc, f"bench_{part}", content)


def judge(first: Measurement, second: Measurement) -> str:
    """``better``, ``worse``, or why that cannot be told.

    If nothing has changed, all n rounds of one run lie above all m of the other with a probability of 2 / C(n + m, n):
    below 1 % for 5 and 5. That is what is called a change.
    """
    before, after = first.values, second.values
    if 2 / math.comb(len(before) + len(after), len(before)) > CHANCE:
        return "too few rounds"
    if min(after) <= max(before) and min(before) <= max(after):
        return "noise"
    return "better" if (min(after) > max(before)) == (first.unit == "images/s") else "worse"


def noise(row: Measurement) -> str:
    """The largest distance of a round from the median, in percent."""
    return f"±{max(abs(value / row.median - 1) for value in row.values):.0%}"


def compare(first: Results, second: Results) -> str:
    """Markdown: every row that both runs hold, the ratio of the medians, the noise of both, and the verdict.

    The rows of the plain restatement come first: its code stays, so if they differ, the machine does.
    """
    names = [name for name in first.measurements if name in second.measurements]
    rows = []
    for name in sorted(names, key=lambda name: ": plain" not in name):
        before, after = first.measurements[name], second.measurements[name]
        rows.append(
            {
                "row": name,
                "unit": before.unit,
                "first": number(before.median),
                "second": number(after.median),
                "second / first": f"{after.median / before.median:.2f}",
                "noise": f"{noise(before)}, {noise(after)}",
                "verdict": judge(before, after),
            }
        )
    lines = [
        f"first: {first.machine}",
        f"second: {second.machine}",
        "",
        Table("", rows).markdown() if rows else "No row in both.",
    ]
    if only := [name for name in {**first.measurements, **second.measurements} if name not in names]:
        lines += ["", f"In one of them only: {'; '.join(only)}."]
    return "\n".join(lines)
