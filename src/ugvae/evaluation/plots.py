"""Every picture the project draws, as matplotlib figures made without pyplot's global state.

Axes: R rows, S columns, C channels, H and W pixels.
"""

from collections.abc import Sequence

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
    figure = Figure(figsize=(columns * inch + 1.1, rows * inch + 0.7), dpi=DPI, layout="constrained")
    draw_grid(figure.subplots(), images, title, row_labels, column_labels)
    return figure


def walks_figure(walks: Tensor, rows: Tensor, columns: Tensor, first: int = 0, condition: str = "beta") -> Figure:
    """The walks of several components, one panel each.

    Args:
        walks: ``(K, R, S, C, H, W)``.
        rows: values of beta (or of what else drives the mixture), ``(R,)``.
        columns: offsets of z ``(S,)``.
        first: number of the first component shown.
        condition: name of what the rows move.
    """
    across = min(5, len(walks))
    down = -(-len(walks) // across)
    figure = Figure(figsize=(2.7 * across + 0.4, 2.75 * down + 0.5), dpi=DPI, layout="constrained")
    panels = figure.subplots(down, across, squeeze=False)
    row_labels, column_labels = signed(rows), signed(columns)
    for k, axes in enumerate(panels.flat):
        if k < len(walks):
            draw_grid(axes, walks[k], f"component {first + k}", row_labels, column_labels)
        else:
            axes.set_axis_off()
    figure.supxlabel(f"z − m_k({condition}), every dimension", fontsize=9)
    figure.supylabel(f"{condition}, every dimension", fontsize=9)
    return figure


def signed(values: Tensor) -> list[str]:
    """Axis labels such as −1, −0.67, 0, +1."""
    return [f"{value:+.2g}".replace("-", "−") if abs(value) > 1e-6 else "0" for value in values.tolist()]


def map_figure(points: np.ndarray, groups: np.ndarray, names: dict[int, str], title: str) -> Figure:
    """A scatter of ``points (N, 2)`` coloured by ``groups (N,)``; a group of −1 is drawn as a small grey dot."""
    figure = Figure(figsize=(6.4, 5), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    palette = colours(len(names))
    random = groups == -1
    if random.any():
        axes.scatter(*points[random].T, s=10, c="0.72", label="random", linewidths=0)
    for colour, (value, name) in zip(palette, names.items(), strict=True):
        axes.scatter(*points[groups == value].T, s=26, color=colour, label=name, edgecolors="white", linewidths=0.4)
    axes.set(title=title, xlabel="t-SNE 1", ylabel="t-SNE 2", xticks=[], yticks=[])
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize=8)
    return figure


def colours(count: int) -> np.ndarray:
    """``count`` colours that can be told apart, ``(count, 4)``."""
    return colormaps["tab10"](np.arange(count)) if count <= 10 else colormaps["turbo"](np.linspace(0.03, 0.97, count))


def curves_figure(metrics: dict[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """Curves of the ELBO and its terms.

    Args:
        metrics: (steps, values) of each logged name, such as ``train/elbo``.
    """
    panels = {
        "elbo": "ELBO, nats per image",
        "reconstruction": "log p(x | z, beta), nats per image",
        "kl_z": "KL_z, nats per image",
        "kl_d": "KL_d, nats per image",
        "kl_w": "KL_w, nats per image",
        "kl_beta": "KL_beta, nats per group",
        "inner_reconstruction": "log p(z of the partner | c), nats per image",
        "inner_kl": "KL of c, nats per image",
    }
    panels = {term: label for term, label in panels.items() if f"train/{term}" in metrics}
    figure = Figure(figsize=(3.1 * len(panels), 2.9), dpi=DPI, layout="constrained")
    for axes, (term, label) in zip(figure.subplots(1, len(panels), squeeze=False).flat, panels.items(), strict=True):
        for stage, style in {"train": {"color": "C0", "lw": 1}, "val": {"color": "C1", "marker": ".", "lw": 1}}.items():
            if f"{stage}/{term}" in metrics:
                axes.plot(*metrics[f"{stage}/{term}"], label=stage, **style)
        axes.set_ylim(*_limits([metrics[n][1] for n in (f"train/{term}", f"val/{term}") if n in metrics]))
        axes.set_title(label, fontsize=9)
        axes.set_xlabel("optimiser step", fontsize=8)
        axes.tick_params(labelsize=7)
        axes.grid(alpha=0.25)
    figure.axes[0].legend(frameon=False, fontsize=8)
    return figure


def _limits(series: list[np.ndarray]) -> tuple[float, float]:
    """Limits that show everything but the first fifth of each series, which is orders of magnitude away."""
    shown = np.concatenate([values[len(values) // 5 :] for values in series])
    margin = 0.08 * (shown.max() - shown.min()) + 1e-3
    return shown.min() - margin, shown.max() + margin
