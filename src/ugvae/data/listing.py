"""The files of a dataset: how they are found, what their names say, and which split each belongs to."""

import hashlib
import json
import os
import re
import stat
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NoReturn

import numpy as np

from ugvae.data.decoding import IMAGE_SUFFIXES, Transform, decode_image
from ugvae.data.table import SPLITS, split_rows
from ugvae.errors import DataError

HELD_OUT = 0.1  # share of the objects for validation, and again for the test, where the owner has no splits
Sources = dict[str, str]  # names relative to the root, and as text the size and time of change


@dataclass(frozen=True)
class Listing:
    """F files, each of ``images_per_file`` images; N images in all.

    Attributes:
        files: names relative to the root.
        split: ``(F,)``: 0 train, 1 val, 2 test.
        columns: integers or floats ``(N,)`` by name.
        names: names of the values 0, 1, … of some columns.
        images_per_file: images in each file.
        decode: function from the bytes of a file to uint8 ``(images_per_file, C, H, W)``.
        contents: bytes, by name, of files that lie in an archive; the others are read from the disk.
    """

    files: list[str]
    split: np.ndarray
    columns: dict[str, np.ndarray] = field(default_factory=dict)
    names: dict[str, list[str]] = field(default_factory=dict)
    images_per_file: int = 1
    decode: Callable[[bytes, Transform], np.ndarray] = decode_image
    contents: Mapping[str, bytes] = field(default_factory=dict)

    def subset(self, positions: np.ndarray) -> "Listing":
        """The files at ``positions``, in that order, with the columns of their images."""
        rows = (positions[:, None] * self.images_per_file + np.arange(self.images_per_file)).ravel()
        columns = {name: column[rows] for name, column in self.columns.items()}
        files = [self.files[position] for position in positions]
        return replace(self, files=files, split=self.split[positions], columns=columns)


def scan(root: Path, folder: str = ".", suffixes: Collection[str] = IMAGE_SUFFIXES) -> Sources:
    """All files of some kinds below a folder, links followed, in the order of their names.

    Names are relative to ``root``, as is ``folder``; nothing is found if that is no folder. Hidden files and folders
    are left out (among them the cache, and the ``._*`` files of archives from a Mac). ``suffixes`` are in lower case.

    Raises:
        DataError: a folder cannot be read; a name belongs to a pipe or a device; a link leads nowhere, or a second time
            to a folder, whose images would then count twice.
    """
    files: Sources = {}
    visited: dict[str, str] = {}  # the path of a folder by its path without links

    def fail(error: OSError) -> NoReturn:
        raise error

    try:
        if not (root / folder).is_dir():
            return {}
        for place, folders, names in os.walk(root / folder, followlinks=True, onerror=fail):
            real = os.path.realpath(place)
            if real in visited and place.startswith(visited[real] + os.sep):  # a link to a folder that it is in
                folders.clear()
                continue
            if real in visited:
                raise DataError(f"{place}: by a link the same folder as {visited[real]}; its images would count twice")
            visited[real] = place
            folders[:] = [name for name in folders if name[0] != "."]
            prefix = "" if place == str(root) else f"{os.path.relpath(place, root)}/"
            for name in names:
                if name[0] != "." and name[name.rfind(".") :].lower() in suffixes:
                    status = os.stat(os.path.join(place, name))
                    if not stat.S_ISREG(status.st_mode):  # a pipe or a device, which might never end
                        raise DataError(f"{os.path.join(place, name)}: neither a file nor a folder")
                    files[prefix + name] = _stamp(status)
    except OSError as error:
        raise DataError(f"{error.filename}: cannot be read ({error.strerror})") from error
    return dict(sorted(files.items()))


def _stamp(status: os.stat_result) -> str:
    return f"{status.st_size} {status.st_mtime_ns}"


@contextmanager
def readable() -> Iterator[None]:
    """Looks for files in a ``with``; raises a DataError if a folder belongs to another user and may not be looked into.

    Even ``Path.is_file`` raises a PermissionError there.
    """
    try:
        yield
    except PermissionError as error:
        raise DataError(f"{error.filename}: cannot be read ({error.strerror})") from error


def first_file(*paths: Path) -> Path | None:
    """The first of the paths that is a file; raises as ``readable`` does."""
    with readable():
        return next((path for path in paths if path.is_file()), None)


def existing(root: Path, names: Sequence[str]) -> Sources:
    """The files of these names that are there; raises as ``readable`` does."""
    with readable():
        return {name: _stamp((root / name).stat()) for name in names if (root / name).is_file()}


def read_bytes(path: Path) -> bytes:
    """The bytes of a file.

    Raises:
        DataError: it cannot be opened or read, which says nothing about its content.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error


def source_digest(files: Sources, options: dict) -> str:
    """SHA-256 of the names, sizes and times of files, and of the settings of how to read them."""
    lines = [json.dumps(options, sort_keys=True), *(f"{name}\0{stamp}" for name, stamp in files.items())]
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()


def numbered(values: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """(int64 number of each value, the distinct values in order): value i is ``distinct[number[i]]``."""
    distinct, numbers = np.unique(np.asarray(values), return_inverse=True)
    return numbers.astype(np.int64), distinct.tolist()


def position_within(numbers: np.ndarray) -> np.ndarray:
    """Counts the images of every object: 0, 1, … in the order of ``numbers (N,)``, the object of each image."""
    order = np.argsort(numbers, kind="stable")
    starts = np.searchsorted(numbers[order], numbers[order])
    positions = np.empty(len(numbers), np.int64)
    positions[order] = np.arange(len(numbers)) - starts
    return positions


def columns_of_names(names: list[str], patterns: Sequence[str]) -> dict[str, list[str]]:
    """The named groups of the first pattern that fits all names; an empty dict if none does."""
    for pattern in patterns:
        matches = [re.search(pattern, name) for name in names]
        if all(matches):
            return {group: [match[group] for match in matches] for group in re.compile(pattern).groupindex}
    return {}


def split_by_object(objects: np.ndarray, what: str) -> np.ndarray:
    """0 (train), 1 (val) or 2 (test) for each image, about 80, 10 and 10 % of the objects, none of them in two.

    ``objects (N,)`` are their numbers, from 0 on without gaps; ``what`` they are is for the message.

    Raises:
        DataError: fewer than three objects.
    """
    count = int(objects.max()) + 1
    if count < 3:
        raise DataError(f"{count} {what} cannot be divided into training, validation and test; at least 3 are needed")
    held_out = max(1, round(HELD_OUT * count))
    return hold_out(hold_out(np.zeros(count, np.int64), 2, what, held_out), 1, what, held_out)[objects]


def hold_out(split: np.ndarray, number: int, what: str, count: int | None = None) -> np.ndarray:
    """Moves entries of ``split (N,)`` from training, drawn with a fixed seed, to the split ``number``.

    By default ``count`` is 10 % of them, at least one; ``what`` they are is for the message.

    Raises:
        DataError: none would be left for training.
    """
    train = np.flatnonzero(split == 0)
    count = max(1, round(HELD_OUT * len(train))) if count is None else count
    if count >= len(train):
        raise DataError(f"{len(train)} {what} are too few to cut a {SPLITS[number]} split from them")
    moved = split.copy()
    moved[train[split_rows(len(train), count, seed=0)[1]]] = number
    return moved
