"""Maps of latents: t-SNE and its picture. Axes: N points, D dimensions, R points of a path."""

from collections.abc import Mapping

import numpy as np
import torch
from matplotlib.figure import Figure
from sklearn.manifold import TSNE
from torch import Tensor

from ugvae.data.known_groups import RANDOM
from ugvae.plots.figure import DPI, colours, plain, text_width

LEGEND_ROWS = 25  # names in a column of the legend
MOST_NAMES = 3 * LEGEND_ROWS  # more cannot be told apart by colour, and run off the picture
LETTERS, NAME = 28, 8  # of a name: letters, points
RESOLUTION = 1e-6  # of float32: points that differ by less are equal


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
    listed = _listed(list(names))
    columns = -(-len(listed) // LEGEND_ROWS)
    name_width = max((text_width(_short(names[value]), NAME) for value in listed), default=0.0)
    width = 5.2 + max(1, columns) * max(1.2, 0.55 + name_width)
    figure = Figure(figsize=(width, 5), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    random = groups == RANDOM
    if random.any():
        axes.scatter(*points[random].T, s=10, c="0.72", label=random_name, linewidths=0)
    style = {"s": 26, "edgecolors": "white", "linewidths": 0.4}
    for colour, (value, name) in zip(colours(len(names)), names.items(), strict=True):
        label = plain(_short(name)) if value in listed else None
        axes.scatter(*points[groups == value].T, color=colour, label=label, **style)
    for line, (name, path) in zip(("-", "--", ":", "-."), (paths or {}).items(), strict=False):
        axes.plot(*path.T, line, color="black", lw=1, marker=".", ms=5, label=plain(name))
        for marker, end in (("o", path[0]), ("s", path[-1])):
            axes.plot(*end, marker, ms=7, mfc="white", mec="black", mew=1.3)
    axes.set(title=plain(title), xlabel="t-SNE 1", ylabel="t-SNE 2", xticks=[], yticks=[])
    axes.title.set_fontsize(10)
    note = f"{len(listed)} of {len(names)}, colours in this order" if len(listed) < len(names) else None
    place = {"loc": "outside right center", "frameon": False, "ncols": max(1, columns)}
    figure.legend(fontsize=NAME, title=note, title_fontsize=NAME, **place)
    return figure


def _listed(values: list[int]) -> list[int]:
    """The kinds that the legend names: all, or as many as it can hold, evenly from the first to the last."""
    if len(values) <= MOST_NAMES:
        return values
    return [values[place] for place in np.linspace(0, len(values) - 1, MOST_NAMES).round().astype(int)]


def _short(name: str) -> str:
    """A name that a legend has room for, its beginning and its end."""
    half = LETTERS // 2
    return name if len(name) <= LETTERS else f"{name[: half - 1]}…{name[-half:]}"


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

    Points that are all equal, such as betas of a collapsed posterior, lie on one spot.

    Raises:
        ValueError: a point is NaN or infinite.
    """
    values = points.double().numpy()
    if not np.isfinite(values).all():
        raise ValueError(f"{(~np.isfinite(values)).any(1).sum()} of {len(values)} points are not finite")
    middle = values.mean(0) if len(values) else values
    size, spread = np.abs(values).max(initial=0), np.abs(values - middle).max(initial=0)
    if spread <= RESOLUTION * size:  # the start divides by the spread, and the search of neighbours never ends
        return np.zeros((len(values), 2), dtype=np.float32)
    values = ((values - middle) / spread).astype(np.float32)  # squared distances neither over- nor underflow
    if values.shape[1] == 1:
        values = np.pad(values, ((0, 0), (0, 1)))  # the start needs two dimensions
    perplexity = min(30.0, max(1.0, (len(values) - 1) / 3))
    return TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(values)
