"""Every picture the project draws, as matplotlib figures made without pyplot's global state.

Axes: R rows, S columns, C channels, H and W pixels.
"""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from sklearn.manifold import TSNE
from torch import Tensor

from ugvae.plots.figure import DPI, colours


def map_figure(
    points: np.ndarray,
    groups: np.ndarray,
    names: dict[int, str],
    title: str,
    paths: Mapping[str, np.ndarray] | None = None,
    of_random: str = "random",
) -> Figure:
    """A scatter of ``points (N, 2)`` coloured by ``groups (N,)``; a group of −1 is drawn as a small grey dot.

    Args:
        points: of all groups.
        groups: kind of each.
        names: of the kinds.
        title: of the figure.
        paths: points ``(R, 2)`` to be joined by a line, from a circle to a square, by name.
        of_random: name of the groups of −1.
    """
    figure = Figure(figsize=(6.4, 5), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    palette = colours(len(names))
    random = groups == -1
    if random.any():
        axes.scatter(*points[random].T, s=10, c="0.72", label=of_random, linewidths=0)
    for colour, (value, name) in zip(palette, names.items(), strict=True):
        axes.scatter(*points[groups == value].T, s=26, color=colour, label=name, edgecolors="white", linewidths=0.4)
    for style, (name, path) in zip(("-", "--", ":", "-."), (paths or {}).items(), strict=False):
        axes.plot(*path.T, style, color="black", lw=1, marker=".", ms=5, label=name)
        for marker, end in (("o", path[0]), ("s", path[-1])):
            axes.plot(*end, marker, ms=7, mfc="white", mec="black", mew=1.3)
    axes.set(title=title, xlabel="t-SNE 1", ylabel="t-SNE 2", xticks=[], yticks=[])
    axes.title.set_fontsize(10)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize=8)
    return figure


def tsne(points: Tensor, seed: int = 0) -> np.ndarray:
    """t-SNE (van der Maaten & Hinton 2008) of ``points (N, D)`` to ``(N, 2)``; perplexity 30, less for few points."""
    perplexity = min(30.0, max(1.0, (len(points) - 1) / 3))
    return TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(points.float().numpy())
