"""Sheets of images without labels, for a page to move over.

Axes: P panels, R rows, S columns, C channels, H and W pixels.
"""

import io
from pathlib import Path

from einops import rearrange
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from ugvae.plots.grids import mosaic
from ugvae.runs.files import atomic_path

LARGEST_TILE = 96  # pixels of the longer side: as wide as a page shows it
MOST_PIXELS = 16_383  # of either side of a WebP
MOST_BYTES = 2_200_000  # of a sheet: 3 MB as text of a page
QUALITIES = (90, 75, 60, 45, 30)  # of WebP; the first that is small enough, else the last


def sheet_of(panels: Tensor) -> Image.Image:
    """Walks ``(P, R, S, C, H, W)`` in [0, 1] as one picture: a row of R·S tiles for each panel, without gaps.

    Tiles are at most ``LARGEST_TILE`` pixels wide and high, and no larger than the sheet can be as a WebP; of more than
    three channels the first three are shown.
    """
    down, across = len(panels), panels.shape[1] * panels.shape[2]
    height, width = panels.shape[-2:]
    highest, widest = (min(LARGEST_TILE, MOST_PIXELS // tiles) for tiles in (down, across))
    scale = min(1.0, highest / height, widest / width)
    tiles = rearrange(panels, "p r s c h w -> (p r s) c h w")
    if scale < 1:
        size = [max(1, round(side * scale)) for side in (height, width)]
        tiles = interpolate(tiles, size, mode="bilinear", antialias=True)
    pixels = mosaic(tiles.unflatten(0, (down, across)), gap=0)
    return Image.fromarray((pixels.clip(0, 1) * 255).round().astype("uint8"))


def save_sheet(sheet: Image.Image, path: Path) -> None:
    """Writes a WebP of at most ``MOST_BYTES`` where its quality can be that low; whole or not at all."""
    for quality in QUALITIES:
        buffer = io.BytesIO()
        sheet.save(buffer, "WEBP", quality=quality)
        if buffer.tell() <= MOST_BYTES:
            break
    with atomic_path(path) as temporary:
        temporary.write_bytes(buffer.getvalue())
