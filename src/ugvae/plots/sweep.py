"""What a search over settings has found: the metric against each setting."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from ugvae.plots.figure import DPI, plain

ACROSS = 4  # panels in a row
WIDE = 20  # largest over smallest value from which on an axis is logarithmic


def sweep_figure(trials: Sequence[tuple[Mapping[str, Any], float]], names: Sequence[str], metric: str) -> Figure:
    """A panel per setting, a point per trial; the best trial is marked in every panel.

    Args:
        trials: settings and value of each trial, the best first.
        names: of the settings.
        metric: name of the value.
    """
    across, down = min(ACROSS, len(names)), -(-len(names) // ACROSS)
    figure = Figure(figsize=(2.9 * across + 0.4, 2.7 * down), dpi=DPI, layout="constrained")
    panels = figure.subplots(down, across, squeeze=False, sharey=True)
    values = [value for _, value in trials]
    for name, axes in zip(names, panels.flat, strict=False):
        settings = [trial[name] for trial, _ in trials]
        numeric = all(isinstance(setting, int | float) and not isinstance(setting, bool) for setting in settings)
        if numeric:
            places = settings
            if min(settings) > 0 and max(settings) / min(settings) > WIDE:
                axes.set_xscale("log")
        else:
            words = sorted(set(map(str, settings)))
            places = [words.index(str(setting)) for setting in settings]
            axes.set_xticks(range(len(words)), labels=map(plain, words))
            axes.margins(x=0.2)
        axes.scatter(places, values, s=18, color="C0", alpha=0.8)
        axes.scatter(places[:1], values[:1], s=70, color="C1", marker="*", label="best", zorder=3)
        axes.set_xlabel(plain(name), fontsize=8)
        axes.tick_params(labelsize=7)
        axes.grid(alpha=0.25)
    for axes in panels.flat[len(names) :]:
        axes.set_axis_off()
    panels[0][0].set_ylabel(plain(metric), fontsize=8)
    panels[0][0].legend(frameon=False, fontsize=8)
    return figure
