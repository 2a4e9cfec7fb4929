"""Pictures as part of the page: figures of the run's folder, and curves of training drawn anew."""

import base64
import io
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from PIL import Image

from ugvae.plots.curves import PER_GROUP, curve_limits, logged_terms, term_with_unit

LARGE = 150 * 1024  # bytes of a PNG
WIDEST = 2400  # pixels, two to one on a wide page
SPEED = "images_per_second"
MOST_POINTS = 400  # of a curve; more cannot be told apart
STAGES = {"train": ("training", "#2f83c4"), "val": ("validation", "#d0661a")}  # colours to read on light and on dark
GREY = "#85827a"  # the same
STYLE = {"svg.fonttype": "none", "font.size": 10, "axes.labelsize": 10} | dict.fromkeys(
    ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color", "grid.color"), GREY
)

Series = tuple[np.ndarray, np.ndarray]  # steps, values


@dataclass(frozen=True)
class Picture:
    """A picture with its caption.

    Attributes:
        name: of the file or the curve.
        caption: what to look for.
        source: the picture itself as a ``data:`` address; None if there is none.
        size: width and height in pixels, so that the page does not jump.
        reason: why there is none.
    """

    name: str
    caption: str
    source: str | None = None
    size: tuple[int, int] = (0, 0)
    reason: str | None = None


def read_picture(path: Path, caption: str) -> Picture:
    """A PNG; a large one as WebP, which keeps a page of many grids of faces light."""
    if not path.is_file():
        return Picture(path.name, caption, reason="the file is not there")
    try:
        with Image.open(path) as image:
            size = image.size
            if path.stat().st_size <= LARGE:
                return Picture(path.name, caption, data_address(path.read_bytes(), "png"), size)
            buffer, smaller = io.BytesIO(), image.convert("RGB")
    except OSError as error:
        return Picture(path.name, caption, reason=f"the file cannot be read ({error})")
    smaller.thumbnail((WIDEST, smaller.height))
    smaller.save(buffer, "WEBP", quality=88)
    return Picture(path.name, caption, data_address(buffer.getvalue(), "webp"), size)


def data_address(data: bytes, kind: str) -> str:
    """A picture as a ``data:`` address, ``kind`` of its image type."""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"


def curves(metrics: Mapping[str, Series], per_group: Collection[str] = PER_GROUP) -> Iterator[Picture]:
    """A picture of each term of training and validation that was logged more than once.

    Args:
        metrics: (steps, values) of each logged name, such as ``train/elbo``.
        per_group: terms with one value per group.
    """
    for term in [*logged_terms(metrics), SPEED]:
        stages = {stage: _finite(*metrics[f"{stage}/{term}"]) for stage in STAGES if f"{stage}/{term}" in metrics}
        stages = {stage: series for stage, series in stages.items() if len(series[0]) > 1}
        if stages:
            ends = ", ".join(f"{STAGES[stage][0]} ends at {values[-1]:,.4g}" for stage, (_, values) in stages.items())
            label = "images per second" if term == SPEED else term_with_unit(term, per_group)
            buffer = io.BytesIO()
            with rc_context(STYLE):
                figure = _curve(stages)
                figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
            pixels = tuple(int(inches * 100) for inches in figure.get_size_inches())
            yield Picture(label, f"{label}: {ends}", data_address(buffer.getvalue(), "svg+xml"), pixels)


def _finite(steps: np.ndarray, values: np.ndarray) -> Series:
    """The finite values by step, thinned out to ``MOST_POINTS``."""
    order = np.argsort(steps, kind="stable")
    order = order[np.isfinite(values[order])]
    thin = order[np.linspace(0, len(order) - 1, min(len(order), MOST_POINTS)).astype(int)]
    return steps[thin], values[thin]


def _curve(stages: Mapping[str, Series]) -> Figure:
    figure = Figure(figsize=(3.6, 2.3), layout="constrained")
    axes = figure.subplots()
    for stage, (steps, values) in stages.items():
        axes.plot(steps, values, color=STAGES[stage][1], lw=1.6)
    axes.set(xlabel="optimiser step", ylim=curve_limits([values for _, values in stages.values()]))
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.3)
    axes.locator_params(nbins=4)
    return figure
