"""``python -m tests.data.clinic FOLDER``: a made-up clinic, real digits of patients who each write in their own way.

60 patients of 1 to 40 images, 28×28 PNG: the digits that scikit-learn bundles, with a stroke thickness and a slant of
the patient's own. Two sites, each with a contrast of its own. ``metadata.csv`` says all of it.
"""

import csv
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import affine_transform, gaussian_filter, zoom
from sklearn.datasets import load_digits

SIZE, PATIENTS, LARGEST = 28, 60, 40
CONTRAST = {"north": 1.0, "south": 0.65}  # the brightest grey of a site, as a fraction of white
HEADER = ("file_name", "patient", "site", "thickness", "slant", "label")


def written_digit(pixels: np.ndarray, thickness: float, slant: float) -> np.ndarray:
    """A digit ``(8, 8)`` from 0 to 16 in a hand, ``(28, 28)`` from 0 to 1.

    Strokes are thin at a thickness of −1 and thick at 1; ``slant`` is the columns that a row is shifted by, per row.
    """
    image = np.pad(zoom(pixels / 16, 2.5, order=1), 4)
    centre = np.array([SIZE, SIZE]) / 2
    shear = np.array([[1.0, 0.0], [slant, 1.0]])
    image = gaussian_filter(affine_transform(image, shear, offset=centre - shear @ centre, order=1), 0.8)
    return 1 / (1 + np.exp(-12 * (image - 0.42 + 0.25 * thickness)))


def write_clinic(
    folder: Path, patients: int = PATIENTS, largest: int = LARGEST, seed: int = 0
) -> list[dict[str, object]]:
    """Writes the images, ``scans/0000.png`` and so on, and ``metadata.csv``; returns its rows."""
    rng, digits = np.random.default_rng(seed), load_digits()
    sizes = np.linspace(1, largest, patients).round().astype(int)
    taken = iter(rng.permutation(len(digits.target)).tolist() * (1 + int(sizes.sum()) // len(digits.target)))
    rows: list[dict[str, object]] = []
    (folder / "scans").mkdir(parents=True, exist_ok=True)
    for patient, size in enumerate(rng.permutation(sizes).tolist()):
        site = sorted(CONTRAST)[patient % 2]
        thickness, slant = rng.uniform(-1, 1), rng.uniform(-0.5, 0.5)
        for _ in range(size):
            digit, name = next(taken), f"scans/{len(rows):04d}.png"
            image = CONTRAST[site] * written_digit(digits.images[digit], thickness, slant)
            Image.fromarray((255 * image).round().astype(np.uint8)).save(folder / name)
            values = (name, f"P{patient:03d}", site, round(thickness, 4), round(slant, 4), int(digits.target[digit]))
            rows.append(dict(zip(HEADER, values, strict=True)))
    with (folder / "metadata.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, HEADER)
        writer.writeheader()
        writer.writerows(rows)
    return rows


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    print(f"{len(write_clinic(Path(sys.argv[1]))):,} images and metadata.csv in {sys.argv[1]}")
