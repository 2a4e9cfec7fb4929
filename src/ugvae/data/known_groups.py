"""Groups with a known structure, to ask afterwards what beta knows of it: by value, by conditions, by number series.

Everything here draws from the rows of one table, by rule that of the test split. Two sets of groups without an image
in common, as for a classifier's training and test, come from disjoint ``rows`` (``datamodules.base.split_rows``).

Axes: N groups, B images per group, M rows.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, count, islice
from typing import NamedTuple

import torch
from torch import Tensor

from ugvae.data.groupings import draw_rows, rows_by_value
from ugvae.data.table import ImageTable
from ugvae.errors import ConfigError

RANDOM = -1  # the label of random groups
SERIES_LENGTH = 256  # digits of a series, as in the authors' code


class StructuredGroups(NamedTuple):
    """Groups and what each of them is.

    Attributes:
        groups: rows of the table, ``(N, B)``.
        labels: kind of each group ``(N,)``, −1 for random groups.
        names: of the kinds other than random.
    """

    groups: Tensor
    labels: Tensor
    names: dict[int, str]


def draw_groups(rows: Tensor, num_groups: int, group_size: int, generator: torch.Generator) -> Tensor:
    """Groups drawn from ``rows (M,)``: no image twice in a group, none twice at all while the rows last.

    Returns:
        rows ``(num_groups, group_size)``.

    Raises:
        ConfigError: fewer rows than one group needs.
    """
    if len(rows) < group_size:
        raise ConfigError(f"group_size: a group of {group_size} cannot be drawn from {len(rows)} images")
    return draw_rows(torch.zeros((num_groups, group_size), dtype=torch.long), {0: rows}, generator)


def groups_where(
    table: ImageTable,
    conditions: Sequence[Mapping[str, int]],
    group_size: int,
    groups_per_condition: int,
    num_random: int = 0,
    seed: int = 0,
    rows: Tensor | None = None,
    names: Sequence[str] | None = None,
) -> StructuredGroups:
    """Groups whose images all meet a condition, such as ``{"Male": 1}`` or ``{"Male": 1, "Black_Hair": 1}``.

    Args:
        table: the images and their columns.
        conditions: values of columns, all of which an image must have; their position is the label.
        group_size: B.
        groups_per_condition: groups of each.
        num_random: groups of any images at all.
        seed: of the draw.
        rows: the rows to draw from; all by default.
        names: of the conditions; by default what they say.

    Raises:
        ConfigError: the table lacks a column, or has too few images that meet a condition.
    """
    generator = torch.Generator().manual_seed(seed)
    rows = torch.arange(len(table)) if rows is None else rows
    names = list(names or (" and ".join(f"{name} = {value}" for name, value in each.items()) for each in conditions))
    parts, labels = [], []
    if num_random:
        parts.append(draw_groups(rows, num_random, group_size, generator))
        labels.append(torch.full((num_random,), RANDOM))
    for label, condition in enumerate(conditions):
        suitable = _matching(table, condition, rows)
        if len(suitable) < group_size:
            raise ConfigError(f"group_size: {len(suitable)} images with {names[label]}, a group takes {group_size}")
        parts.append(draw_groups(suitable, groups_per_condition, group_size, generator))
        labels.append(torch.full((groups_per_condition,), label))
    return StructuredGroups(torch.cat(parts), torch.cat(labels), dict(enumerate(names)))


def mixed_groups(
    table: ImageTable, conditions: Sequence[Mapping[str, int]], group_size: int, num_groups: int, seed: int = 0
) -> Tensor:
    """Groups that mix kinds of image: each image meets one of the conditions, drawn with equal probability.

    Args:
        table: the images and their columns.
        conditions: of the kinds, which must exclude each other.
        group_size: B.
        num_groups: N.
        seed: of the draw.

    Returns:
        rows ``(N, B)``.

    Raises:
        ConfigError: the table lacks a column, or has fewer images of a kind than a group may take.
    """
    generator = torch.Generator().manual_seed(seed)
    everything = torch.arange(len(table))
    rows = {kind: _matching(table, condition, everything) for kind, condition in enumerate(conditions)}
    kinds = torch.randint(len(conditions), (num_groups, group_size), generator=generator)
    return draw_rows(kinds, rows, generator)


def groups_by_value(
    table: ImageTable,
    column: str,
    group_size: int,
    groups_per_value: int,
    seed: int = 0,
    rows: Tensor | None = None,
    names: Mapping[int, str] | None = None,
) -> StructuredGroups:
    """Groups of each value of a column, such as ``label`` or ``domain``, and as many random groups as all of them.

    Values below 0 are unknown, and get no groups.

    All groups have the same size, since the precision of beta grows with it: ``group_size``, or the number of images
    of the rarest value if that is smaller.

    Args:
        table: the images and their columns.
        column: whose values make the groups; their rank, 0 for the smallest, is the label.
        group_size: B wanted.
        groups_per_value: groups of each value.
        seed: of the draw.
        rows: the rows to draw from; all by default.
        names: of the values; by default the numbers.

    Raises:
        ConfigError: the table lacks the column, or has no value of it.
    """
    _check_column(table, column)
    values = {value: have for value, have in rows_by_value(table.columns[column], rows).items() if value >= 0}
    if not values:
        raise ConfigError(f"group_column: no image has a value of {column!r}")
    size = min(group_size, *map(len, values.values()))
    labels = [(names or {}).get(value, str(value)) for value in values]
    conditions = [{column: value} for value in values]
    return groups_where(
        table, conditions, size, groups_per_value, groups_per_value * len(values), seed, rows, names=labels
    )


def series_groups(
    table: ImageTable,
    group_size: int,
    groups_per_series: int,
    num_random: int = 0,
    seed: int = 0,
    rows: Tensor | None = None,
) -> StructuredGroups:
    """Groups that write the digits of a number series with images of those digits (Fig. 14).

    A group begins anywhere in the first 256 digits of its series, and goes on at the first after the last.

    Args:
        table: with the column ``label``, the digit of each image.
        group_size: B.
        groups_per_series: groups of each of ``SERIES``, in that order.
        num_random: groups of any images at all.
        seed: of the draw.
        rows: the rows to draw from; all by default.

    Raises:
        ConfigError: the table has no ``label``, or too few images of a digit.
    """
    _check_column(table, "label")
    generator = torch.Generator().manual_seed(seed)
    digits = torch.stack([series_digits(name) for name in SERIES])
    labels = torch.arange(len(SERIES)).repeat_interleave(groups_per_series)
    starts = torch.randint(SERIES_LENGTH, (len(labels), 1), generator=generator)
    wanted = digits[labels.unsqueeze(1), (starts + torch.arange(group_size)) % SERIES_LENGTH]
    parts = [draw_rows(wanted, rows_by_value(table.columns["label"], rows), generator)]
    if num_random:
        everything = torch.arange(len(table)) if rows is None else rows
        parts.append(draw_groups(everything, num_random, group_size, generator))
        labels = torch.cat([labels, torch.full((num_random,), RANDOM)])
    return StructuredGroups(torch.cat(parts), labels, dict(enumerate(SERIES)))


def series_digits(name: str, length: int = SERIES_LENGTH) -> Tensor:
    """The first decimal digits ``(length,)`` of a number series, its numbers written one after the other."""
    digits = chain.from_iterable(map(int, str(number)) for number in SERIES[name]())
    return torch.tensor(list(islice(digits, length)))


def _fibonacci() -> Iterator[int]:
    first, second = 0, 1
    while True:
        yield first
        first, second = second, first + second


def _primes() -> Iterator[int]:
    found: list[int] = []
    for number in count(2):
        if all(number % prime for prime in found):
            found.append(number)
            yield number


SERIES = {  # OEIS A005843, A005408, A000045, A000040
    "even": lambda: count(0, 2),
    "odd": lambda: count(1, 2),
    "fibonacci": _fibonacci,
    "primes": _primes,
}


def _matching(table: ImageTable, condition: Mapping[str, int], rows: Tensor) -> Tensor:
    """Those of ``rows`` whose images meet a condition."""
    for column, value in condition.items():
        _check_column(table, column)
        rows = rows[table.columns[column][rows] == value]
    return rows


def _check_column(table: ImageTable, column: str) -> None:
    if column not in table.columns:
        raise ConfigError(
            f"group_column: no column {column!r}; the data have {', '.join(sorted(table.columns)) or 'none'}"
        )
