"""Groups of known structure, to ask afterwards what beta knows of it: by value, by conditions, by number series.

The functions draw from the rows of one table, in general that of the test split: from ``rows``, by default from all.
Two sets of groups without a common image, as for a classifier's training and test, come from disjoint ``rows``
(``ugvae.data.module.split_rows``). A draw is a function of its ``seed``.

Axes: N groups, B = ``group_size`` images per group, M rows.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, count, islice
from typing import NamedTuple

import torch
from torch import Tensor

from ugvae.data.drawing import draw_rows, rows_by_value
from ugvae.data.table import ImageTable
from ugvae.errors import ConfigError

RANDOM = -1  # the label of random groups
SERIES_LENGTH = 256  # digits of a series, as in the authors' code


class StructuredGroups(NamedTuple):
    """Groups and their kinds.

    Attributes:
        groups: rows of the table, ``(N, B)``.
        labels: kind of each group ``(N,)``, −1 for random groups.
        names: names of the kinds, without the random one.
    """

    groups: Tensor
    labels: Tensor
    names: dict[int, str]


def draw_groups(rows: Tensor, num_groups: int, group_size: int, generator: torch.Generator) -> Tensor:
    """Groups ``(num_groups, group_size)`` from ``rows (M,)``: no image twice in a group, all are used equally often.

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

    The position of a condition is the label of its groups; its name is by default its content. Random groups come
    first.

    Example:
        >>> table = ImageTable(torch.zeros(6, 1, 2, 2, dtype=torch.uint8), {"Male": torch.tensor([0, 1, 0, 1, 1, 0])})
        >>> groups, labels, names = groups_where(table, [{"Male": 1}], group_size=3, groups_per_condition=1)
        >>> groups.sort().values.tolist(), labels.tolist(), names
        ([[1, 3, 4]], [0], {0: 'Male = 1'})

    Raises:
        ConfigError: the table lacks a column, or has too few images that meet a condition.
    """
    generator = torch.Generator().manual_seed(seed)
    rows = _all_rows(table) if rows is None else rows
    names = list(names or map(_text, conditions))
    labels = [RANDOM] * num_random
    groups = [draw_groups(rows, num_random, group_size, generator)] if num_random else []
    for label, condition in enumerate(conditions):
        suitable = _matching(table, condition, rows)
        if len(suitable) < group_size:
            raise ConfigError(f"group_size: {len(suitable)} images with {names[label]}, a group takes {group_size}")
        groups.append(draw_groups(suitable, groups_per_condition, group_size, generator))
        labels += [label] * groups_per_condition
    return StructuredGroups(torch.cat(groups), torch.tensor(labels), dict(enumerate(names)))


def mixed_groups(
    table: ImageTable, conditions: Sequence[Mapping[str, int]], group_size: int, num_groups: int, seed: int = 0
) -> Tensor:
    """Groups ``(N, B)`` that mix kinds of images: the kind of each image is drawn, all are equally likely.

    ``conditions`` define the kinds; no image may meet two of them.

    Raises:
        ConfigError: the table lacks a column, or has fewer images of a kind than a group takes.
    """
    generator = torch.Generator().manual_seed(seed)
    rows = {kind: _matching(table, condition, _all_rows(table)) for kind, condition in enumerate(conditions)}
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

    Values below 0 are unknown and get no groups. All groups have the same size, since the precision of beta grows with
    it: ``group_size``, or the number of images of the rarest value if that is smaller. The rank of a value, 0 for the
    smallest, is the label of its groups, which are called by its name, or by the value itself.

    Raises:
        ConfigError: the table lacks the column, or has no value of it.
    """
    by_value = rows_by_value(table.column(column), rows)
    sizes = {value: len(matching) for value, matching in by_value.items() if value >= 0}
    if not sizes:
        raise ConfigError(f"group_column: no image has a value of {column!r}")
    return groups_where(
        table,
        [{column: value} for value in sizes],
        min(group_size, *sizes.values()),
        groups_per_value,
        num_random=groups_per_value * len(sizes),
        seed=seed,
        rows=rows,
        names=[(names or {}).get(value, str(value)) for value in sizes],
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

    A group begins anywhere in the first 256 digits of its series; the first digit follows the last one. The column
    ``label`` is the digit of each image. The labels of the groups are positions in ``SERIES``; random groups come last.

    Raises:
        ConfigError: the table has no ``label``, or too few images of a digit.
    """
    generator = torch.Generator().manual_seed(seed)
    digits = torch.stack([series_digits(name) for name in SERIES])
    labels = torch.arange(len(SERIES)).repeat_interleave(groups_per_series)
    starts = torch.randint(SERIES_LENGTH, (len(labels), 1), generator=generator)
    values = digits[labels.unsqueeze(1), (starts + torch.arange(group_size)) % SERIES_LENGTH]
    groups = draw_rows(values, rows_by_value(table.column("label"), rows), generator)
    if num_random:
        random = draw_groups(_all_rows(table) if rows is None else rows, num_random, group_size, generator)
        groups, labels = torch.cat([groups, random]), torch.cat([labels, torch.full((num_random,), RANDOM)])
    return StructuredGroups(groups, labels, dict(enumerate(SERIES)))


def largest_series_group(available: Tensor, at_most: int) -> int:
    """The largest group, of ``at_most`` images, that can write any part of any series; 0 if none can.

    Args:
        available: how many images there are of each digit ``(10,)``.
        at_most: the largest that is looked for.
    """
    for name in SERIES:
        digits = series_digits(name)[torch.arange(SERIES_LENGTH + at_most) % SERIES_LENGTH]
        before = torch.cat([torch.zeros(1, 10), torch.nn.functional.one_hot(digits, 10)]).cumsum(0)
        while at_most and (before[at_most:][:SERIES_LENGTH] - before[:SERIES_LENGTH] > available).any():
            at_most -= 1
    return at_most


def series_digits(name: str, length: int = SERIES_LENGTH) -> Tensor:
    """The first decimal digits ``(length,)`` of a number series, its numbers written one after the other.

    Example:
        >>> series_digits("primes", 8).tolist()
        [2, 3, 5, 7, 1, 1, 1, 3]
    """
    digits = chain.from_iterable(map(int, str(number)) for number in SERIES[name]())
    return torch.tensor(list(islice(digits, length)))


def _fibonacci() -> Iterator[int]:
    first, second = 0, 1
    while True:
        yield first
        first, second = second, first + second


SERIES = {  # OEIS A005843, A005408, A000045, A000040
    "even": lambda: count(0, 2),
    "odd": lambda: count(1, 2),
    "fibonacci": _fibonacci,
    "primes": lambda: (number for number in count(2) if all(number % divisor for divisor in range(2, number))),
}


def _all_rows(table: ImageTable) -> Tensor:
    return torch.arange(len(table))


def _text(condition: Mapping[str, int]) -> str:
    return " and ".join(f"{column} = {value}" for column, value in condition.items())


def _matching(table: ImageTable, condition: Mapping[str, int], rows: Tensor) -> Tensor:
    """The ``rows`` whose images meet a condition."""
    for column, value in condition.items():
        rows = rows[table.column(column)[rows] == value]
    return rows
