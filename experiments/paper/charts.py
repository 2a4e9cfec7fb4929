"""Classification results as a picture and as text."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ugvae.evaluation.classification import KERNELS
from ugvae.evaluation.plots import DPI, colours

Paper = Mapping[str, Mapping[str, float]]  # the paper's test accuracies by task and kernel


def accuracy_figure(results: Mapping[str, Mapping[str, Any]], paper: Mapping[str, Paper], title: str) -> Figure:
    """Accuracies of every comparison: a row of panels each, a panel per task, a bar per feature and kernel.

    Args:
        results: those of ``classify_groups`` by name of the comparison.
        paper: what the paper prints for some of them.
        title: of the whole.
    """
    panels = [(name, task) for name, result in results.items() for task in result["accuracy"]]
    across = max(len(result["accuracy"]) for result in results.values())
    down = -(-len(panels) // across)
    bars = max(len(result["accuracy"][task]) for result in results.values() for task in result["accuracy"])
    figure = Figure(figsize=(5 * across + 1.5, down * (0.27 * bars + 1.1) + 0.6), dpi=DPI, layout="constrained")
    grid = figure.subplots(down, across, squeeze=False, sharex=True)
    for axes, (name, task) in zip(grid.flat, panels, strict=False):
        result = results[name]
        accuracies = result["accuracy"][task]
        rows = np.arange(len(accuracies))
        for offset, (kernel, colour) in enumerate(zip(KERNELS, ("C0", "C1"), strict=True)):
            values = [each[kernel] for each in accuracies.values()]
            means, errors = [value["mean"] for value in values], [value["sd"] for value in values]
            axes.barh(rows + 0.38 * (offset - 0.5), means, 0.36, xerr=errors, color=colour, label=f"{kernel} SVM")
            if task in paper.get(name, {}):
                label = f"paper, {kernel}"
                axes.axvline(paper[name][task][kernel], color=colour, lw=1, ls=":", label=label)
        axes.axvline(result["chance"][task], color="0.4", lw=1, ls="--", label="chance")
        axes.set(xlim=(0, 1.02), title=f"{name}{' / random' if task != 'kinds' else ''}")
        axes.title.set_fontsize(9)
        axes.set_yticks(rows, labels=list(accuracies), fontsize=7)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.tick_params(axis="x", labelsize=7)
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    handles, labels = grid.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False, fontsize=8)
    figure.suptitle(title, fontsize=10)
    return figure


def shares_figure(shares: np.ndarray, names: Sequence[str], title: str) -> Figure:
    """Shares ``(K, V)`` of each of V kinds of image by component: a group of V bars per component.

    Args:
        shares: in [0, 1], by component and kind.
        names: of the kinds.
        title: of the figure.
    """
    figure = Figure(figsize=(max(3.5, 0.32 * shares.size + 1.5), 2.8), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    width = 0.8 / len(names)
    for number, (name, colour) in enumerate(zip(names, colours(len(names)), strict=True)):
        places = np.arange(len(shares)) + (number - (len(names) - 1) / 2) * width
        axes.bar(places, shares[:, number], width, color=colour, label=name)
    axes.set(xlabel="component", ylabel="share of the kind's images", ylim=(0, 1), xticks=range(len(shares)))
    axes.set_title(title, fontsize=10)
    axes.legend(frameon=False, fontsize=8)
    return figure


def accuracy_table(result: Mapping[str, Any]) -> str:
    """A result as Markdown: a row per feature, mean ± s.d. by task and kernel."""
    columns = [(task, kernel) for task in result["accuracy"] for kernel in KERNELS]
    names = list(next(iter(result["accuracy"].values())))
    heads = [f"{task}, {kernel} (chance {result['chance'][task]:.2f})" for task, kernel in columns]
    lines = ["| feature | " + " | ".join(heads) + " |", "|---" * (len(columns) + 1) + "|"]
    for name in names:
        cells = [result["accuracy"][task][name][kernel] for task, kernel in columns]
        lines.append(f"| {name} | " + " | ".join(f"{each['mean']:.2f} ± {each['sd']:.2f}" for each in cells) + " |")
    return "\n".join(lines)
