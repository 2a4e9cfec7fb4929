"""Base of the datasets of image files: they are found, decoded once into a cache, and read as views of it."""

import hashlib
import json
import os
import re
from abc import abstractmethod
from dataclasses import asdict
from pathlib import Path, PurePosixPath

import numpy as np
from jsonargparse.typing import PositiveInt

from ugvae.data.build import build_cache
from ugvae.data.cache import Cache, CacheKey, open_cache
from ugvae.data.decoding import Transform
from ugvae.data.listing import (
    Listing,
    Sources,
    columns_of_names,
    numbered,
    position_within,
    readable,
    scan,
    source_digest,
    split_by_object,
)
from ugvae.data.module import GroupDataModule
from ugvae.data.table import ImageTable
from ugvae.errors import ConfigError, DataError, check_counts
from ugvae.machine import cores


class ImageFilesDataModule(GroupDataModule):
    """Base of the datasets of image files. A subclass finds the files and describes them: their columns and splits.

    The images are decoded once, in parallel, into a memory-mapped file that all processes share (``ugvae.data.cache``).
    It is rebuilt when a file or a setting changes.

    Args:
        root: folder of the dataset.
        image_size: H = W in pixels; images are squeezed to it whole unless the dataset has a setting for a cut.
        skip_corrupt: leave corrupt files out and list them, instead of stopping.
        cache_dir: folder for the decoded images; by default ``.cache`` in ``root``.
        cache_workers: processes that decode; by default one per core.
        **kwargs: the settings of ``GroupDataModule``.

    Raises:
        ConfigError: a value out of range; the message names the setting.
    """

    channels = 3

    def __init__(
        self,
        root: str,
        image_size: PositiveInt = 64,
        skip_corrupt: bool = False,
        cache_dir: str | None = None,
        cache_workers: int | None = None,
        **kwargs,
    ) -> None:
        super().__init__(root, image_size=image_size, **kwargs)
        if cache_workers is not None:
            check_counts(cache_workers=cache_workers)
        self.skip_corrupt, self.cache_workers = skip_corrupt, cache_workers
        self.cache_dir = None if cache_dir is None else os.path.expanduser(cache_dir)
        self._cache: Cache | None = None

    def relocate(self, root: str, image_size: int) -> None:
        super().relocate(root, image_size)
        self._cache = None

    def find(self) -> Sources:
        """All files of the dataset, those of labels too; by default all images below the root.

        Raises:
            DataError: they are not there; see ``missing``.
        """
        if not (files := scan(Path(self.root))):
            raise self.missing("no images")
        return files

    @abstractmethod
    def describe(self, files: list[str]) -> Listing:
        """The columns and splits of the files that ``find`` returned; called only when there is a cache to build.

        Raises:
            DataError: too few files, or files that disagree or cannot be understood.
            ConfigError: a column that the settings name is not there.
        """

    def transform(self) -> Transform:
        """What is done to each image."""
        return Transform(self.image_size, self.channels)

    def options(self) -> dict:
        """Settings besides the transform that change what ``describe`` returns."""
        return {}

    @property
    def names(self) -> dict[str, list[str]]:
        return self.cache().manifest["names"]

    def prepare_data(self) -> None:
        """Builds the cache where there is none; called by the trainer on one process per node.

        Raises:
            DataError: files are missing, disagree or are corrupt; the cache cannot be written.
        """
        self.cache()

    def read_split(self, split: str) -> ImageTable:
        """One split, a view of the memory-mapped images."""
        table = self.cache().split(split)
        if len(table) == 0:
            raise DataError(f"{self.title}: no image under {self.root} is in the {split} split")
        return table

    def cache(self) -> Cache:
        """The decoded images, opened or built at the first call; see ``prepare_data`` for the errors."""
        if self._cache is None:
            files, transform, options, root = self.find(), self.transform(), self.options(), Path(self.root)
            key = CacheKey(self.title, root, source_digest(files, options), transform)
            variant = {**asdict(transform), **options, **({"root": str(root.resolve())} if self.cache_dir else {})}
            digest = hashlib.sha256(json.dumps(variant, sort_keys=True).encode()).hexdigest()
            name = f"{re.sub(r'[^a-z0-9]+', '-', self.title.lower())}-{self.image_size}-{digest[:8]}"
            folder = (Path(self.cache_dir) if self.cache_dir else root / ".cache") / name

            def build() -> None:
                workers = self.cache_workers or cores()
                build_cache(folder, key, self.describe(list(files)), workers, self.skip_corrupt)

            self._cache = open_cache(folder, key, build, self.skip_corrupt)
        return self._cache


def inner(root: Path, name: str) -> str:
    """``name`` if that is a folder in ``root``, else "." for ``root`` itself: users give the one or the other."""
    with readable():
        return name if (root / name).is_dir() else "."


class NamedObjectsDataModule(ImageFilesDataModule):
    """Base of the datasets whose files are named after objects, such as scans. No object is in two splits.

    ``pattern`` is a regular expression with a named group ``object_column``; None for the known ``patterns``.

    Raises:
        ConfigError: ``pattern`` is no regular expression, or has no such group.
    """

    object_column = ""  # the column of the objects, and the group of a pattern that matches them
    patterns: tuple[str, ...] = ()

    def __init__(self, root: str, pattern: str | None = None, **kwargs) -> None:
        super().__init__(root, **kwargs)
        if pattern is not None:
            try:
                groups = re.compile(pattern).groupindex
            except re.error as error:
                raise ConfigError(f"pattern: {pattern!r} is not a regular expression ({error})") from error
            if self.object_column not in groups:
                raise ConfigError(f"pattern: {pattern!r} has no group (?P<{self.object_column}>…)")
        self.pattern = pattern

    def options(self) -> dict:
        return {"pattern": self.pattern}

    def describe(self, files: list[str]) -> Listing:
        """Reads the names.

        Raises:
            DataError: fewer than three objects, or a name that ``pattern`` does not fit.
        """
        groups = columns_of_names(files, [self.pattern] if self.pattern else self.patterns)
        if self.pattern and not groups:
            stranger = next(name for name in files if not re.search(self.pattern, name))
            raise DataError(f"{Path(self.root) / stranger}: data.pattern {self.pattern!r} does not fit this name")
        groups = groups or {self.object_column: [object_of(name) for name in files]}
        objects, object_names = numbered(groups.pop(self.object_column))
        columns, names = {self.object_column: objects, "view": position_within(objects)}, {}
        for name, values in groups.items():
            if all(value is not None and value.isdecimal() for value in values):
                columns[name] = np.array([int(value) for value in values], np.int64)
            else:
                columns[name], names[name] = numbered([value or "" for value in values])
        split = split_by_object(objects, f"{self.object_column}s under {self.root} ({', '.join(object_names[:3])})")
        return Listing(files, split, columns, {self.object_column: object_names, **names})


def object_of(name: str) -> str:
    """The folder of a file; for a file in the root, its name up to the first separator."""
    path = PurePosixPath(name)
    return str(path.parent) if len(path.parts) > 1 else re.split(r"[_\-. ]", path.name)[0]
