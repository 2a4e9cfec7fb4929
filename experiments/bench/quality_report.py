"""Time to quality as a table and as curves of the held-out bound."""

import statistics
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ugvae.experiments.bench.held_out import Point
from ugvae.experiments.bench.quality import PLAIN, Quality
from ugvae.experiments.bench.report import number
from ugvae.experiments.paper.table import Table
from ugvae.plots.figure import DPI, save_figure
from ugvae.runs.files import replace_section

CLOCKS = {"seconds": "seconds of training", "processor": "processor seconds of training"}
SHOWN = 60.0  # nats per image below the target: the lower end of the picture


def spread(values: Sequence[float]) -> str:
    """The median, and the range of several rounds."""
    middle = number(statistics.median(values))
    return f"{middle} ({number(min(values))} to {number(max(values))})" if len(values) > 1 else middle


def row(quality: Quality, name: str, reached: Sequence[Point | None]) -> dict[str, str]:
    """The line of a way: what it took to the bound, and how many times as fast as the whole plain recipe that was."""
    line = {"way": name}
    pairs = [
        (ends[-1], point) for ends, point in zip(quality.trainings[PLAIN], reached, strict=True) if point is not None
    ]
    if len(pairs) < len(reached):
        line["rounds"] = f"not reached in {len(reached) - len(pairs)} of {len(reached)} rounds"
    if pairs:
        line["steps"] = spread([point.step for _, point in pairs])
        for clock, title in CLOCKS.items():
            line[title] = spread([getattr(point, clock) for _, point in pairs])
        for clock, title in {"seconds": "plain / this", "processor": "plain / this, processor"}.items():
            line[title] = (
                f"{statistics.median(getattr(end, clock) / getattr(point, clock) for end, point in pairs):.2f}"
            )
    return line


def table(quality: Quality) -> str:
    """Markdown: a line per way, medians and ranges over the rounds, with the target, the machine and the versions."""
    rows = [row(quality, f"{PLAIN}, whole", [points[-1] for points in quality.trainings[PLAIN]])]
    rows.append(row(quality, f"{PLAIN}, until it first had that bound", quality.reached(PLAIN)))
    rows += [row(quality, way, quality.reached(way)) for way in quality.trainings if way != PLAIN]
    versions = ", ".join(f"{name.replace('_', ' ')} {version}" for name, version in quality.versions.items())
    lines = [Table("", rows).markdown(), ""]
    lines.append(f"Held-out bound at the end of the plain recipe: {spread(quality.targets)} nats per image.")
    if any(quality.decoding):
        lines.append(f"Ours includes {number(quality.decoding[0])} seconds in which all images are decoded, once.")
    lines.append(f"{quality.machine}; {versions}; {len(quality.targets)} rounds.")
    if quality.quick:
        lines.append("**A quick run, too short for numbers to quote.**")
    return "\n".join(lines)


def draw(axes: Axes, quality: Quality, clock: str) -> None:
    """Curves of all rounds against one clock, a colour per way, and the median of the targets."""
    target = statistics.median(quality.targets)
    for colour, (way, rounds) in enumerate(quality.trainings.items()):
        for points in rounds:
            xs, bounds = [getattr(point, clock) for point in points], [point.bound for point in points]
            label = way if points is rounds[0] else None
            axes.plot(xs, bounds, color=f"C{colour}", lw=1, marker=".", ms=3, label=label)
    axes.axhline(target, color="0.4", lw=0.8, ls="--")
    top = max(point.bound for rounds in quality.trainings.values() for points in rounds for point in points)
    axes.set_ylim(target - SHOWN, top + 0.1 * SHOWN)
    axes.set_xlim(left=0)
    axes.set_xlabel(CLOCKS[clock])
    axes.set_ylabel("held-out bound, nats per image")
    axes.grid(alpha=0.25)


def save_curves(quality: Quality, path: Path) -> None:
    """Draws the bound against seconds by the wall, and of the processor."""
    figure = Figure(figsize=(10, 3.8), dpi=DPI, layout="constrained")
    for axes, clock in zip(figure.subplots(1, 2), CLOCKS, strict=True):
        draw(axes, quality, clock)
    figure.axes[0].legend(frameon=False, fontsize=8, loc="lower right")
    save_figure(figure, path)


def fill(quality: Quality, doc: Path) -> None:
    """Puts the table into its section of a document, and the figure into ``figures/`` beside it."""
    name = f"quality_{quality.data}"
    path = doc.parent / "figures" / f"{name}.png"
    save_curves(quality, path)
    picture = f"![held-out bound against seconds, {quality.data}](figures/{path.name})"
    replace_section(doc, f"bench_{name}", f"{picture}\n\n{table(quality)}")
