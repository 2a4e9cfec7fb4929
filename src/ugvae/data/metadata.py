"""Tables that users write about their images: CSV, TSV and JSON lines, read into columns of numbers and of names."""

import csv
import io
import json
import math
import os
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from ugvae.data.annotations import check_names
from ugvae.data.listing import first_file, read_bytes
from ugvae.data.table import RESERVED
from ugvae.errors import ConfigError, DataError

TABLE_NAMES = ("metadata.csv", "metadata.tsv", "metadata.jsonl")  # found beside the images without a setting
FILE_COLUMNS = ("file_name", "file")
INTEGER = re.compile(r"0|[1-9][0-9]{0,17}")
NUMBER = re.compile(r"[+-]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,2})?")
UNKNOWN = ("", "nan", "NaN")
ADVICE = "Names are paths from the table's folder or from the root; each image needs one row"


def stated_table(metadata: str, folder: Path) -> Path:
    """The table that the setting ``metadata`` names: by its path, or by that from a folder.

    Raises:
        ConfigError: there is none.
    """
    if path := first_file(Path(os.path.expanduser(metadata)), folder / metadata):
        return path
    raise ConfigError(f"metadata: no such file: {metadata}")


def read_table(path: Path) -> list[dict[str, str]]:
    """The rows of a table as text by column, in any of the formats; JSON's null is empty text.

    Raises:
        DataError: the file cannot be read, or a row does not fit the header; the message names the line.
    """
    text = read_bytes(path).decode("utf-8-sig", errors="surrogateescape")
    rows = _json_rows(path, text) if path.suffix.lower() in (".jsonl", ".ndjson") else _csv_rows(path, text)
    if not rows:
        raise DataError(f"{path}: the table has no row")
    if taken := sorted(RESERVED & rows[0].keys()):
        raise DataError(
            f"{path}: a column cannot be called {taken[0]!r}, batches have an entry of this name; rename it"
        )
    return rows


def _csv_rows(path: Path, text: str) -> list[dict[str, str]]:
    header = text.split("\n", 1)[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=header.count), strict=True)
    rows: list[dict[str, str]] = []
    names: list[str] = []
    try:
        for values in filter(any, reader):
            if not names:
                names = [name.strip() for name in values]
                if doubled := {name for name in names if name and names.count(name) > 1}:
                    raise DataError(f"{path}: two columns are called {min(doubled)!r}")
            elif len(values) != len(names):
                raise DataError(f"{path}: line {reader.line_num} has {len(values)} values for {len(names)} columns")
            else:
                row = zip(names, map(str.strip, values), strict=True)
                rows.append({name: value for name, value in row if name})  # a column without a name counts rows
    except csv.Error as error:
        raise DataError(f"{path}: line {reader.line_num} cannot be read ({error})") from error
    return rows


def _json_rows(path: Path, text: str) -> list[dict[str, str]]:
    rows = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path}: line {number} is not JSON ({error})") from error
        if not isinstance(row, dict):
            raise DataError(f"{path}: line {number} is not an object with a value for each column")
        for name, value in row.items():
            if isinstance(value, dict | list):
                raise DataError(f"{path}: line {number} has more than one value in {name!r}")
            row[name] = "" if value is None else str(int(value) if isinstance(value, bool) else value).strip()
        rows.append(row)
    return rows


def read_columns(path: Path, count: int) -> dict[str, list[str]]:
    """The columns of a table as text ``(N,)``, a row for each of ``count`` images in their order.

    Raises:
        DataError: another number of rows; see ``read_table`` too.
    """
    rows = read_table(path)
    if len(rows) != count:
        raise DataError(f"{path}: {len(rows):,} rows for {count:,} images; it needs one for each, in their order")
    return {name: [row.get(name, "") for row in rows] for name in dict.fromkeys(name for row in rows for name in row)}


def join_tables(root: Path, tables: Sequence[str], images: Sequence[str]) -> dict[str, list[str]]:
    """The columns of tables about ``images``, as text ``(N,)`` in their order; all files are relative to ``root``.

    The rows of all tables are put together.

    Raises:
        DataError: a table has no column of files; rows without an image, images without a row, or two rows of one
            image; each difference is counted, and some are named.
    """
    present, by_image, names = set(images), {}, []
    for table in tables:
        for row in read_table(root / table):
            column = next((name for name in FILE_COLUMNS if name in row), None)
            if column is None:
                there = ", ".join(row) or "none"
                raise DataError(f"{root / table}: no column {' or '.join(FILE_COLUMNS)}; the columns are {there}")
            name = _image_of(row.pop(column), root, str(PurePosixPath(table).parent), present)
            names.append(name)
            by_image[name] = row
    check_names(root / tables[0], names, list(images), ADVICE)
    columns = dict.fromkeys(name for row in by_image.values() for name in row)
    return {column: [by_image[name].get(column, "") for name in images] for column in columns}


def _image_of(name: str, root: Path, folder: str, images: set[str]) -> str:
    """The image that a row is about: by its path from the table's folder, or from the root."""
    for path in dict.fromkeys((name, name.replace("\\", "/"))):
        for place in (root / folder / path, root / path):
            if (candidate := os.path.relpath(os.path.normpath(place), root)) in images:
                return candidate
    return name


def coded(texts: Sequence[str]) -> tuple[np.ndarray, list[str] | None]:
    """A column of text as numbers, and the names of the values where it does not hold numbers.

    Whole numbers ≥ 0 stay whole (int64, −1 for empty text). Other numbers are float64, NaN for empty text. Anything
    else, such as ``007`` too, is a name: value i is the i-th name in alphabetical order, −1 is empty text.

    Example:
        >>> coded(["b", "", "a"])
        (array([ 1, -1,  0]), ['a', 'b'])
        >>> coded(["3", "", "1.5"])
        (array([3. , nan, 1.5]), None)
    """
    known = {text for text in texts if text not in UNKNOWN}
    if known and all(map(INTEGER.fullmatch, known)):
        return np.array([int(text) if text in known else -1 for text in texts], np.int64), None
    if known and all(map(NUMBER.fullmatch, known)):
        return np.array([float(text) if text in known else math.nan for text in texts], np.float64), None
    return named(texts, UNKNOWN)


def named(texts: Sequence[str], unknown: Sequence[str] = ("",)) -> tuple[np.ndarray, list[str]]:
    """Numbers ``(N,)`` of texts and, in their order, the texts; −1 for what is ``unknown``."""
    names = sorted(set(texts) - set(unknown))
    numbers = {name: number for number, name in enumerate(names)}
    return np.array([numbers.get(text, -1) for text in texts], np.int64), names


def coded_columns(texts: dict[str, list[str]]) -> tuple[dict[str, np.ndarray], dict[str, list[str]]]:
    """All columns of text as numbers, and the names of those values that have names; see ``coded``."""
    columns = {name: coded(values) for name, values in texts.items()}
    names = {name: value_names for name, (_, value_names) in columns.items() if value_names is not None}
    return {name: values for name, (values, _) in columns.items()}, names
