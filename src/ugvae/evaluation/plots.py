"""Every picture the project draws, as matplotlib figures made without pyplot's global state.

Axes: R rows, S columns, C channels, H and W pixels.
"""

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

DPI = 150


def mosaic(images: Tensor, gap: int = 1) -> np.ndarray:
    """Images ``(R, S, C, H, W)`` in [0, 1] as one picture ``(height, width, 3)``, white gaps between them."""
    rows, columns, _, height, width = images.shape
    canvas = np.ones((rows * (height + gap) - gap, columns * (width + gap) - gap, 3), dtype=np.float32)
    pixels = images.permute(0, 1, 3, 4, 2).float().cpu().numpy()
    for row in range(rows):
        for column in range(columns):
            top, left = row * (height + gap), column * (width + gap)
            canvas[top : top + height, left : left + width] = pixels[row, column]
    return canvas


def draw_grid(
    axes: Axes,
    images: Tensor,
    title: str = "",
    row_labels: Sequence[str] = (),
    column_labels: Sequence[str] = (),
) -> None:
    """Draws a mosaic of ``(R, S, C, H, W)`` with a label per row and per column."""
    axes.imshow(mosaic(images), interpolation="nearest", vmin=0, vmax=1)
    axes.set_title(title, fontsize=9)
    rows, columns, _, height, width = images.shape
    axes.set_yticks([i * (height + 1) + height / 2 for i in range(rows)] if row_labels else [], labels=row_labels)
    axes.set_xticks(
        [i * (width + 1) + width / 2 for i in range(columns)] if column_labels else [], labels=column_labels
    )
    axes.tick_params(length=0, labelsize=7)
    for side in axes.spines.values():
        side.set_visible(False)


def grid_figure(
    images: Tensor, title: str, row_labels: Sequence[str] = (), column_labels: Sequence[str] = (), inch: float = 0.55
) -> Figure:
    """One mosaic ``(R, S, C, H, W)`` with a title; ``inch`` per image."""
    rows, columns = images.shape[:2]
    labels = 0.072 * max(map(len, row_labels), default=0)  # inches, so that little but the mosaic is left
    size = (columns * inch + labels + 0.2, rows * inch + (0.7 if len(column_labels) else 0.45))
    figure = Figure(figsize=size, dpi=DPI, layout="constrained")
    axes = figure.subplots()
    draw_grid(axes, images, "", row_labels, column_labels)
    figure.suptitle(title, fontsize=9)
    axes.set_anchor("E")  # what room is left belongs to the labels
    return figure


def panels_figure(
    panels: Sequence[Tensor],
    titles: Sequence[str],
    row_labels: Sequence[str],
    column_labels: Sequence[str],
    row_title: str,
    column_title: str,
    title: str = "",
    across: int = 5,
    inch: float = 0.36,
) -> Figure:
    """Several mosaics of one shape, whose rows and columns mean the same.

    Args:
        panels: each ``(R, S, C, H, W)``.
        titles: of the panels.
        row_labels: R of them, or none.
        column_labels: S of them, or none.
        row_title: what the rows move.
        column_title: what the columns move.
        title: of the whole.
        across: panels beside each other, at most.
        inch: per image.
    """
    across = min(across, len(panels))
    down = -(-len(panels) // across)
    rows, columns = panels[0].shape[:2]
    size = (across * (columns * inch + 0.35) + 0.4, down * (rows * inch + 0.4) + 0.5)
    figure = Figure(figsize=size, dpi=DPI, layout="constrained")
    grid = figure.subplots(down, across, squeeze=False).flat
    letters = int(columns * inch * 14)  # of a line in the titles of panels
    for axes, panel, name in zip(grid, panels, titles, strict=False):
        draw_grid(axes, panel, textwrap.fill(name, letters), row_labels, column_labels)
    for axes in grid[len(panels) :]:
        axes.set_axis_off()
    figure.supxlabel(column_title, fontsize=9)
    figure.supylabel(row_title, fontsize=9)
    if title:
        figure.suptitle(textwrap.fill(title, int(size[0] * 12)), fontsize=10)
    return figure


def signed(values: Tensor) -> list[str]:
    """Axis labels such as −1, −0.67, 0, +1."""
    return [f"{value:+.2g}".replace("-", "−") if abs(value) > 1e-6 else "0" for value in values.tolist()]


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


def colours(count: int) -> np.ndarray:
    """``count`` colours that can be told apart, ``(count, 4)``."""
    return colormaps["tab10"](np.arange(count)) if count <= 10 else colormaps["turbo"](np.linspace(0.03, 0.97, count))


CURVES = {  # logged term: its name and unit
    "elbo": "ELBO, nats per image",
    "reconstruction": "log p(x | z, beta), nats per image",
    "kl_z": "KL_z, nats per image",
    "kl_d": "KL_d, nats per image",
    "kl_w": "KL_w, nats per image",
    "kl_beta": "KL_beta, nats per group",
    "inner_reconstruction": "log p(z of the partner | c), nats per image",
    "inner_kl": "KL of c, nats per image",
}


def curves_figure(metrics: dict[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """Curves of the ELBO and its terms.

    Args:
        metrics: (steps, values) of each logged name, such as ``train/elbo``.
    """
    panels = {term: label for term, label in CURVES.items() if f"train/{term}" in metrics}
    figure = Figure(figsize=(3.1 * len(panels), 2.9), dpi=DPI, layout="constrained")
    for axes, (term, label) in zip(figure.subplots(1, len(panels), squeeze=False).flat, panels.items(), strict=True):
        for stage, style in {"train": {"color": "C0", "lw": 1}, "val": {"color": "C1", "marker": ".", "lw": 1}}.items():
            if f"{stage}/{term}" in metrics:
                axes.plot(*metrics[f"{stage}/{term}"], label=stage, **style)
        axes.set_ylim(*curve_limits([metrics[n][1] for n in (f"train/{term}", f"val/{term}") if n in metrics]))
        axes.set_title(label, fontsize=9)
        axes.set_xlabel("optimiser step", fontsize=8)
        axes.tick_params(labelsize=7)
        axes.grid(alpha=0.25)
    figure.axes[0].legend(frameon=False, fontsize=8)
    return figure


def curve_limits(series: list[np.ndarray]) -> tuple[float, float]:
    """Limits that show everything but the first fifth of each series, which is orders of magnitude away."""
    shown = np.concatenate([values[len(values) // 5 :] for values in series])
    margin = 0.08 * (shown.max() - shown.min()) + 1e-3
    return shown.min() - margin, shown.max() + margin
