"""Stanford Cars: 16,185 photographs of 196 classes of cars."""

from pathlib import Path, PurePosixPath

import numpy as np

from ugvae.data.image_files import ImageFilesDataModule, inner
from ugvae.data.listing import HELD_OUT, Listing, Sources, existing, scan, split_by_object
from ugvae.data.matlab import read_variable
from ugvae.data.module import split_rows, summary
from ugvae.errors import DataError

TRAIN, TEST = "cars_train", "cars_test"
ANNOTATIONS = {  # of the images in each folder, best first
    TRAIN: ("devkit/cars_train_annos.mat",),
    TEST: ("cars_test_annos_withlabels.mat", "devkit/cars_test_annos_withlabels.mat", "devkit/cars_test_annos.mat"),
}
CLASSES = "devkit/cars_meta.mat"


class StanfordCarsDataModule(ImageFilesDataModule):
    """Cars (Krause et al. 2013), whole images. Columns, where there is a devkit: ``label`` (0-195, -1 if unknown).

    Splits: the official 8,041 test images; 10 % of ``cars_train``, cut with a fixed seed, for validation. A folder
    without ``cars_test`` is cut into 80, 10 and 10 %, again with a fixed seed.

    Args:
        root: folder of ``cars_train``, ``cars_test`` and ``devkit``, or one that holds it as ``stanford_cars``; or any
            folder of images.
        **kwargs: those of ``ImageFilesDataModule``.
    """

    title = "Stanford Cars"
    tree = """
  {root}/                                  (or stanford_cars/ in it)
    cars_train/00001.jpg … 08144.jpg
    cars_test/00001.jpg … 08041.jpg
    cars_test_annos_withlabels.mat         labels are optional
    devkit/cars_train_annos.mat, cars_meta.mat
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
        texts = [name for names in ANNOTATIONS.values() for name in names] + [CLASSES]
        return images | existing(root, [str(PurePosixPath(base) / name) for name in texts])

    def describe(self, files: list[str]) -> Listing:
        """Reads the annotations, if there are any.

        Raises:
            DataError: an annotation file in another format, or of other images than are in the folder.
        """
        root = Path(self.root)
        base = inner(root, "stanford_cars")
        images = [name for name in files if not name.endswith(".mat")]
        below = [PurePosixPath(name).relative_to(base) for name in images]
        folders = np.array([path.parts[0] for path in below])
        labels = np.full(len(images), -1, np.int64)
        for folder, names in ANNOTATIONS.items():
            path = next((root / base / name for name in names if (root / base / name).is_file()), None)
            if path and (folders == folder).any():
                rows = np.flatnonzero(folders == folder)
                labels[rows] = read_annotations(path, [below[row].name for row in rows])
        names = {"label": read_classes(root / base / CLASSES)} if (root / base / CLASSES).is_file() else {}
        known = {"label": labels} if (labels >= 0).any() else {}
        return Listing(images, split_cars(folders), known, names if known else {})


def split_cars(folders: np.ndarray) -> np.ndarray:
    """0 (train), 1 (val) or 2 (test) of each image, by the folder it is in."""
    if not {TRAIN, TEST} <= set(folders.tolist()):
        return split_by_object(np.arange(len(folders)), "images")
    split = np.where(folders == TEST, 2, 0)
    train = np.flatnonzero(split == 0)
    split[train[split_rows(len(train), max(1, round(HELD_OUT * len(train))), seed=0)[1]]] = 1
    return split


def read_annotations(path: Path, images: list[str]) -> np.ndarray:
    """Reads a devkit file: a struct array ``annotations`` with ``fname`` and, but for the blind test file, ``class``.

    Args:
        path: of the .mat file.
        images: names of the images of the folder that it belongs to.

    Returns:
        ``(N,)`` labels from 0 on in the order of ``images``; -1 without a class.

    Raises:
        DataError: another format, other images, or one that comes twice.
    """
    rows = read_variable(path, "annotations")
    if rows.dtype.names is None or "fname" not in rows.dtype.names:
        raise DataError(f"{path}: 'annotations' has no field 'fname'")
    classes = rows["class"] if "class" in rows.dtype.names else [0] * len(rows)
    try:
        known = [int(label) - 1 for label in classes]
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(f"{path}: a 'class' is not a number ({error})") from error
    labels = dict(zip(map(str, rows["fname"]), known, strict=True))
    if len(labels) < len(known) or min(known, default=0) < -1:
        raise DataError(f"{path}: {len(known) - len(labels):,} names come twice, the least class is {min(known) + 1}")
    if differing := sorted(set(labels) ^ set(images)):
        raise DataError(
            f"{path}: {len(labels):,} rows and {len(images):,} images; {len(differing):,} are in one and not in the "
            f"other: {summary(differing)}"
        )
    return np.array([labels[name] for name in images], np.int64)


def read_classes(path: Path) -> list[str]:
    """The names of the classes, in ``cars_meta.mat``.

    Raises:
        DataError: another format.
    """
    return [str(name) for name in read_variable(path, "class_names")]
