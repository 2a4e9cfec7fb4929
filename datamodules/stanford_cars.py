"""Stanford Cars: 16,185 photographs of 196 classes of cars."""

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import numpy as np
from pytorch_lightning.utilities import rank_zero_warn

from ugvae.data.annotations import check_names
from ugvae.data.image_files import ImageFilesDataModule, inner
from ugvae.data.listing import Listing, Sources, hold_out, scan, split_by_object
from ugvae.data.matlab import read_variable
from ugvae.errors import DataError

TRAIN, TEST = "cars_train", "cars_test"
ANNOTATIONS = {  # of the images in each folder, best first
    TRAIN: ("cars_train_annos.mat",),
    TEST: ("cars_test_annos_withlabels.mat", "cars_test_annos.mat"),
}
CLASSES = "cars_meta.mat"


class StanfordCarsDataModule(ImageFilesDataModule):
    """Cars (Krause et al. 2013), whole images. Columns, where there is a devkit: ``label`` (0-195, -1 if unknown).

    The devkit may lie anywhere below the root, since copies differ in this.

    Splits: the official 8,041 test images; 10 % of ``cars_train``, cut with a fixed seed, for validation. A folder
    without ``cars_test`` is cut into 80, 10 and 10 %, again with a fixed seed.

    Args:
        root: folder of ``cars_train``, ``cars_test`` and ``devkit``, or one that holds it as ``stanford_cars``; or any
            folder of images.
        **kwargs: the settings of ``ImageFilesDataModule``.
    """

    title = "Stanford Cars"
    tree = """
  {root}/                                  (or stanford_cars/ in it)
    cars_train/00001.jpg … 08144.jpg
    cars_test/00001.jpg … 08041.jpg
    cars_test_annos_withlabels.mat         labels are optional
    devkit/cars_train_annos.mat, cars_meta.mat    (or car_devkit/devkit/)
  or a folder of the images alone"""
    source = """the owners' download is no longer there (https://ai.stanford.edu/~jkrause/cars/car_dataset.html);
  put a copy with the original names there by hand"""
    licence = "research use; the photographs are from the web, and their owners keep the rights"

    def __init__(self, root: str = "data/stanford_cars", **kwargs) -> None:
        super().__init__(root, **kwargs)

    def find(self) -> Sources:
        root = Path(self.root)
        base = inner(root, "stanford_cars")
        files = scan(root, base)
        images = {name: stamp for name, stamp in files.items() if "devkit" not in PurePosixPath(name).parts}
        if not images:
            raise self.missing("no images")
        devkit = scan(root, base, suffixes={".mat"})
        known = [name for names in ANNOTATIONS.values() for name in names] + [CLASSES]
        texts = [path for name in known for path in named(devkit, name)]
        return images | {path: devkit[path] for path in texts}

    def describe(self, files: list[str]) -> Listing:
        root = Path(self.root)
        images = [name for name in files if not name.endswith(".mat")]
        paths = [PurePosixPath(name) for name in images]
        folders = np.array([next((part for part in path.parts if part in ANNOTATIONS), "") for path in paths])
        labels = np.full(len(images), -1, np.int64)
        for folder, names in ANNOTATIONS.items():
            rows, texts = np.flatnonzero(folders == folder), [path for name in names for path in named(files, name)]
            if texts and len(rows):
                labels[rows] = read_annotations(root / texts[0], [paths[row].name for row in rows])
        if {TRAIN, TEST} <= set(folders.tolist()):
            split = hold_out(np.where(folders == TEST, 2, 0), 1, f"images of {TRAIN}")
        else:
            split = split_by_object(np.arange(len(images)), "images")
        if (labels < 0).all():
            return Listing(images, split)
        for folder in np.unique(folders[labels < 0]).tolist():
            texts = f", which {ANNOTATIONS[folder][0]} has" if folder else ""
            rank_zero_warn(f"{self.title}: no labels of the images in {folder or root}{texts}; their label is -1")
        classes = named(files, CLASSES)
        return Listing(images, split, {"label": labels}, {"label": read_classes(root / classes[0])} if classes else {})


def named(files: Iterable[str], name: str) -> list[str]:
    """The files of a name in any folder, those nearest to the root first."""
    return sorted((path for path in files if PurePosixPath(path).name == name), key=lambda path: path.count("/"))


def read_annotations(path: Path, images: list[str]) -> np.ndarray:
    """Labels ``(N,)`` of images from a devkit file: a struct array of ``fname`` and, if known, ``class`` from 1 on.

    Raises:
        DataError: another format, or other images.
    """
    rows = read_variable(path, "annotations")
    fields = rows.dtype.names or ()
    if "fname" not in fields:
        raise DataError(f"{path}: 'annotations' has no field 'fname'")
    try:
        labels = [int(label) - 1 for label in (rows["class"] if "class" in fields else [0] * len(rows))]
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(f"{path}: a 'class' is not a number ({error})") from error
    if min(labels, default=0) < -1:
        raise DataError(f"{path}: the least class is {min(labels) + 1}, expected 1 or more")
    names = [str(name) for name in rows["fname"]]
    check_names(path, names, images)
    by_name = dict(zip(names, labels, strict=True))
    return np.array([by_name[name] for name in images], np.int64)


def read_classes(path: Path) -> list[str]:
    """The names of the classes, from ``cars_meta.mat``; raises a DataError if it has another format."""
    return [str(name) for name in read_variable(path, "class_names")]
