"""Renderings of objects, where the names of the files say which object each shows."""

import re
from pathlib import Path, PurePosixPath

import numpy as np

from datamodules.image_files import ImageFilesDataModule
from datamodules.listing import (
    Listing,
    columns_of_names,
    numbered,
    position_within,
    split_by_object,
)
from ugvae.errors import ConfigError, DataError


class NamedObjectsDataModule(ImageFilesDataModule):
    """Base of the datasets whose splits keep objects apart that the files are named after.

    Args:
        root: folder of the images, at any depth.
        pattern: a regular expression with a named group ``object_column``; None for the known ``patterns``.
        **kwargs: those of ``ImageFilesDataModule``.

    Raises:
        ConfigError: ``pattern`` is no regular expression, or has no such group.
    """

    object_column = ""  # the column of the objects, and the group of a pattern that finds them
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
        found = columns_of_names(files, [self.pattern] if self.pattern else self.patterns)
        if self.pattern and not found:
            stranger = next(name for name in files if not re.search(self.pattern, name))
            raise DataError(f"{Path(self.root) / stranger}: data.pattern {self.pattern!r} does not fit this name")
        found = found or {self.object_column: [object_of(name) for name in files]}
        objects, known = numbered(found.pop(self.object_column))
        columns = {self.object_column: objects, "view": position_within(objects)}
        names = {self.object_column: known}
        for name, values in found.items():
            if all(value is not None and value.isdecimal() for value in values):
                columns[name] = np.array([int(value) for value in values], np.int64)
            else:
                columns[name], names[name] = numbered([value or "" for value in values])
        split = split_by_object(objects, f"{self.object_column}s under {self.root} ({', '.join(known[:3])})")
        return Listing(files, split, columns, names)


def object_of(name: str) -> str:
    """The folder that a file is in; of one directly in the root, its name up to the first separator."""
    path = PurePosixPath(name)
    return str(path.parent) if len(path.parts) > 1 else re.split(r"[_\-. ]", path.name)[0]
