"""Accuracy against the size of the groups."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from ugvae.evaluation.group_sizes import SizeResult
from ugvae.evaluation.verdict import best
from ugvae.plots.figure import DPI, colours, plain


def group_size_figure(results: Mapping[str, Sequence[SizeResult]], features: Sequence[str], title: str) -> Figure:
    """A row of panels per comparison, a panel per task, a line per feature; below each B the share of common images.

    Args:
        results: by name of the comparison, by ascending size.
        features: to show, by the better kernel.
        title: of the whole.
    """
    tasks = list(next(iter(results.values()))[0].classification.accuracy)
    figure = Figure(figsize=(5.2 * len(tasks), 3.1 * len(results) + 0.8), dpi=DPI, layout="constrained")
    figure.suptitle(plain(title), fontsize=10)
    panels = figure.subplots(len(results), len(tasks), squeeze=False)
    for (name, sizes), row in zip(results.items(), panels, strict=True):
        sizes_of_groups = [size.classification.group_size for size in sizes]
        for task, axes in zip(tasks, row, strict=True):
            for feature, colour in zip(features, colours(len(features)), strict=True):
                reached = [best(size.classification.accuracy[task], [feature]) for size in sizes]
                if all(reached):
                    means = [one.accuracy.mean for one in reached]
                    errors = [one.accuracy.sd or 0.0 for one in reached]
                    axes.errorbar(
                        sizes_of_groups, means, errors, color=colour, marker=".", capsize=2, lw=1.2, label=feature
                    )
            axes.axhline(sizes[0].classification.chance[task], color="0.4", lw=0.8, ls="--", label="chance")
            axes.set_xscale("log", base=2)
            axes.minorticks_off()
            labels = [f"{size.classification.group_size}\n{max(size.shared.values()):.0%}" for size in sizes]
            axes.set_xticks(sizes_of_groups, labels=labels)
            axes.set(ylim=(0, 1.02), xlabel="images per group; share that two groups of the rarest kind have in common")
            axes.set_title(plain(f"{name}{' / random' if task != 'kinds' else ''}"), fontsize=9)
            axes.tick_params(labelsize=7)
            axes.xaxis.label.set_size(8)
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    return figure
