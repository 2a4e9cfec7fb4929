"""CelebA: 202,599 aligned faces with 40 attributes, as its owners ship it."""

from pathlib import Path

import numpy as np

from ugvae.data.annotations import read_lines, read_rows
from ugvae.data.decoding import Transform
from ugvae.data.image_files import ImageFilesDataModule
from ugvae.data.listing import Listing, Sources, existing, scan
from ugvae.errors import DataError

IMAGES, ATTRIBUTES, PARTITION = "img_align_celeba", "list_attr_celeba.txt", "list_eval_partition.txt"
CROP = 148 / 178  # of the image's width


class CelebADataModule(ImageFilesDataModule):
    """CelebA (Liu et al. 2015). Columns: the 40 attributes by their names, such as ``Male``, 0 or 1.

    Splits: the official ones, in which no person is in two.

    Args:
        root: folder of ``img_align_celeba`` and the two text files.
        crop: keep the centre square of 148 of the 178×218 pixels (of other sizes, that part of the width), which is
            mostly face, as many later papers do. By default the whole image is squeezed to a square, as in the paper.
        **kwargs: the settings of ``ImageFilesDataModule``.
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
        """Reads the attributes (a line with the count, one with the names, then rows of ±1) and the partition."""
        attributes, partition = Path(self.root) / ATTRIBUTES, Path(self.root) / PARTITION
        names = [name.removeprefix(f"{IMAGES}/") for name in files[2:]]
        count, header, *rows = [*read_lines(attributes), "", ""]
        header = header.split()
        if not header or len(set(header)) < len(header):
            raise DataError(f"{attributes}: line 2 does not name each attribute once")
        values = read_rows(attributes, rows, names, len(header), {"1", "-1"})
        if count.strip() != str(len(values)):
            raise DataError(f"{attributes}: {len(values):,} rows, and line 1 is not their number but {count[:60]!r}")
        split = read_rows(partition, read_lines(partition), names, 1, {"0", "1", "2"})[:, 0]
        return Listing(files[2:], split, dict(zip(header, (values > 0).T.astype(np.int64), strict=True)))
