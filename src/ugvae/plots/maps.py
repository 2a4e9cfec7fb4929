"""Maps of latents: t-SNE and its picture. Axes: N points, D dimensions, R points of a path."""

from collections.abc import Mapping

import numpy as np
import torch
from matplotlib.figure import Figure
from sklearn.manifold import TSNE
from torch import Tensor

from ugvae.data.known_groups import RANDOM
from ugvae.plots.figure import DPI, colours, plain

LEGEND_ROWS = 25  # names in a column of the legend


def map_figure(
    points: np.ndarray,
    groups: np.ndarray,
    names: dict[int, str],
    title: str,
    paths: Mapping[str, np.ndarray] | None = None,
    random_name: str = "random",
) -> Figure:
    """A scatter of ``points (N, 2)`` coloured by ``groups (N,)``; a group of −1 is drawn as a small grey dot.

    Args:
        points: of all groups.
        groups: kind of each.
        names: of the kinds.
        title: of the figure.
        paths: points ``(R, 2)`` to be joined by a line, from a circle to a square, by name.
        random_name: name of the groups of −1.
    """
    columns = -(-len(names) // LEGEND_ROWS)
    figure = Figure(figsize=(5.2 + 1.2 * max(1, columns), 5), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    random = groups == RANDOM
    if random.any():
        axes.scatter(*points[random].T, s=10, c="0.72", label=random_name, linewidths=0)
    style = {"s": 26, "edgecolors": "white", "linewidths": 0.4}
    for colour, (value, name) in zip(colours(len(names)), names.items(), strict=True):
        axes.scatter(*points[groups == value].T, color=colour, label=plain(name), **style)
    for line, (name, path) in zip(("-", "--", ":", "-."), (paths or {}).items(), strict=False):
        axes.plot(*path.T, line, color="black", lw=1, marker=".", ms=5, label=plain(name))
        for marker, end in (("o", path[0]), ("s", path[-1])):
            axes.plot(*end, marker, ms=7, mfc="white", mec="black", mew=1.3)
    axes.set(title=plain(title), xlabel="t-SNE 1", ylabel="t-SNE 2", xticks=[], yticks=[])
    axes.title.set_fontsize(10)
    figure.legend(loc="outside right center", frameon=False, fontsize=8, ncols=max(1, columns))
    return figure


def tsne_figure(
    points: Tensor,
    groups: Tensor,
    names: dict[int, str],
    title: str,
    paths: Mapping[str, Tensor] | None = None,
    random_name: str = "random",
    seed: int = 0,
) -> Figure:
    """The t-SNE map of ``points (N, D)``, embedded together with ``paths``, each ``(R, D)``; else as ``map_figure``."""
    paths = paths or {}
    flat = tsne(torch.cat([points, *paths.values()]), seed)
    flat, *lines = np.split(flat, np.cumsum([len(points), *map(len, paths.values())])[:-1])
    return map_figure(flat, groups.numpy(), names, title, dict(zip(paths, lines, strict=True)), random_name)


def tsne(points: Tensor, seed: int = 0) -> np.ndarray:
    """t-SNE (van der Maaten & Hinton 2008) of ``points (N, D)`` to ``(N, 2)``; perplexity 30, less for few points.

    It starts from the first two principal components, or at random where they have no variance.
    """
    values = points.float().numpy()
    if values.shape[1] == 1:
        values = np.pad(values, ((0, 0), (0, 1)))  # the start needs two dimensions
    if len(values) < 2:
        return np.zeros((len(values), 2), dtype=np.float32)
    perplexity = min(30.0, max(1.0, (len(values) - 1) / 3))
    start = "pca" if np.ptp(values, 0).any() else "random"
    return TSNE(perplexity=perplexity, init=start, random_state=seed).fit_transform(values)
