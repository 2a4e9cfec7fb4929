"""Grids of images with titles and labels.

Axes: R rows, S columns, C channels, H and W pixels.
"""

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ugvae.evaluation.aggregate import LEVELS
from ugvae.evaluation.interpolation import Grid
from ugvae.evaluation.ways import LABELS
from ugvae.plots.figure import DPI, plain, text_width

LABEL = 7  # points


def mosaic(images: Tensor, gap: int = 1) -> np.ndarray:
    """Images ``(R, S, C, H, W)`` in [0, 1] as one picture ``(height, width, 3)``, white gaps between them.

    Of more than three channels the first three are shown, of two the first.
    """
    rows, columns, channels, height, width = images.shape
    images = images[:, :, : 1 if channels == 2 else 3]
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
    axes.set_title(plain(title), fontsize=9)
    height, width = images.shape[3] + 1, images.shape[4] + 1
    axes.set_yticks(
        [(row + 0.5) * height - 0.5 for row in range(len(row_labels))], labels=[plain(label) for label in row_labels]
    )
    axes.set_xticks([(column + 0.5) * width - 0.5 for column in range(len(column_labels))], labels=column_labels)
    axes.tick_params(length=0, labelsize=LABEL)
    axes.spines[:].set_visible(False)


def grid_figure(
    images: Tensor, title: str, row_labels: Sequence[str] = (), column_labels: Sequence[str] = (), inch: float = 0.55
) -> Figure:
    """One mosaic ``(R, S, C, H, W)`` with a title; ``inch`` per image."""
    rows, columns = images.shape[:2]
    labels = 0.3 + max(text_width(label, LABEL) for label in row_labels) if len(row_labels) else 0.0  # inches
    size = (columns * inch + labels + 0.2, rows * inch + (0.55 if len(column_labels) else 0.45))
    figure = Figure(figsize=size, dpi=DPI, layout="constrained")
    axes = figure.subplots()
    draw_grid(axes, images, "", row_labels, column_labels)
    figure.suptitle(plain(title), fontsize=9)
    axes.set_anchor("E")  # the labels are on the left
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
    """Several mosaics of one shape with the same meaning of rows and columns.

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
    letters = int(columns * inch * 14)  # in a line of the title of a panel
    for axes, panel, name in zip(grid, panels, titles, strict=False):
        draw_grid(axes, panel, textwrap.fill(name, letters), row_labels, column_labels)
    for axes in grid[len(panels) :]:
        axes.set_axis_off()
    figure.supxlabel(column_title, fontsize=9)
    figure.supylabel(row_title, fontsize=9)
    if title:
        figure.suptitle(plain(textwrap.fill(title, int(size[0] * 12), break_on_hyphens=False)), fontsize=10)
    return figure


def signed(values: Tensor) -> list[str]:
    """Axis labels such as −1, −0.67, 0, +1."""
    return [f"{value:+.2g}".replace("-", "−") if abs(value) > 1e-6 else "0" for value in values.tolist()]


PANELS_PER_PAGE, PANELS_ACROSS = 10, 2  # more beside each other cannot be read on a phone
ROWS_PER_PAGE = 20


def component_walk_figures(
    walks: Tensor, rows: Tensor | None, columns: Tensor, condition: str | None = "beta", notes: Sequence[str] = ()
) -> list[Figure]:
    """The walks of all components (Fig. 3, 8), a panel each, at most 10 to a page; or a row each, 20 to a page.

    Args:
        walks: ``(K, R, S, C, H, W)``.
        rows: values of beta, or of w, which drives the mixture of GMVAE, ``(R,)``; None if the rows go along the first
            axis of the betas of held-out groups.
        columns: offsets of z, ``(S,)``.
        condition: name of what the rows move; None if nothing drives the mixture: R is 1, and columns are in s.d.
        notes: words beside the number of each component.
    """
    titles = [f"component {k}" + (f": {notes[k]}" if notes else "") for k in range(len(walks))]
    if condition is None:
        title = "a component per row; columns: (z − m) / s, every dimension"
        return [
            grid_figure(walks[page, 0], title, titles[page], signed(columns))
            for page in (slice(start, start + ROWS_PER_PAGE) for start in range(0, len(walks), ROWS_PER_PAGE))
        ]
    row_labels = quantiles(walks.shape[1]) if rows is None else signed(rows)
    row_title = f"{condition}, {'quantiles of its first axis' if rows is None else 'every dimension'}"
    return [
        panels_figure(
            walks[start : start + PANELS_PER_PAGE],
            titles[start : start + PANELS_PER_PAGE],
            row_labels,
            signed(columns),
            row_title,
            f"z − $m_k$({condition}), every dimension",
            across=PANELS_ACROSS,
        )
        for start in range(0, len(walks), PANELS_PER_PAGE)
    ]


def quantiles(steps: int) -> list[str]:
    """Labels of the rows of a walk along an axis of the betas of groups: 5 %, 20 %, …, 95 %."""
    return [f"{level:.0%}" for level in torch.linspace(*LEVELS, steps).tolist()]


def axes_figure(walks: Tensor, shares: Tensor) -> Figure:
    """A panel per principal axis of the betas of groups: beta moves down the rows, each column is a local draw.

    Args:
        walks: images ``(A, R, S, C, H, W)``.
        shares: of the variance of the means of beta between groups, ``(A,)``.
    """
    titles = [
        f"axis {axis}: {share:.0%} of the variance between groups" for axis, share in enumerate(shares.tolist(), 1)
    ]
    labels = quantiles(walks.shape[1])
    return panels_figure(
        list(walks), titles, labels, [], "beta, quantiles of the axis", "local draws: d and its place in p(z)"
    )


def global_walk_figure(images: Tensor, rows: Tensor, columns: Tensor) -> Figure:
    """The local/global grid (Fig. 4) of ``(R, S, C, H, W)``, with the values of beta ``(R,)`` and of z ``(S,)``."""
    titles = "beta, every dimension", "z, every dimension"
    return panels_figure([images], [""], signed(rows), signed(columns), *titles, inch=0.55)


def latent_walks_figure(images: Tensor, columns: Tensor) -> Figure:
    """A row per dimension of z (Fig. 9), ``(z_dim, S, C, H, W)``, with its values ``(S,)``."""
    labels = [f"z{i + 1}" for i in range(len(images))]
    titles = "dimensions of z", "value of the row's dimension, the others 0"
    return panels_figure([images], [""], labels, signed(columns), *titles, inch=0.55)


def samples_figure(images: Tensor, d: Tensor | None = None) -> Figure:
    """Samples ``(R, S, C, H, W)``, a group per row; with the component of each row ``(R,)``, where drawn (Fig. 10)."""
    if d is None:
        return grid_figure(images, "samples: one group per row")
    return grid_figure(images, "samples: one group and one component per row", [f"d = {k}" for k in d.tolist()])


def crossing_figure(grids: Mapping[str, Grid], names: tuple[str, str], title: str) -> Figure:
    """Grids between two images and their groups (Fig. 5, 6), side by side.

    Args:
        grids: by the way in which z is carried.
        names: of the two groups.
        title: of the whole.
    """
    first = next(iter(grids.values()))
    start, end = names
    row_labels, columns = (
        [f"{value:.2g}" for value in torch.linspace(0, 1, steps).tolist()] for steps in first.images.shape[:2]
    )
    row_title = f"beta: group of {start} (0) → {end} (1)"
    if first.beta is None:
        row_title, row_labels = "a pair of images per row", [str(row + 1) for row in range(len(row_labels))]
    return panels_figure(
        [grid.images for grid in grids.values()],
        [LABELS[way] if len(grids) > 1 else "" for way in grids],
        row_labels,
        columns,
        plain(row_title),
        plain(f"z: image of {start} (0) → {end} (1)"),
        title,
        inch=0.55,
    )
