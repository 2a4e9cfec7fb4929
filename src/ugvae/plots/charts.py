"""Classification results as a picture and as text."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ugvae.evaluation.classification import KERNELS
from ugvae.evaluation.factors import PARTS
from ugvae.evaluation.latent_use import ACTIVE_VARIANCE
from ugvae.evaluation.translation import DIRECTIONS, WAYS, Z_ALONE
from ugvae.plots.figure import DPI, colours

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


READINGS = {"azimuth": "mirror axis (azimuth)", "light": "brighter side (light)", "darkness": "darkness"}
LABELS = {
    "reconstruction": "plain reconstruction",
    **{way: f"{way} z" for way in WAYS},
    Z_ALONE: "matched z, own beta",
}
COLOURS = {"reconstruction": "0.6", **dict(zip(WAYS, ("C0", "C1", "C2"), strict=True)), Z_ALONE: "0.8"}


def translation_figure(result: Mapping[str, Any], names: Mapping[str, str], title: str) -> Figure:
    """A panel per question, a group of bars per direction, a bar per way, chance as a line.

    Args:
        result: of ``translation_rates``.
        names: of the domains A and B.
        title: of the whole.
    """
    panels: dict[str, dict[str, dict[str, float]]] = {
        "judged to be of the other domain": {each: result["rates"][each]["domain"] for each in DIRECTIONS}
    }
    if "content" in result["judges"]:
        panels[f"{result['content']['column']} kept (judge)"] = {
            each: result["rates"][each]["content"] for each in DIRECTIONS
        }
    panels["source found in its group"] = {each: result["survives"][each]["retrieval"] for each in DIRECTIONS}
    for reading, label in READINGS.items():
        panels[f"{label}, kept (Spearman)"] = {
            each: _spearman(result["survives"][each][reading]) for each in DIRECTIONS
        }
    for column, probe in result["probes"].items():
        if "reason" not in probe:
            label = f"{column} by a probe, kept (Spearman)"
            panels[label] = {each: _spearman(probe[each]) for each in DIRECTIONS}
    across = min(4, len(panels))
    down = -(-len(panels) // across)
    figure = Figure(figsize=(3.6 * across, 2.6 * down + 0.7), dpi=DPI, layout="constrained")
    grid = figure.subplots(down, across, squeeze=False)
    labels = [each.translate(str.maketrans(names)).replace(" to ", "\nto ") for each in DIRECTIONS]
    for axes, (label, by_direction) in zip(grid.flat, panels.items(), strict=False):
        _bars(axes, by_direction, labels, label)
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    handles, texts = grid.flat[0].get_legend_handles_labels()
    chance = grid.flat[-1 if len(panels) == grid.size else len(panels) - 1].get_legend_handles_labels()
    extra = {text: handle for handle, text in zip(*chance, strict=True) if text not in texts}
    figure.legend(
        [*handles, *extra.values()], [*texts, *extra], loc="outside lower center", ncols=6, frameon=False, fontsize=8
    )
    figure.suptitle(title, fontsize=10)
    return figure


def _spearman(correlations: Mapping[str, Any]) -> dict[str, float]:
    return {way: value["spearman"] for way, value in correlations.items() if isinstance(value, Mapping)}


def _bars(axes: Axes, by_direction: Mapping[str, Mapping[str, float]], labels: list[str], title: str) -> None:
    """Bars of each direction, one per way, with their values; ``chance``, if given, as a line."""
    places = np.arange(len(by_direction))
    pitch = 0.85 / len(COLOURS)
    for number, (way, colour) in enumerate(COLOURS.items()):
        values = [each[way] for each in by_direction.values()]
        middle = places + pitch * (number - (len(COLOURS) - 1) / 2)
        bars = axes.bar(middle, values, 0.92 * pitch, color=colour, label=LABELS[way])
        axes.bar_label(bars, fmt="%.2f", fontsize=5.5, padding=1)
    for place, each in zip(places, by_direction.values(), strict=True):
        if "chance" in each:
            label = "chance" if place == 0 else None
            axes.hlines(each["chance"], place - 0.42, place + 0.42, color="k", lw=1, ls="--", label=label)
    lowest = min(0.0, *(value for each in by_direction.values() for value in each.values()))
    axes.set(ylim=(1.15 * lowest, 1.12), title=title)
    axes.title.set_fontsize(8)
    axes.set_xticks(places, labels=labels, fontsize=7)
    axes.tick_params(axis="y", labelsize=7)
    axes.axhline(0, color="0.3", lw=0.6)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def use_figure(results: Mapping[str, Mapping[str, Any]], title: str) -> Figure:
    """What the posterior of beta says, a bar per dimension, sorted: a column of panels per set of groups.

    Args:
        results: of ``latent_use`` by name of the groups.
        title: of the whole.
    """
    figure = Figure(figsize=(3.6 * len(results) + 0.6, 5.2), dpi=DPI, layout="constrained")
    grid = figure.subplots(2, len(results), squeeze=False, sharex=True, sharey="row")
    rows = {  # of the panels: the number of each dimension, and what it must exceed
        "between_over_posterior": ("s.d. between groups / posterior s.d.", 1.0),
        "variance_of_mean": ("variance of the mean", ACTIVE_VARIANCE),
    }
    for (key, (label, least)), panels in zip(rows.items(), grid, strict=True):
        for axes, result in zip(panels, results.values(), strict=True):
            values, untrained = (np.sort(use[key])[::-1] for use in (result["beta"], result["untrained"]))
            ranks = np.arange(1, len(values) + 1)
            axes.bar(ranks, np.maximum(values, 1e-6), color=np.where(values > least, "C0", "0.75"))
            axes.step(ranks, np.maximum(untrained, 1e-6), where="mid", color="k", lw=1, label="untrained")
            axes.axhline(least, color="0.3", lw=0.8, ls="--")
            axes.set_yscale("log")
            axes.tick_params(labelsize=7)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        panels[0].set_ylabel(label, fontsize=8)
    for axes, (name, result) in zip(grid[0], results.items(), strict=True):
        use, swap = result["beta"], result["swap_beta"]
        axes.set_title(
            f"{name}, B = {result['group_size']}\nKL_beta {use['kl']['mean']:.1f} nats per group, "
            f"{use['active_units']} of {use['dimensions']} units active\n"
            f"swap of beta: {swap['pixels']:.3f} per pixel, {swap['log_likelihood_loss']:.1f} nats per image",
            fontsize=8,
        )
    grid[0, 0].legend(frameon=False, fontsize=7)
    for axes in grid[1]:
        axes.set_xlabel("dimension of beta, sorted", fontsize=8)
    figure.suptitle(title, fontsize=10)
    return figure


def bound_figure(ladder: Mapping[str, Any], title: str) -> Figure:
    """The importance-weighted bound over T, a line per S, beside the ELBO; bars are the standard error of the gain."""
    figure = Figure(figsize=(4.6, 3.3), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    for number, draws in enumerate(sorted({each["S"] for each in ladder["bounds"]})):
        rungs = [each for each in ladder["bounds"] if each["S"] == draws]
        axes.errorbar(
            [each["T"] for each in rungs],
            [each["gain"]["mean"] for each in rungs],
            [each["gain"]["error"] for each in rungs],
            marker="o",
            ms=4 if number else 7,
            mfc=f"C{number}" if number else "none",
            lw=1,
            capsize=2,
            color=f"C{number}",
            label=f"S = {draws} draws of beta",
        )
    axes.axhline(0, color="k", lw=1, ls="--", label=f"ELBO, {ladder['elbo']['mean']:.2f} nats per image")
    axes.set(xscale="log", xlabel="T, draws of z per image", ylabel="bound − ELBO, nats per image")
    ticks = sorted({each["T"] for each in ladder["bounds"]})
    axes.set_xticks(ticks, labels=[str(each) for each in ticks], minor=False)
    axes.set_xticks([], minor=True)
    axes.tick_params(labelsize=8)
    axes.legend(frameon=False, fontsize=8)
    axes.set_title(title, fontsize=9)
    return figure


def factors_figure(results: Mapping[str, Mapping[str, Mapping[str, float]]], title: str) -> Figure:
    """Shares of variance: a panel per set of betas, a bar per property, cut in three."""
    names = list(next(iter(results.values())))
    figure = Figure(figsize=(3.1 * len(results) + 0.6, 0.32 * len(names) + 1.3), dpi=DPI, layout="constrained")
    panels = figure.subplots(1, len(results), squeeze=False, sharey=True).flat
    for axes, (label, shares) in zip(panels, results.items(), strict=True):
        left = np.zeros(len(names))
        for part, colour in zip(PARTS, ("C0", "0.75", "0.9"), strict=True):
            widths = np.array([shares[name][part] for name in names])
            axes.barh(np.arange(len(names)), widths, 0.7, left, color=colour, label=part)
            left += widths
        axes.set(xlim=(0, 1), xlabel="share of variance")
        axes.set_title(label, fontsize=9)
        axes.set_yticks(np.arange(len(names)), labels=names, fontsize=8)
        axes.tick_params(axis="x", labelsize=7)
        axes.xaxis.label.set_size(8)
    axes.invert_yaxis()
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False, fontsize=8)
    figure.suptitle(title, fontsize=10)
    return figure
