"""CelebA: 202,599 aligned faces with 40 attributes, as its owners ship it."""

import re
from pathlib import Path

import numpy as np

from ugvae.data.decoding import Transform
from ugvae.data.image_files import ImageFilesDataModule
from ugvae.data.listing import Listing, Sources, existing, read_bytes, scan
from ugvae.data.module import summary
from ugvae.errors import DataError

IMAGES, ATTRIBUTES, PARTITION = "img_align_celeba", "list_attr_celeba.txt", "list_eval_partition.txt"
COUNT = re.compile(r"\s*[0-9]{1,9}\s*")
CROP = 148 / 178  # of the image's width


class CelebADataModule(ImageFilesDataModule):
    """CelebA (Liu et al. 2015). Columns: the 40 attributes by their names, such as ``Male``, 0 or 1.

    Splits: the official ones, in which no person is in two.

    Args:
        root: folder of ``img_align_celeba`` and the two text files.
        crop: keep the centre square of 148 of the 178×218 pixels (of other sizes, that part of the width), which is
            mostly face, as many later papers do. By default the whole image is squeezed to a square, as in the paper.
        **kwargs: those of ``ImageFilesDataModule``.
    """

    title = "CelebA"
    tree = """
  {root}/
    img_align_celeba/000001.jpg … 202599.jpg
    list_attr_celeba.txt
    list_eval_partition.txt"""
    source = """https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html, "Align&Cropped Images" (unzip img_align_celeba.zip),
  "Attributes Annotations" and "Train/Val/Test Partitions"; no other file is needed"""
    licence = "non-commercial research only; no part of it may be passed on"

    def __init__(self, root: str = "data/celeba", crop: bool = False, **kwargs) -> None:
        super().__init__(root, **kwargs)
        self.crop = crop

    def transform(self) -> Transform:
        return Transform(self.image_size, self.channels, centre=CROP if self.crop else 0.0)

    def find(self) -> Sources:
        root = Path(self.root)
        texts = existing(root, (ATTRIBUTES, PARTITION))
        if absent := [name for name in (ATTRIBUTES, PARTITION) if name not in texts]:
            raise self.missing(f"no {' and no '.join(absent)}")
        if not (images := scan(root, IMAGES, {".jpg"})):
            raise self.missing(f"no {IMAGES}/*.jpg")
        return texts | images

    def describe(self, files: list[str]) -> Listing:
        """Reads the attributes and the partition.

        Raises:
            DataError: a text file in another format, or other images in it than in the folder.
        """
        root = Path(self.root)
        images = files[2:]
        names = [name.removeprefix(f"{IMAGES}/") for name in images]
        header, attributes = read_attributes(root / ATTRIBUTES)
        partition = read_partition(root / PARTITION)
        for path, rows in ((root / ATTRIBUTES, attributes), (root / PARTITION, partition)):
            check_same(path, list(rows), names)
        values = np.stack([attributes[name] for name in names])
        columns = {name: (values[:, column] > 0).astype(np.int64) for column, name in enumerate(header)}
        return Listing(images, np.array([partition[name] for name in names]), columns)


def read_attributes(path: Path) -> tuple[list[str], dict[str, np.ndarray]]:
    """Reads ``list_attr_celeba.txt``: a line with the count, one with the names, then rows of a file and ±1.

    Returns:
        The names, and by file int8 values, one per name.

    Raises:
        DataError: another format, another number of rows than the first line says, or a name that comes twice.
    """
    lines = read_lines(path)
    if len(lines) < 2 or not COUNT.fullmatch(lines[0]):
        raise DataError(f"{path}: line 1 is not the number of images but {lines[0][:60] if lines else ''!r}")
    header, rows = lines[1].split(), [line for line in lines[2:] if line.strip()]
    if len(rows) != int(lines[0]):
        raise DataError(f"{path}: {int(lines[0]):,} images in line 1, {len(rows):,} rows")
    if len(set(header)) < len(header):
        raise DataError(f"{path}: line 2 names an attribute twice: {first_repeated(header)}")
    attributes = {}
    for row in rows:
        name, *values = row.split()
        if name in attributes:
            raise DataError(f"{path}: two rows of {name}")
        if len(values) != len(header) or not set(values) <= {"1", "-1"}:
            raise DataError(f"{path}: the row of {name} does not have {len(header)} values of 1 or -1")
        attributes[name] = np.array(values, dtype=np.int8)
    return header, attributes


def read_partition(path: Path) -> dict[str, int]:
    """Reads ``list_eval_partition.txt``: rows of a file and 0 (train), 1 (val) or 2 (test).

    Raises:
        DataError: another format, or two rows of an image.
    """
    partition = {}
    for row in read_lines(path):
        name, *part = row.split() or [""]
        if name in partition:
            raise DataError(f"{path}: two rows of {name}")
        if name and (len(part) != 1 or part[0] not in ("0", "1", "2")):
            raise DataError(f"{path}: the row of {name} does not end in 0, 1 or 2")
        if name:
            partition[name] = int(part[0])
    return partition


def read_lines(path: Path) -> list[str]:
    """The lines of a text file, whatever system ends them how; what is no UTF-8 stays, replaced, for messages."""
    return read_bytes(path).decode("utf-8-sig", errors="replace").splitlines()


def first_repeated(names: list[str]) -> str:
    """The first of ``names`` that comes twice."""
    return next(name for position, name in enumerate(names) if name in names[:position])


def check_same(path: Path, rows: list[str], images: list[str]) -> None:
    """Sees to it that a text file and a folder have the same images.

    Raises:
        DataError: they differ; the message counts and names both kinds of difference.
    """
    without_image, without_row = sorted(set(rows) - set(images)), sorted(set(images) - set(rows))
    if without_image or without_row:
        parts = [f"{len(rows):,} rows and {len(images):,} images in {IMAGES}"]
        if without_image:
            parts.append(f"{len(without_image):,} rows without an image: {summary(without_image)}")
        if without_row:
            parts.append(f"{len(without_row):,} images without a row: {summary(without_row)}")
        raise DataError(f"{path}: {'; '.join(parts)}. Unpack the images and take the text files from one source")
