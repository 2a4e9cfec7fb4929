"""Files that appear whole or not at all."""

from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from ugvae.runs.files import atomic_path


def save_figure(figure: Figure, path: str | Path) -> None:
    """Writes a PNG; drawn once, where ``savefig`` draws twice, and compressed quickly, to about the same size."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    image = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])  # figures are opaque
    with atomic_path(path) as temporary:
        image.save(temporary, format="png", dpi=(figure.dpi, figure.dpi), compress_level=1)


DPI = 150


def colours(count: int) -> np.ndarray:
    """``count`` colours that can be told apart, ``(count, 4)``."""
    return colormaps["tab10"](np.arange(count)) if count <= 10 else colormaps["turbo"](np.linspace(0.03, 0.97, count))
