"""Anyone's folder of images, with a table about them or without."""

import os
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Literal

from jsonargparse.typing import NonNegativeInt

from ugvae.data.decoding import IMAGE_SUFFIXES, check_margin, decode_framed
from ugvae.data.image_files import ImageFilesDataModule
from ugvae.data.listing import Listing, Sources, existing, scan
from ugvae.data.metadata import TABLE_NAMES, coded_columns, join_tables, named, stated_table
from ugvae.data.splits import rule_of_splits, split_by_rule, split_of_folders, split_of_texts
from ugvae.errors import ConfigError, check_choice

SplitBy = Literal["file", "folder", "group", "none", "image"]


class ImageFolderDataModule(ImageFilesDataModule):
    """Any images below a folder, and a table about them.

    Columns: those of a table ``metadata.csv`` (``.tsv``, ``.jsonl``) beside the images, which names each image in
    ``file_name`` or ``file``; and ``label``, the first folder below ``root`` or below the folders of the splits, unless
    the table has a ``label``. Values that are not known are −1, or NaN in columns with fractions.

    Splits: the column ``split`` of the table; or the folders ``train``, ``val`` and ``test``, in any of their usual
    spellings, at the top or one level deeper; or by name, about 80, 10 and 10 %. A missing folder ``val`` or ``test``
    is 10 % of ``train``. An image that is added moves no other to another split.

    Args:
        root: folder of the images.
        channels: 3 for colour, 1 for grey.
        split_by: whose name decides: ``file``, the image; ``folder``, for folders of images of one object; ``group``,
            the value of ``group_column`` (the default of ``given`` groups, which are never divided). ``none`` puts all
            images into ``test``, to encode new images. ``image`` is the earlier rule: exactly 80, 10 and 10 %,
            which an added image changes. By default ``file``.
        margin: black pixels on every side, within ``image_size``, as around the digits of MNIST.
        metadata: the table, if it has another name or is elsewhere: CSV, TSV, or JSON lines (``.jsonl``).
        **kwargs: the settings of ``ImageFilesDataModule``.

    Raises:
        ConfigError: a value out of range, or a rule of splits that would divide given groups.
    """

    title = "Image folder"
    tree = """
  {root}/
    *.jpg, *.png, … ; or <class>/*.jpg ; or train/, val/ and test/ with either in them
    metadata.csv                           optional: file_name, and any columns"""

    def __init__(
        self, root: str = "data/folder", channels: Literal[3, 1] = 3, split_by: SplitBy | None = None,
        metadata: str | None = None, margin: NonNegativeInt = 0, **kwargs,
    ) -> None:  # fmt: skip
        check_choice("channels", channels, (1, 3))
        check_choice("split_by", split_by, (None, "file", "folder", "group", "none", "image"))
        self.channels, self.metadata, self.margin = channels, metadata, margin
        super().__init__(root, **kwargs)
        check_margin(margin, self.image_size)
        self.split_by = rule_of_splits(split_by, (self.training_groups.kind, self.evaluation_groups.kind))

    def options(self) -> dict:
        by_group = {"group_column": self.training_groups.column} if self.split_by == "group" else {}
        return {"split_by": self.split_by, **by_group, **({"margin": self.margin} if self.margin else {})}

    def relocate(self, root: str, image_size: int) -> None:
        super().relocate(root, image_size)
        check_margin(self.margin, image_size)

    def find(self) -> Sources:
        """The images, and the tables about them."""
        images, root = super().find(), Path(self.root)
        if self.metadata is None:
            tables = scan(root, suffixes={os.path.splitext(name)[1] for name in TABLE_NAMES})
            return images | {name: stamp for name, stamp in tables.items() if PurePosixPath(name).name in TABLE_NAMES}
        return images | existing(root, [os.path.relpath(stated_table(self.metadata, root), root)])

    def describe(self, files: list[str]) -> Listing:
        images = [name for name in files if PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES]
        tables = files[len(images) :]
        texts = join_tables(Path(self.root), tables, images) if tables else {}
        stated = texts.pop("split", None)
        folders: list[tuple[str, ...]] = [PurePosixPath(name).parts[:-1] for name in images]
        split = None
        if stated is not None:
            split = split_of_texts(stated, str(Path(self.root) / tables[0]))
        elif self.split_by != "none":
            split, folders = split_of_folders(images, self.root)
        classes = [parts[0] if parts else "" for parts in folders]
        columns, names = coded_columns(texts)
        if "label" not in texts and len(set(classes)) > (1 if tables else 0) and any(classes):
            columns["label"], names["label"] = named(classes)
            texts["label"] = classes
        column = self.training_groups.column
        if self.split_by == "group" and column not in texts:
            there = f"the data have {', '.join(sorted(texts)) or 'none'}"
            raise ConfigError(f"group_column: no column {column!r}; {there}")
        groups = texts.get(column, [])
        split = split_by_rule(self.split_by, split, images, groups, column, f"under {self.root}")
        return Listing(images, split, columns, names, decode=partial(decode_framed, margin=self.margin))
