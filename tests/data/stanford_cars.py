"""Tiny Stanford Cars: the official tree with its devkit, or a flat folder.

Picture n, from 1 on, is ``{n:05d}.jpg`` of ``cars_train``; of ``cars_test`` it is picture 100 + n.
"""

from pathlib import Path

import numpy as np
from scipy.io import savemat

from tests.data.pictures import save_picture

CLASSES = ["AM General Hummer SUV 2000", "Acura RL Sedan 2012", "Acura TL Sedan 2012"]
BOX = ["bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2"]


def label(number: int) -> int:
    """Class of an image, from 0 on."""
    return number % len(CLASSES)


def save_annotations(path: Path, names: list[str], with_class: bool = True) -> None:
    """A struct array ``annotations`` of shape (1, N), as MATLAB saves it."""
    fields = [*BOX, *(["class"] if with_class else []), "fname"]
    rows = np.empty((1, len(names)), dtype=[(field, object) for field in fields])
    for position, name in enumerate(names):
        rows[0, position] = (1.0, 1.0, 90.0, 60.0, *([float(label(int(name[:5])) + 1)] if with_class else []), name)
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, {"annotations": rows})


def write_stanford_cars(root: Path, num_train: int = 180, num_test: int = 40, test_labels: bool = True) -> None:
    """The official tree."""
    for folder, count, offset in (("cars_train", num_train, 0), ("cars_test", num_test, 100)):
        names = [f"{number:05d}.jpg" for number in range(1, count + 1)]
        for name in names:
            save_picture(root / folder / name, offset + int(name[:5]), 96, 64)
        if folder == "cars_train":
            save_annotations(root / "devkit" / "cars_train_annos.mat", names)
        else:
            save_annotations(root / "devkit" / "cars_test_annos.mat", names, with_class=False)
            if test_labels:
                save_annotations(root / "cars_test_annos_withlabels.mat", names)
    savemat(root / "devkit" / "cars_meta.mat", {"class_names": np.array([CLASSES], dtype=object)})


def write_flat_cars(root: Path, num_images: int = 30) -> None:
    """JPEGs alone."""
    for number in range(1, num_images + 1):
        save_picture(root / f"{number:05d}.jpg", number, 96, 64)


def as_the_copies_have_it(root: Path, with_labels: str) -> None:
    """Makes the official tree that of a widespread copy: every folder in one of its own name, the devkit renamed.

    ``with_labels`` is the folder of the labels of the test images.
    """
    for folder, outer in (("cars_train", "cars_train"), ("cars_test", "cars_test"), ("devkit", "car_devkit")):
        (root / folder).rename(root / "inner")
        (root / outer).mkdir()
        (root / "inner").rename(root / outer / folder)
    (root / with_labels).mkdir(exist_ok=True)
    (root / "cars_test_annos_withlabels.mat").rename(root / with_labels / "cars_test_annos_withlabels.mat")
