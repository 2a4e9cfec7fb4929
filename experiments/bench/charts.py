"""The curves of scaling as pictures: medians, and bars from the fastest to the slowest round."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from experiments.bench.scaling import STEP_CURVES, points_of
from experiments.bench.timing import Measurement
from ugvae.plots.figure import DPI, save_figure

TABLES = "images of the table"
GROUPS = "groups of 128 images"


def short(number: int) -> str:
    """10k, 1M; others as they are."""
    for unit, letter in ((1_000_000, "M"), (1000, "k")):
        if number >= unit and number % unit == 0:
            return f"{number // unit}{letter}"
    return str(number)


def draw_curve(axes: Axes, measurements: dict[str, Measurement], curves: dict[str, str], **labels: str) -> None:
    """Curves by name, each with its label in the legend; both axes logarithmic, y from 0 where it hardly changes."""
    middle_values, highest, ticks = [], 0.0, set()
    for name, label in curves.items():
        points = points_of(measurements, name)
        middles = np.array([np.median(values) for values in points.values()])
        spread = np.array(
            [(np.median(values) - min(values), max(values) - np.median(values)) for values in points.values()]
        )
        axes.errorbar(list(points), middles, spread.T, marker="o", ms=3.5, lw=1.2, capsize=2, label=label or None)
        middle_values += middles.tolist()
        highest = max(highest, *(max(values) for values in points.values()))
        ticks |= points.keys()
    axes.set_xscale("log")
    axes.set_xticks(sorted(ticks), labels=map(short, sorted(ticks)))
    axes.xaxis.set_minor_locator(NullLocator())
    if max(middle_values) > 4 * min(middle_values):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
        axes.yaxis.set_minor_locator(NullLocator())
    else:
        axes.set_ylim(0, (1.45 if any(curves.values()) else 1.15) * highest)  # room for the legend
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axes.set(**labels)
    axes.title.set_fontsize(9)
    axes.grid(alpha=0.25)
    axes.tick_params(labelsize=7)
    axes.xaxis.label.set_fontsize(8)
    axes.yaxis.label.set_fontsize(8)
    if any(curves.values()):
        axes.legend(frameon=False, fontsize=7)


def steps_figure(measurements: dict[str, Measurement]) -> Figure:
    """A panel for each thing that a step grows with."""
    figure = Figure(figsize=(8.4, 4.6), dpi=DPI, layout="constrained")
    for axes, (name, curve) in zip(figure.subplots(2, 3).flat, STEP_CURVES.items(), strict=True):
        draw_curve(axes, measurements, {name: ""}, xlabel=curve.label, ylabel="ms per step")
    figure.suptitle("A step of the mlp on 28×28 images, float32", fontsize=10)
    return figure


def tables_figure(measurements: dict[str, Measurement]) -> Figure:
    """The loader's speed and the memory of training by the size of the table."""
    figure = Figure(figsize=(6.4, 2.7), dpi=DPI, layout="constrained")
    speed, memory = figure.subplots(1, 2)
    labels = {"xlabel": TABLES, "title": "loader alone"}
    draw_curve(speed, measurements, {"images_per_second of a table": ""}, ylabel="images per second", **labels)
    curves = {"own_mib of a table": "its own", "peak_mib of a table": "with pages of the file"}
    draw_curve(memory, measurements, curves, ylabel="MiB", xlabel=TABLES, title="resident memory of training")
    return figure


def evaluation_figure(measurements: dict[str, Measurement]) -> Figure:
    """Seconds of evaluation by the number of groups."""
    figure = Figure(figsize=(4.2, 2.9), dpi=DPI, layout="constrained")
    curves = {"encode_beta of groups": "encode_beta", "classify_groups of groups": "classify_groups, one seed"}
    draw_curve(figure.subplots(), measurements, curves, xlabel=GROUPS, ylabel="seconds", title="evaluation")
    return figure


FIGURES = {"steps": steps_figure, "tables": tables_figure, "evaluation": evaluation_figure}


def save_figures(measurements: dict[str, Measurement], folder: Path) -> Sequence[Path]:
    """Writes ``performance_*.png``; gives their paths."""
    paths = {name: folder / f"performance_{name}.png" for name in FIGURES}
    for name, path in paths.items():
        save_figure(FIGURES[name](measurements), path)
    return list(paths.values())
