"""Numbers that can be read from the pixels of any image without a label, such as brightness or slant.

Axes: M images, S statistics, C channels, H and W pixels; ``...`` any.
"""

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

from ugvae.errors import ConfigError

Reading = Callable[[Tensor], Tensor]  # float images (..., C, H, W) in [0, 1] to (...)
Statistic = Literal["ink", "brightness", "contrast", "warmth", "thickness", "slant"]

BRIGHT = 0.5  # a pixel above it belongs to a bright figure, such as the stroke of a digit
CHUNK = 2**22  # pixels that are read at a time, so that any table fits into memory


def brightness(images: Tensor) -> Tensor:
    """The mean over pixels and channels."""
    return images.mean((-3, -2, -1))


def contrast(images: Tensor) -> Tensor:
    """The standard deviation over the pixels, of the mean over channels."""
    return images.mean(-3).flatten(-2).std(-1)


def warmth(images: Tensor) -> Tensor:
    """Red minus blue, the mean over pixels: the tone of skin. C is 3."""
    return (images[..., 0, :, :] - images[..., 2, :, :]).mean((-2, -1))


def thickness(images: Tensor) -> Tensor:
    """The share of bright pixels: how thick the strokes of a digit are."""
    return (images > BRIGHT).double().mean((-3, -2, -1))


def slant(images: Tensor) -> Tensor:
    """Columns that a bright figure moves to the right with every row downwards; 0 where there is none.

    It is the slope of the regression of the column on the row, over pixels weighted by their value. A figure that
    leans to the right, as in ``/``, has a slant below 0.
    """
    grey = images.mean(-3).double()
    rows, columns = (torch.arange(side, dtype=grey.dtype, device=grey.device) for side in grey.shape[-2:])
    by_row, moment = grey.sum(-1), grey @ columns  # (..., H) both
    total = by_row.sum(-1).clamp(min=1e-12)
    row, column = (by_row @ rows) / total, moment.sum(-1) / total
    variance = (by_row @ rows.square()) / total - row.square()
    covariance = (moment @ rows) / total - row * column
    return torch.where(variance > 1e-6, covariance / variance.clamp(min=1e-6), 0.0)


STATISTICS: dict[Statistic, Reading] = {
    "ink": brightness,  # the word for white strokes on black
    "brightness": brightness,
    "contrast": contrast,
    "warmth": warmth,
    "thickness": thickness,
    "slant": slant,
}


def read_statistics(images: Tensor, names: Sequence[Statistic]) -> Tensor:
    """Statistics of all images of a table in one pass, float64 ``(M, S)``.

    Args:
        images: uint8 ``(M, C, H, W)``, in memory or memory-mapped, or ``ConcatImages``.
        names: keys of ``STATISTICS``.

    Raises:
        ConfigError: images without a red and a blue channel have no warmth.
    """
    if "warmth" in names and images.shape[1] != 3:
        raise ConfigError(f"statistics: warmth needs images in colour, of 3 channels; they have {images.shape[1]}")
    size = max(1, CHUNK // images.shape[1:].numel())
    parts = [torch.empty(0, len(names), dtype=torch.float64)]
    for start in range(0, len(images), size):
        part = images[start : start + size].float() / 255
        parts.append(torch.stack([STATISTICS[name](part).double() for name in names], 1))
    return torch.cat(parts)
