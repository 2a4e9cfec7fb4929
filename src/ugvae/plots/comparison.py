"""Compared models: the bound against the time of training."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from ugvae.plots.figure import DPI, colours, plain

MARKERS = {"iid": "o", "grouped": "s", "labelled": "^"}


def bound_against_seconds(points: Mapping[str, Sequence[tuple[float, float]]], families: Mapping[str, str]) -> Figure:
    """A point per model, the mean over its training seeds, with their sample s.d. as error bars; the best bound first.

    Args:
        points: by model, for every training seed the seconds of training and the bound in nats per image.
        families: by model its family, which has a marker of its own.
    """
    figure = Figure(figsize=(7.6, 4.4), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    means = {name: np.mean(seeds, 0) for name, seeds in points.items()}
    best_first = sorted(points, key=lambda name: -means[name][1])
    for name, colour in zip(best_first, colours(len(points)), strict=True):
        spread = np.std(points[name], 0, ddof=1) if len(points[name]) > 1 else (None, None)
        label = plain(f"{name}, {families[name]}")
        style = {"fmt": MARKERS[families[name]], "color": colour, "ms": 6, "elinewidth": 1, "capsize": 2}
        axes.errorbar(*means[name], xerr=spread[0], yerr=spread[1], label=label, **style)
    axes.set(xlabel="seconds of training", ylabel="importance-weighted bound, nats per image")
    axes.grid(alpha=0.25)
    figure.legend(loc="outside right upper", frameon=False, fontsize=8)
    return figure
