"""How figures are written, and the colours and names in them."""

from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.textpath import TextPath

from ugvae.runs.files import atomic_path

DPI = 150


def save_figure(figure: Figure, path: str | Path) -> None:
    """Writes a PNG, whole or not at all; compressed quickly, to about the size that Matplotlib's default gives."""
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", pil_kwargs={"compress_level": 1})


def colours(count: int) -> np.ndarray:
    """``count`` colours that can be told apart, ``(count, 4)``."""
    return colormaps["tab10"](np.arange(count)) if count <= 10 else colormaps["turbo"](np.linspace(0.03, 0.97, count))


def plain(name: str) -> str:
    r"""A name from the data as Matplotlib shows it unchanged: no formulas, and no ``_`` that hides it from a legend.

    Example:
        >>> plain("_5 $")
        ' _5 \\$'
    """
    text = str(name).replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text


def text_width(text: str, size: float) -> float:
    """The width in inches of a text in a font of ``size`` points.

    Example:
        >>> text_width("WWW", 7) > text_width("iii", 7)
        True
    """
    return float(TextPath((0, 0), plain(text), size=size).get_extents().width) / 72
