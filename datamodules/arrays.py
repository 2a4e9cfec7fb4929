"""Anyone's arrays of images: NumPy files, and in Python arrays, tensors and map-style datasets."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jsonargparse.typing import PositiveFloat, PositiveInt
from torch import Tensor

from ugvae.data.arrays import Layout, columns_of, layout_of, load_arrays, prepared, read_dataset, shape_of_images
from ugvae.data.listing import first_file, readable
from ugvae.data.metadata import FILE_COLUMNS, TABLE_NAMES, read_columns, stated_table
from ugvae.data.module import GroupDataModule
from ugvae.data.splits import rule_of_splits, split_by_rule, split_of_texts
from ugvae.data.table import SPLITS, ImageTable, Split
from ugvae.errors import ConfigError, DataError, check_choice, check_positive

Columns = Mapping[str, Sequence | np.ndarray | Tensor]


class ArrayDataModule(GroupDataModule):
    """Images of 1 to 16 channels in an array, ``(N, H, W)``, ``(N, H, W, C)`` or ``(N, C, H, W)``.

    Files: ``.npy``, which stays memory-mapped if nothing has to be converted; ``.npz`` with ``images`` and columns; or
    ``.npz`` as MedMNIST has them, ``train_images``, ``train_labels``, ``val_images``, …, or as dSprites, ``imgs`` and
    ``latents_classes``. A table ``metadata.csv`` (``.tsv``, ``.jsonl``) beside the file has one row per image, in their
    order. In Python: ``from_arrays`` and ``from_dataset``.

    Splits: those of the file, or a column ``split``; else by a hash of the image's file, if the table has the column
    ``file_name`` or ``file``, or of its row, about 80, 10 and 10 %. Given groups are never divided.

    Args:
        root: the file, or a folder with one such file.
        metadata: the table, if it is elsewhere.
        image_size: H = W in pixels; by default the shorter side of the images.
        layout: ``nhw``, ``nhwc`` or ``nchw``, where the shape can be read in two ways.
        maximum: the value that is white; by default 255 for uint8, 65,535 for uint16, 1 for floats.
        show_channels: three channels that pictures show as red, green and blue; they become the first three. By
            default pictures show the first three, of two channels the first.
        split_by: ``file``, ``group`` (by ``group_column``), or ``none``: all images are ``test``. By default ``group``
            for ``given`` groups, else ``file``.
        **kwargs: the settings of ``GroupDataModule``.

    Raises:
        ConfigError: a value out of range; the message names the setting.
        DataError: the file holds no images.
    """

    title = "Array"
    tree = """
  {root}                                   a file .npy or .npz, or a folder with one
  metadata.csv beside it                   optional: a row per image, in their order"""

    def __init__(
        self,
        root: str = "data/images.npy",
        metadata: str | None = None,
        image_size: PositiveInt | None = None,
        layout: Layout = "auto",
        maximum: PositiveFloat | None = None,
        show_channels: list[int] | None = None,
        split_by: Literal["file", "group", "none"] | None = None,
        **kwargs,
    ) -> None:
        check_choice("layout", layout, ("auto", "nhw", "nhwc", "nchw"))
        check_choice("split_by", split_by, (None, "file", "group", "none"))
        if maximum is not None:
            check_positive(maximum=maximum)
        self.metadata, self.layout, self.maximum, self.show_channels = metadata, layout, maximum, show_channels
        super().__init__(root, image_size=28 if image_size is None else image_size, **kwargs)
        self.split_by = rule_of_splits(split_by, (self.training_groups.kind, self.evaluation_groups.kind))
        self._images: np.ndarray | None = None  # those of Python, as are the columns and names
        self._columns: Columns = {}
        self._names: dict[str, list[str]] = {}
        self._splits: dict[Split, ImageTable] = {}
        if (path := self.file()) and (shape := shape_of_images(path)):
            self._take_shape(shape, str(path), image_size)

    @classmethod
    def from_arrays(
        cls,
        images: np.ndarray | Tensor,
        columns: Columns | None = None,
        names: Mapping[str, list[str]] | None = None,
        **settings,
    ) -> "ArrayDataModule":
        """Images in memory.

        Args:
            images: as in a file.
            columns: numbers or text ``(N,)`` by name; ``split`` and ``file`` have the same meaning as in a table.
            names: names of the values 0, 1, … of some columns.
            **settings: the settings of the class, without ``root`` and ``metadata``.

        Example:
            >>> images = np.random.default_rng(0).integers(0, 256, (50, 8, 8), np.uint8)
            >>> data = ArrayDataModule.from_arrays(images, {"plate": ["a", "b"] * 25}, group_size=4)
            >>> data.image_shape, data.names["plate"]
            ((1, 8, 8), ['a', 'b'])
        """
        data = cls(root="", **settings)
        data._images = images.cpu().numpy() if isinstance(images, Tensor) else np.asarray(images)
        data._columns, data._names = dict(columns or {}), dict(names or {})
        data._take_shape(data._images.shape, "images", settings.get("image_size"))
        return data

    @classmethod
    def from_dataset(cls, dataset: Any, **settings) -> "ArrayDataModule":
        """A map-style dataset, such as those of torchvision and Hugging Face, read once with a progress bar.

        Args:
            dataset: its items are ``(image, label)``, or dicts with an image and values.
            **settings: the settings of the class, without ``root`` and ``metadata``.
        """
        images, columns, names = read_dataset(dataset, settings.get("image_size"))
        return cls.from_arrays(images, columns, names, **settings)

    def file(self) -> Path | None:
        """The file of the images, if it is there."""
        root = Path(self.root)
        with readable():
            if root.is_dir() and self.root:
                files = [path for path in root.iterdir() if path.suffix.lower() in (".npy", ".npz")]
                return files[0] if len(files) == 1 else None
        return first_file(root)

    def relocate(self, root: str, image_size: int) -> None:
        super().relocate(root, image_size)
        self._splits = {}

    def _take_shape(self, shape: tuple[int, ...], where: str, image_size: int | None) -> None:
        """The number of channels and, unless it is set, the size, from the shape of the images."""
        axes = layout_of(shape, self.layout, where)
        channels = {"nhw": 1, "nhwc": shape[-1], "nchw": shape[1]}[axes]
        self.image_size = image_size or min(shape[2:] if axes == "nchw" else shape[1:3])
        self.image_shape = (channels, self.image_size, self.image_size)
        shown = self.show_channels
        if shown is not None and (len(shown) != 3 or len(set(shown)) < 3 or not set(shown) <= set(range(channels))):
            raise ConfigError(f"show_channels: expected three of the channels 0 to {channels - 1}, got {shown}")

    @property
    def names(self) -> dict[str, list[str]]:
        self.prepare_data()
        return self._names

    def read_split(self, split: Split) -> ImageTable:
        self.prepare_data()
        if split not in self._splits:
            raise DataError(f"{self.title}: no image of {self.root or 'the array'} is in the {split} split")
        return self._splits[split]

    def prepare_data(self) -> None:
        """Reads the arrays, once.

        Raises:
            DataError: the file is missing, damaged, or of another format or range; a table about other images.
        """
        if self._splits:
            return
        path, arrays = self.file(), {"images": self._images}
        if self._images is None:
            if path is None:
                raise self.missing("no file .npy or .npz, or more than one,")
            arrays = load_arrays(path)
        where, source = str(path or "images"), arrays.pop("images")
        images = prepared(source, self.layout, self.image_shape, self.show_channels, self.maximum, where)
        values = {**arrays, **self._columns, **self._table(len(images))}
        files = next((list(map(str, values.pop(name))) for name in FILE_COLUMNS if name in values), None)
        stated = split_of_texts(list(map(str, values.pop("split"))), where) if "split" in values else None
        columns, names = columns_of(values, len(images))
        self._names = {**names, **self._names}
        table = ImageTable(images, columns, files)
        split = self._split_of(table, stated, where)
        mapped = isinstance(source, np.memmap) and np.may_share_memory(images.numpy(), source)
        for number, name in enumerate(SPLITS):
            if len(rows := torch.from_numpy(np.flatnonzero(split == number))):
                self._splits[name] = table.view(rows) if mapped else table.subset(rows)

    def _table(self, count: int) -> dict[str, list[str]]:
        """The columns of the table beside the file."""
        if self._images is not None:
            return {}
        folder = self.file().parent
        if self.metadata is not None:
            return read_columns(stated_table(self.metadata, folder), count)
        path = first_file(*(folder / name for name in TABLE_NAMES))
        return read_columns(path, count) if path else {}

    def _split_of(self, table: ImageTable, stated: np.ndarray | None, where: str) -> np.ndarray:
        """The split of each image, ``(N,)``."""
        column, groups = self.training_groups.column, []
        if self.split_by == "group":
            texts = dict(enumerate(self._names.get(column, [])))
            groups = [texts.get(value, str(value)) if value >= 0 else "" for value in table.column(column).tolist()]
        files = table.files or [f"row {row}" for row in range(len(table))]
        return split_by_rule(self.split_by, stated, files, groups, column, f"of {where}")
