"""Files that describe images: rows of text, and the check that they are about the images of a folder."""

from collections import Counter
from collections.abc import Iterable, Set
from pathlib import Path

import numpy as np

from ugvae.data.listing import read_bytes
from ugvae.errors import DataError, summary

ONE_SOURCE = "Take the images and the annotations from one source"


def read_lines(path: Path) -> list[str]:
    """The lines of a text file, with the line ends of any system."""
    return read_bytes(path).decode("utf-8-sig", errors="replace").splitlines()


def read_rows(path: Path, lines: Iterable[str], images: list[str], width: int, allowed: Set[str]) -> np.ndarray:
    """Reads rows of an image's name and ``width`` values; returns int8 ``(N, width)`` in the order of ``images``.

    Raises:
        DataError: another number of values, values that are not ``allowed``, or other images.
    """
    rows: list[tuple[str, np.ndarray]] = []
    for name, *values in filter(None, map(str.split, lines)):
        if len(values) != width or not allowed.issuperset(values):
            raise DataError(f"{path}: the row of {name} does not have {width} values of {' or '.join(sorted(allowed))}")
        rows.append((name, np.array(values, dtype=np.int8)))
    check_names(path, [name for name, _ in rows], images)
    by_name = dict(rows)
    return np.stack([by_name[name] for name in images])


def check_names(path: Path, rows: list[str], images: list[str], advice: str = ONE_SOURCE) -> None:
    """Checks that a text file has one row for each image of a folder; ``advice`` ends the message.

    Raises:
        DataError: they differ; the message counts and names the differences.
    """
    differences = {
        "rows without an image": sorted(set(rows) - set(images)),
        "images without a row": sorted(set(images) - set(rows)),
        "repeated rows": sorted(name for name, count in Counter(rows).items() if count > 1),
    }
    parts = [f"{len(names):,} {kind}: {summary(names)}" for kind, names in differences.items() if names]
    if parts:
        raise DataError(f"{path}: {len(rows):,} rows and {len(images):,} images; {'; '.join(parts)}. {advice}")
