"""Anyone's folder of images: flat, with class folders, with folders of the splits, and in many formats."""

from pathlib import Path

import numpy as np
from PIL import Image

from tests.data.pictures import picture, save_picture

CLASSES = ["cat", "dog"]


def write_image_folder(root: Path, num_images: int = 220, classes: bool = True, suffix: str = ".jpg") -> None:
    """Pictures 0, 1, …, in turn in the folders of the classes if there are any."""
    for number in range(num_images):
        save_picture(root / (CLASSES[number % 2] if classes else ".") / f"{number:04d}{suffix}", number, 48, 40)


def write_split_folders(root: Path, sizes: dict[str, int], classes: bool = True) -> None:
    """Folders of splits; the pictures of the first begin with 0, of the next with 50, and so on."""
    for position, (split, size) in enumerate(sizes.items()):
        for number in range(50 * position, 50 * position + size):
            save_picture(root / split / (CLASSES[number % 2] if classes else ".") / f"{number:04d}.png", number, 40)


def write_formats(folder: Path, number: int = 7, size: int = 32) -> dict[str, Path]:
    """One picture in many ways; gives the files by what is special about them."""
    folder.mkdir(parents=True, exist_ok=True)
    rgb = picture(number, size)
    grey = rgb.convert("L")
    half = Image.new("RGBA", (size, size), (0, 0, 0, 0))  # transparent black: white when shown
    images = {
        "rgb.png": rgb,
        "rgb.bmp": rgb,
        "rgb.webp": rgb,
        "rgb.tiff": rgb,
        "RGB.JPG": rgb,
        "palette.png": rgb.convert("P", palette=Image.Palette.ADAPTIVE),
        "palette.gif": rgb.convert("P", palette=Image.Palette.ADAPTIVE),
        "cmyk.jpg": rgb.convert("CMYK"),
        "opaque.png": rgb.convert("RGBA"),
        "transparent.png": half,
        "grey.png": grey,
        "grey16.png": Image.fromarray(np.full((size, size), 0x8040, np.uint16)),
        "grey_alpha.png": half.convert("LA"),
        "bits.png": grey.convert("1"),
        "float.tiff": grey.convert("F"),
    }
    for name, image in images.items():
        image.save(folder / name, **({"lossless": True} if name.endswith("webp") else {}))
    return {name: folder / name for name in images}
