"""Arrays of images: the colours of ``tests.data.pictures``, in any layout and type."""

from pathlib import Path

import numpy as np

from tests.data.pictures import colour


def array_of_pictures(num_images: int, size: int = 20) -> np.ndarray:
    """Pictures 0, 1, … as uint8 ``(N, H, W, 3)``."""
    colours = np.array([colour(number) for number in range(num_images)], np.uint8)
    return np.broadcast_to(colours[:, None, None], (num_images, size, size, 3)).copy()


def write_arrays(folder: Path, num_images: int = 220) -> None:
    """``images.npy`` and a table with the plate of each image."""
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "images.npy", array_of_pictures(num_images))
    rows = "\n".join(f"{number % 5},{number % 2}" for number in range(num_images))
    (folder / "metadata.csv").write_text(f"plate,label\n{rows}\n")
