"""Charts of measures: accuracies, translation, use of beta, bound, shares of variance."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ugvae.evaluation.bounds import BoundLadder
from ugvae.evaluation.classification import KERNELS, Classification
from ugvae.evaluation.content import Correlation
from ugvae.evaluation.controls import UNTRAINED
from ugvae.evaluation.factors import PARTS, Decided
from ugvae.evaluation.group_probes import BETA_MEAN, GroupProbe
from ugvae.evaluation.latent_use import ACTIVE_VARIANCE, LatentUse
from ugvae.evaluation.translation import Translation
from ugvae.evaluation.ways import CONTROL, LABELS, PLAIN
from ugvae.plots.figure import DPI, colours, plain

Paper = Mapping[str, Mapping[str, float]]  # the paper's test accuracies by task and kernel


def _figure(width: float, height: float, title: str = "") -> Figure:
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    if title:
        figure.suptitle(title, fontsize=10)
    return figure


def _panels(figure: Figure, count: int, across: int, **settings: Any) -> list[Axes]:
    """The first ``count`` axes of a grid; the others are switched off."""
    grid = figure.subplots(-(-count // across), across, squeeze=False, **settings).flat
    for axes in grid[count:]:
        axes.set_axis_off()
    return list(grid[:count])


def _shared_legend(figure: Figure, panels: Sequence[Axes], columns: int = 6) -> None:
    """One legend below the panels, with everything that any of them names."""
    entries = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    columns = min(columns, len(entries))
    place = {"loc": "outside lower center", "ncols": columns, "frameon": False, "fontsize": 8}
    figure.legend(entries.values(), entries.keys(), **place)


def accuracy_figure(results: Mapping[str, Classification], paper: Mapping[str, Paper], title: str) -> Figure:
    """Accuracies of every comparison: a row of panels each, a panel per task, a bar per feature and kernel.

    Args:
        results: by name of the comparison.
        paper: what the paper prints for some of them.
        title: of the whole.
    """
    tasks = [(name, task) for name, result in results.items() for task in result.accuracy]
    across = max(len(result.accuracy) for result in results.values())
    bars = max(len(result.accuracy[task]) for result in results.values() for task in result.accuracy)
    height = -(-len(tasks) // across) * (0.27 * bars + 1.1) + 0.6
    figure = _figure(5 * across + 1.5, height, plain(title))
    panels = _panels(figure, len(tasks), across, sharex=True)
    for axes, (name, task) in zip(panels, tasks, strict=True):
        result = results[name]
        accuracies = result.accuracy[task]
        rows = np.arange(len(accuracies))
        for offset, (kernel, colour) in enumerate(zip(KERNELS, ("C0", "C1"), strict=True)):
            values = [kernels[kernel] for kernels in accuracies.values()]
            means, errors = [value.mean for value in values], [value.sd or 0.0 for value in values]
            axes.barh(rows + 0.38 * (offset - 0.5), means, 0.36, xerr=errors, color=colour, label=f"{kernel} SVM")
            if task in paper.get(name, {}):
                label = f"paper, {kernel}"
                axes.axvline(paper[name][task][kernel], color=colour, lw=1, ls=":", label=label)
        axes.axvline(result.chance[task], color="0.4", lw=1, ls="--", label="chance")
        axes.set(xlim=(0, 1.02), title=plain(f"{name}{' / random' if task != 'kinds' else ''}"))
        axes.title.set_fontsize(9)
        axes.set_yticks(rows, labels=list(accuracies), fontsize=7)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.tick_params(axis="x", labelsize=7)
    _shared_legend(figure, panels)
    return figure


def probes_figure(probes: Mapping[str, GroupProbe], by: str) -> Figure:
    """Numbers of held-out groups against what a probe reads from beta, a panel per column.

    Args:
        probes: of columns of numbers, by column.
        by: what a group is.
    """
    across = min(len(probes), 4)
    figure = _figure(3.0 * across + 0.4, 3.1 * -(-len(probes) // across))
    for axes, (name, probe) in zip(_panels(figure, len(probes), across), probes.items(), strict=True):
        axes.axline((probe.true[0], probe.true[0]), slope=1, color="0.7", lw=1)
        axes.plot(probe.true, probe.read, "o", ms=4)
        title = f"{plain(name)}, R² {probe.scores[BETA_MEAN]:.2f}".replace("-", "−")
        axes.set(title=title, xlabel=f"{plain(name)} of the {plain(by)}", ylabel="read from its beta")
        axes.title.set_fontsize(9)
    return figure


def shares_figure(shares: np.ndarray, names: Sequence[str], title: str) -> Figure:
    """Shares ``(K, V)`` of the images of V kinds by component: V bars per component.

    Args:
        shares: in [0, 1], by component and kind.
        names: of the kinds.
        title: of the figure.
    """
    figure = _figure(max(3.5, 0.32 * shares.size + 1.5), 2.8)
    axes = figure.subplots()
    width = 0.8 / len(names)
    for number, (name, colour) in enumerate(zip(names, colours(len(names)), strict=True)):
        places = np.arange(len(shares)) + (number - (len(names) - 1) / 2) * width
        axes.bar(places, shares[:, number], width, color=colour, label=plain(name))
    axes.set(xlabel="component", ylabel="share of the kind's images", ylim=(0, 1), xticks=range(len(shares)))
    axes.set_title(title, fontsize=10)
    axes.legend(frameon=False, fontsize=8)
    return figure


READINGS = {"azimuth": "mirror axis (azimuth)", "light": "brighter side (light)", "darkness": "darkness"}
COLOURS = {  # of every way; a control is a lighter shade of its way
    PLAIN: "0.6",
    "fixed": "C0",
    "transported": "C1",
    CONTROL["transported"]: "#ffcc99",
    "matched": "C2",
    CONTROL["matched"]: "#a6dba6",
}


def translation_figure(result: Translation, title: str) -> Figure:
    """A panel per question, a group of bars per direction, a bar per way, chance as a line."""
    rates, survives = result.rates, result.survives
    panels = {"judged to be of the other domain": {name: rate.domain for name, rate in rates.items()}}
    if "content" in result.judges:
        panels[f"{result.content.column} kept (judge)"] = {name: rate.content for name, rate in rates.items()}
    panels["source found in its group"] = {name: survey.retrieval for name, survey in survives.items()}
    for reading, label in READINGS.items():
        panels[f"{label}, kept (Spearman)"] = {
            name: _spearman(survey.readings[reading]) for name, survey in survives.items()
        }
    for column, probe in result.probes.items():
        if probe.directions:
            kept = {name: _spearman(direction.kept) for name, direction in probe.directions.items()}
            panels[f"{column} by a probe, kept (Spearman)"] = kept
    across = min(4, len(panels))
    figure = _figure(3.6 * across, 2.6 * -(-len(panels) // across) + 0.7, plain(title))
    grid = _panels(figure, len(panels), across)
    for axes, (label, by_direction) in zip(grid, panels.items(), strict=True):
        labels = [plain(result.domains.named(name)).replace(" to ", "\nto ") for name in by_direction]
        _bars(axes, by_direction, labels, plain(label))
    _shared_legend(figure, grid)
    return figure


def _spearman(correlations: Mapping[str, Correlation]) -> dict[str, float]:
    return {way: value.spearman for way, value in correlations.items()}


def _bars(axes: Axes, by_direction: Mapping[str, Mapping[str, float]], labels: list[str], title: str) -> None:
    """Bars of each direction, one per way, with their values; ``chance``, if given, as a line."""
    places = np.arange(len(by_direction))
    ways = [way for way in COLOURS if all(way in by_way for by_way in by_direction.values())]
    pitch = 0.85 / len(ways)
    for number, way in enumerate(ways):
        values = [by_way[way] for by_way in by_direction.values()]
        middle = places + pitch * (number - (len(ways) - 1) / 2)
        bars = axes.bar(middle, values, 0.92 * pitch, color=COLOURS[way], label=LABELS[way])
        axes.bar_label(bars, fmt="%.2f", fontsize=5.5, padding=1)
    for place, by_way in zip(places, by_direction.values(), strict=True):
        if "chance" in by_way:
            label = "chance" if place == 0 else None
            axes.hlines(by_way["chance"], place - 0.42, place + 0.42, color="k", lw=1, ls="--", label=label)
    lowest = min(0.0, *(value for by_way in by_direction.values() for value in by_way.values()))
    axes.set(ylim=(1.15 * lowest - (0.1 if lowest < 0 else 0.0), 1.12), title=title)
    axes.title.set_fontsize(8)
    axes.set_xticks(places, labels=labels, fontsize=7)
    axes.tick_params(axis="y", labelsize=7)
    axes.axhline(0, color="0.3", lw=0.6)
    axes.spines[["top", "right"]].set_visible(False)


def use_figure(results: Mapping[str, LatentUse], title: str) -> Figure:
    """What the posterior of beta tells of the groups, a bar per dimension, sorted: a column of panels per set.

    Args:
        results: by name of the set of groups, with the untrained network.
        title: of the whole.
    """
    figure = _figure(3.6 * len(results) + 0.6, 5.2, title)
    grid = figure.subplots(2, len(results), squeeze=False, sharex=True, sharey="row")
    rows = {  # the number of each dimension, its label, and what it must exceed
        "between_over_posterior": ("s.d. between groups / posterior s.d.", 1.0),
        "variance_of_mean": ("variance of the mean", ACTIVE_VARIANCE),
    }
    for (key, (label, least)), panels in zip(rows.items(), grid, strict=True):
        for axes, result in zip(panels, results.values(), strict=True):
            values, untrained = (np.sort(getattr(use, key))[::-1] for use in (result.beta, result.untrained))
            ranks = np.arange(1, len(values) + 1)
            axes.bar(ranks, np.maximum(values, 1e-6), color=np.where(values > least, "C0", "0.75"))
            axes.step(ranks, np.maximum(untrained, 1e-6), where="mid", color="k", lw=1, label="untrained")
            axes.axhline(least, color="0.3", lw=0.8, ls="--")
            axes.set_yscale("log")
            axes.tick_params(which="both", labelsize=7)  # a log scale may name its minor ticks too
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        panels[0].set_ylabel(label, fontsize=8)
    for axes, (name, result) in zip(grid[0], results.items(), strict=True):
        beta, swap = result.beta, result.swap_beta
        axes.set_title(
            f"{plain(name)}, B = {result.group_size}\n"
            f"KL_beta {beta.kl.mean:.1f} = {beta.information}\n{beta.active_units} of {beta.dimensions} units active\n"
            f"swap of beta: {swap.pixels:.3f} per pixel, {swap.log_likelihood_loss:.1f} nats per image",
            fontsize=8,
        )
    grid[0, 0].legend(frameon=False, fontsize=7)
    for axes in grid[1]:
        axes.set_xlabel("dimension of beta, sorted", fontsize=8)
    return figure


def bound_figure(ladder: BoundLadder, title: str) -> Figure:
    """The importance-weighted bound over T, a line per S, beside the ELBO; bars are the standard error of the gain."""
    figure = _figure(4.6, 3.3)
    axes = figure.subplots()
    for number, draws in enumerate(sorted({rung.S for rung in ladder.bounds})):
        rungs = [rung for rung in ladder.bounds if draws == rung.S]
        axes.errorbar(
            [rung.T for rung in rungs],
            [rung.gain.mean for rung in rungs],
            [rung.gain.error for rung in rungs],
            marker="o",
            ms=4 if number else 7,
            mfc=f"C{number}" if number else "none",
            lw=1,
            capsize=2,
            color=f"C{number}",
            label=f"S = {draws} draws of beta",
        )
    axes.axhline(0, color="k", lw=1, ls="--", label=f"ELBO, {ladder.elbo.mean:.2f} nats per image")
    axes.set(xscale="log", xlabel="T, draws of z per image", ylabel="bound − ELBO, nats per image")
    ticks = sorted({rung.T for rung in ladder.bounds})
    axes.set_xticks(ticks, labels=[str(draws) for draws in ticks], minor=False)
    axes.set_xticks([], minor=True)
    axes.tick_params(labelsize=8)
    axes.legend(frameon=False, fontsize=8)
    axes.set_title(title, fontsize=9)
    return figure


def factors_figure(results: Mapping[str, Decided], title: str) -> Figure:
    """Shares of variance: a panel per set of betas, a bar per property, cut in three; trained above, untrained below.

    A bar is labelled with the s.d. that it is a share of; there is none where that is hardly above 0.
    """
    names = list(next(iter(results.values())).shares)
    rows = [{name: r for name, r in results.items() if name.startswith(UNTRAINED) == below} for below in (False, True)]
    across = max(map(len, rows))
    figure = _figure(3.3 * across + 0.6, 2 * (0.3 * len(names) + 0.8) + 0.7, title)
    grid = figure.subplots(2, across, squeeze=False, sharey=True, sharex=True)
    for panels, sets in zip(grid, rows, strict=True):
        for axes, (label, result) in zip(panels, sets.items(), strict=True):
            left = np.zeros(len(names))
            for part, colour in zip(PARTS, ("C0", "0.75", "0.9"), strict=True):
                widths = np.array([getattr(result.shares[name], part) or 0.0 for name in names])
                axes.barh(np.arange(len(names)), widths, 0.7, left, color=colour, label=part)
                left += widths
            for place, name in enumerate(names):
                axes.text(0.99, place, f"s.d. {result.shares[name].sd:.3f}", ha="right", va="center", fontsize=6)
            axes.set(xlim=(0, 1))
            axes.set_title(plain(label), fontsize=8)
            axes.set_yticks(np.arange(len(names)), labels=[plain(name) for name in names], fontsize=8)
            axes.tick_params(axis="x", labelsize=7)
    for axes in grid[1]:
        axes.set_xlabel("share of variance", fontsize=8)
    grid[0, 0].invert_yaxis()
    _shared_legend(figure, list(grid.flat))
    return figure
