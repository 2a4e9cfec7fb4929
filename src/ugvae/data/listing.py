"""What a dataset of image files is made of: which files, what their names say, and which split each is in."""

import hashlib
import json
import os
import re
import stat
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ugvae.data.decoding import IMAGE_SUFFIXES, Transform, decode_image
from ugvae.data.module import split_rows
from ugvae.errors import DataError

HELD_OUT = 0.1  # of the objects, for validation and once more for the test, where the owner has no splits


# Files as the cache remembers them: name relative to the root, and its size and time of change. Plain text by plain
# text: at 200,000 files, a tuple for each would take longer than looking them up.
Sources = dict[str, str]


@dataclass(frozen=True)
class Listing:
    """F files, each of ``images_per_file`` images; N images in all.

    Attributes:
        files: names relative to the root.
        split: ``(F,)``: 0 train, 1 val, 2 test.
        columns: integers ``(N,)`` by name.
        names: what the values 0, 1, … of some columns stand for.
        images_per_file: 1, but for files of many images.
        decode: bytes of a file to uint8 ``(images_per_file, C, H, W)``.
    """

    files: list[str]
    split: np.ndarray
    columns: dict[str, np.ndarray] = field(default_factory=dict)
    names: dict[str, list[str]] = field(default_factory=dict)
    images_per_file: int = 1
    decode: Callable[[bytes, Transform], np.ndarray] = decode_image

    def subset(self, positions: np.ndarray) -> "Listing":
        """The files at ``positions``, in that order, with all that is known of their images."""
        rows = (positions[:, None] * self.images_per_file + np.arange(self.images_per_file)).ravel()
        columns = {name: column[rows] for name, column in self.columns.items()}
        files = [self.files[position] for position in positions]
        return replace(self, files=files, split=self.split[positions], columns=columns)


def scan(root: Path, folder: str = ".", suffixes: Collection[str] = IMAGE_SUFFIXES) -> Sources:
    """All files of some kinds below a folder, links followed, in the order of their names.

    Hidden files and folders are left out (among them the cache, and the ``._*`` files of archives from a Mac).

    Args:
        root: what names are relative to.
        folder: where to look, relative to ``root``; nothing is found if it is no folder.
        suffixes: in lower case, with the dot.

    Raises:
        DataError: a folder cannot be read; a name is that of a pipe or a device; a link leads nowhere, or a second
            time to a folder, whose images would then count twice.
    """
    found: Sources = {}
    try:
        if (root / folder).is_dir():
            _walk(str(root / folder), "" if folder == "." else f"{folder}/", frozenset(suffixes), (), {}, found)
    except OSError as error:
        raise DataError(f"{error.filename}: cannot be read ({error.strerror})") from error
    return {name: found[name] for name in sorted(found)}


def _walk(
    folder: str,
    prefix: str,
    suffixes: frozenset[str],
    above: tuple[str, ...],
    visited: dict[str, str],
    found: Sources,
) -> None:
    real = os.path.realpath(folder)
    if real in above:  # a link to a folder that it is in
        return
    if real in visited:
        raise DataError(f"{folder}: by a link the same folder as {visited[real]}; its images would count twice")
    visited[real] = folder
    with os.scandir(folder) as entries:
        for entry in entries:
            name = entry.name
            if name[0] == ".":
                continue
            if name[name.rfind(".") :].lower() in suffixes:  # as os.path.splitext, in a third of the time
                status = entry.stat()
                if not stat.S_ISDIR(status.st_mode):
                    if not stat.S_ISREG(status.st_mode):  # a pipe or a device, which might never end
                        raise DataError(f"{entry.path}: neither a file nor a folder")
                    found[prefix + name] = _stamp(status)
                    continue
            if entry.is_dir():
                _walk(entry.path, f"{prefix}{name}/", suffixes, (*above, real), visited, found)


def _stamp(status: os.stat_result) -> str:
    return f"{status.st_size} {status.st_mtime_ns}"


def existing(root: Path, names: Sequence[str]) -> Sources:
    """Those of the files ``names`` that are there."""
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
    """SHA-256 of the names, sizes and times of files, and of the settings that say how to read them."""
    lines = [json.dumps(options, sort_keys=True), *(f"{name}\0{stamp}" for name, stamp in files.items())]
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()


def numbered(values: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """(int64 number of each value, the distinct values in order): value i is ``distinct[number[i]]``."""
    distinct, numbers = np.unique(np.asarray(values), return_inverse=True)
    return numbers.astype(np.int64), distinct.tolist()


def position_within(numbers: np.ndarray) -> np.ndarray:
    """How many of the same number come before each: 0, 1, … over the images of an object."""
    order = np.argsort(numbers, kind="stable")
    starts = np.searchsorted(numbers[order], numbers[order])
    positions = np.empty(len(numbers), np.int64)
    positions[order] = np.arange(len(numbers)) - starts
    return positions


def columns_of_names(names: list[str], patterns: Sequence[str]) -> dict[str, list[str]]:
    """What the first pattern that fits all names finds: its named groups; nothing if none fits."""
    for pattern in patterns:
        matches = [re.search(pattern, name) for name in names]
        if all(matches):
            return {group: [match[group] for match in matches] for group in re.compile(pattern).groupindex}
    return {}


def split_by_object(objects: np.ndarray, what: str) -> np.ndarray:
    """0 (train), 1 (val) or 2 (test) for each image, so that no object is in two: about 80, 10 and 10 % of them.

    Args:
        objects: ``(N,)`` number of the object of each image, from 0 on without gaps.
        what: an object is, for the message.

    Raises:
        DataError: fewer than three objects.
    """
    count = int(objects.max()) + 1
    if count < 3:
        raise DataError(f"{count} {what} cannot be divided into training, validation and test; at least 3 are needed")
    held_out = max(1, round(HELD_OUT * count))
    development, test = split_rows(count, held_out, seed=0)
    val = development[split_rows(len(development), held_out, seed=0)[1]]
    split = np.zeros(count, np.int64)
    split[val], split[test] = 1, 2
    return split[objects]
