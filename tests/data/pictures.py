"""Pictures that say which they are: picture n is all of colour n of 216, which survives JPEG and any resizing."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

LEVELS = 6  # of each of red, green and blue
NUM_COLOURS = LEVELS**3
STEP = 255 // (LEVELS - 1)


def colour(number: int) -> tuple[int, int, int]:
    """Red, green and blue of picture ``number``; a prime stride keeps neighbours apart."""
    code = number * 101 % NUM_COLOURS
    return STEP * (code % LEVELS), STEP * (code // LEVELS % LEVELS), STEP * (code // LEVELS**2)


def picture(number: int, width: int, height: int | None = None) -> Image.Image:
    """An RGB picture."""
    return Image.new("RGB", (width, height or width), colour(number))


def save_picture(path: Path, number: int, width: int, height: int | None = None) -> None:
    """Writes one in the format that the suffix of ``path`` says, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture(number, width, height).save(path)


def pixel_number(images: torch.Tensor) -> list[int]:
    """Which pictures ``(N, 3, H, W)`` are, modulo 216, by the pixel in the middle."""
    middle = images[:, :, images.shape[2] // 2, images.shape[3] // 2].numpy()
    levels = np.rint(middle / STEP).astype(int)
    assert np.abs(middle - levels * STEP).max() <= 12, "not one of the colours"
    codes = levels @ np.array([1, LEVELS, LEVELS**2])
    return (codes * pow(101, -1, NUM_COLOURS) % NUM_COLOURS).tolist()
