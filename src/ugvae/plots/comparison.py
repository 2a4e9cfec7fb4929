"""Compared models: the bound against the time of training."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from ugvae.plots.figure import DPI, colours, plain

MARKERS = {"iid": "o", "grouped": "s", "labelled": "^"}


def bound_against_seconds(points: Mapping[str, Sequence[tuple[float, float]]], families: Mapping[str, str]) -> Figure:
    """A point per model: the mean bound over training seeds with the sample s.d., at the seconds of the fastest seed.

    All seeds do the same work, and other load on the machine only adds to it. The legend has the best bound first.

    Args:
        points: by model, for every training seed the seconds of training and the bound in nats per image.
        families: by model its family, which has a marker of its own.
    """
    figure = Figure(figsize=(7.6, 4.4), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    bounds = {name: [bound for _, bound in seeds] for name, seeds in points.items()}
    best_first = sorted(points, key=lambda name: -np.mean(bounds[name]))
    for name, colour in zip(best_first, colours(len(points)), strict=True):
        spread = np.std(bounds[name], ddof=1) if len(bounds[name]) > 1 else None
        fastest = min(seconds for seconds, _ in points[name])
        label = plain(f"{name}, {families[name]}")
        style = {"fmt": MARKERS[families[name]], "color": colour, "ms": 6, "elinewidth": 1, "capsize": 2}
        axes.errorbar(fastest, np.mean(bounds[name]), yerr=spread, label=label, **style)
    axes.set(xlabel="seconds of training, the fastest seed", ylabel="importance-weighted bound, nats per image")
    axes.grid(alpha=0.25)
    figure.legend(loc="outside right upper", frameon=False, fontsize=8)
    return figure
