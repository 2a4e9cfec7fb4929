"""Kinds of image and groups of them: conditions on the columns of the data, as asked for on the command line."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from ugvae.data.known_groups import draw_groups, groups_where
from ugvae.data.module import GroupDataModule
from ugvae.data.samplers import GroupLoader
from ugvae.data.table import ImageTable, Split, split_rows
from ugvae.errors import ConfigError, summary
from ugvae.evaluation.classification import HELD_OUT_IMAGES
from ugvae.evaluation.minimum import LEAST_SIZE
from ugvae.evaluation.trained_run import TrainedRun

Condition = dict[str, int]  # values of columns, all of which an image must have
DOMAIN = "domain"
HAIR = ("Black_Hair", "Blond_Hair")
ATTRIBUTE = "Male"
LABELS = 4  # values of a label that are shown
MOST_VALUES = 20  # of a column whose values are compared


def with_and_without(attribute: str) -> dict[str, Condition]:
    """Images that have a binary attribute, and those that lack it, by name."""
    return {attribute: {attribute: 1}, f"not {attribute}": {attribute: 0}}


def values_by_name(run: TrainedRun, column: str, values: Iterable[str | int]) -> list[int]:
    """The values of a column that are named on the command line: by their names, or by their numbers.

    Raises:
        ConfigError: the data lack the column, or a value is neither one of its names nor a number.
    """
    check_columns(run, [{column: 0}], "column")
    names = {name: value for value, name in run.data.value_names(column).items()}
    there = known_values(run, column)
    numbers = {**{f"{column} {value}": value for value in there}, **names}  # a bare number is shown so (of_values)
    resolved = []
    for value in map(str, values):
        if value not in numbers and not value.removeprefix("-").isdecimal():
            known = ", ".join(names) or summary([str(number) for number in there])
            raise ConfigError(f"values: {column!r} has no value {value!r}; it has {known}")
        resolved.append(numbers[value] if value in numbers else int(value))
    return resolved


def of_values(run: TrainedRun, column: str, values: Iterable[int]) -> dict[str, Condition]:
    """Images of each value of a column, by the value's name; a bare number is preceded by the column's name."""
    names = run.data.value_names(column)
    return {names.get(value, f"{column} {value}"): {column: value} for value in values}


def of_column(run: TrainedRun, column: str, values: Iterable[str | int] = ()) -> dict[str, Condition]:
    """Images of some values of a column, named on the command line; by default of all.

    Raises:
        ConfigError: the data lack the column or a value, or there are more than 20.
    """
    chosen = values_by_name(run, column, values) or known_values(run, column)
    if len(chosen) > MOST_VALUES:
        raise ConfigError(f"column: {column} has {len(chosen)} values; name up to {MOST_VALUES} by --values")
    return of_values(run, column, chosen)


def known_values(run: TrainedRun, column: str) -> list[int]:
    """The values of a column in the test split, smallest first. Values below 0 mean unknown and are left out."""
    return [value for value in run.table.columns[column].unique().tolist() if value >= 0]


def division(values: np.ndarray) -> np.ndarray:
    """For each row the first row with its value, ``(M,)``, −1 where the value is unknown.

    Two columns that divide the rows alike have the same, whatever their values are.

    Args:
        values: integers ``(M,)``; those below 0 are unknown.

    Example:
        >>> division(np.array([7, -1, 2, 7])).tolist()
        [0, -1, 2, 0]
    """
    _, first, place = np.unique(values, return_index=True, return_inverse=True)
    return np.where(values < 0, -1, first[place])


def check_columns(run: TrainedRun, conditions: Iterable[Mapping[str, int]], options: str) -> None:
    """Raises a ConfigError, which begins with the names of the ``options``, if the data lack a column."""
    for column in {column for condition in conditions for column in condition}:
        if column not in run.table.columns:
            known = ", ".join(sorted(run.table.columns)) or "none"
            raise ConfigError(f"{options}: no column {column!r}; the data have {known}")


def count(run: TrainedRun, condition: Condition, split: Split = "test") -> int:
    """How many images of a split meet a condition."""
    return int(_meets(run.table if split == "test" else run.data.table(split), condition).sum())


def _meets(table: ImageTable, condition: Condition) -> Tensor:
    """Whether each image meets a condition, ``(M,)``."""
    meets = torch.ones(len(table), dtype=torch.bool)
    for column, value in condition.items():
        meets &= table.columns[column] == value
    return meets


def halves(run: TrainedRun, seeds: int) -> list[Tensor]:
    """Rows of the test images, both sides of each of the splits that a classifier of groups learns and is tested on."""
    count = len(run.table)
    return [rows for seed in range(seeds) for rows in split_rows(count, round(count * HELD_OUT_IMAGES), seed)]


def largest_groups(run: TrainedRun, kinds: Mapping[str, Condition], seeds: int) -> dict[str, int]:
    """The most images that a group of each kind can have on both sides of every split of the test images."""
    meets = {name: _meets(run.table, condition) for name, condition in kinds.items()}
    return {name: min(int(rows_of[rows].sum()) for rows in halves(run, seeds)) for name, rows_of in meets.items()}


def check_group_size(group_size: int, largest: Mapping[str, int], where: str) -> None:
    """Checks that a group of each kind can be drawn from the images of the kind, which ``where`` says.

    Raises:
        ConfigError: the message says which size would do.
    """
    rarest = min(largest, key=largest.get)
    if (most := largest[rarest]) < group_size:
        advice = f"take --group_size {most} or less" if most >= LEAST_SIZE else f"at least {LEAST_SIZE} are needed"
        raise ConfigError(f"group_size: no groups of {group_size}, since {rarest} has {most} {where}; {advice}")


def check_images(run: TrainedRun, kinds: Mapping[str, Condition]) -> None:
    """Raises a ConfigError if a kind has no test image."""
    if empty := [f"{name} {condition}" for name, condition in kinds.items() if not count(run, condition)]:
        raise ConfigError(f"values: no test image is {', '.join(empty)}")


def no_domains(run: TrainedRun) -> str | None:
    """Why a command about two domains does not apply to a run by itself; None if it does."""
    if DOMAIN in run.table.columns and len(known_values(run, DOMAIN)) > 1:
        return None
    return "the data are of one domain; name two kinds of image by --attribute, or by --column and --values"


def two_kinds(run: TrainedRun, attribute: str | None, column: str, values: Sequence[str | int]) -> dict[str, Condition]:
    """Two kinds of image by name: with and without an attribute, or of two values of a column, by default its first.

    Raises:
        ConfigError: the data lack the column, two values of it, or images of a kind.
    """
    if attribute:
        kinds = with_and_without(attribute)
        check_columns(run, kinds.values(), "attribute")
    elif column == DOMAIN and not values and (reason := no_domains(run)):
        raise ConfigError(f"domain: {reason}")
    else:
        named = values_by_name(run, column, values)
        kinds = of_values(run, column, named or known_values(run, column)[:2])
        if len(kinds) != 2:
            raise ConfigError(f"values: two different values of {column!r} are needed, got {list(values)}")
    check_images(run, kinds)
    return kinds


def random_groups(run: TrainedRun, group_size: int, count: int, seed: int) -> Tensor:
    """Groups ``(count, B)`` of any test images, B at most half of them, so that two groups can differ."""
    size = max(1, min(group_size, len(run.table) // 2))
    generator = torch.Generator().manual_seed(seed)
    return draw_groups(torch.arange(len(run.table)), count, size, generator)


def trained_groups(run: TrainedRun, count: int, seed: int) -> Tensor:
    """Groups ``(N, B)`` of test images of the kind of the training groups, at most ``count``: see ``alike_groups``."""
    return alike_groups(run.data, "test", count, seed)


def alike_groups(data: GroupDataModule, split: Split, count: int, seed: int) -> Tensor:
    """Groups ``(N, B)`` of a split of the kind of the training groups, where they are most alike, at most ``count``.

    They have the size of the training groups. Where groups differ in size, all are cut to the size that keeps the most
    images, and smaller ones are left out.
    """
    grouping = data.training_groups.narrowest(len(data.table(split)), data.group_size)
    return _cut(data.loader(split, grouping=grouping), count, seed)


def evaluation_groups(run: TrainedRun, count: int, seed: int) -> Tensor:
    """Groups ``(N, B)`` of test images as evaluation draws them, at most ``count``, all cut to one size."""
    return _cut(run.data.loader("test"), count, seed)


def _cut(loader: GroupLoader, count: int, seed: int) -> Tensor:
    """Some of the groups of a loader, all cut to the size that keeps the most images."""
    whole = [group[group >= 0] for batch in loader.sampler for group in batch]
    sizes = torch.tensor([len(group) for group in whole])
    size = max(sizes.unique().tolist(), key=lambda size: size * int((sizes >= size).sum()))
    groups = torch.stack([group[:size] for group in whole if len(group) >= size])
    order = torch.randperm(len(groups), generator=torch.Generator().manual_seed(seed))
    return groups[order[:count]]


def kinds_of(run: TrainedRun) -> dict[str, Condition]:
    """Kinds of image that look different: domains, the paper's attributes, or values of a label; empty if none."""
    columns = run.table.columns
    if no_domains(run) is None:
        return of_values(run, DOMAIN, known_values(run, DOMAIN))
    if all(name in columns for name in HAIR):
        kinds = {name: {name: 1} for name in HAIR}
        return kinds | (with_and_without(ATTRIBUTE) if ATTRIBUTE in columns else {})
    if "label" in columns and len(values := known_values(run, "label")) > 1:
        return of_values(run, "label", values[:LABELS])
    return {}


def groups_by_kind(
    run: TrainedRun, kinds: dict[str, Condition], group_size: int, num_groups: int, seed: int
) -> Tensor | None:
    """Groups of one kind each ``(N, B)``, neighbours of different kinds; N is rounded to a multiple of the kinds.

    B is smaller where a kind has fewer images; None without kinds, or if a kind has fewer than two images.
    """
    size = min([group_size, *(count(run, condition) for condition in kinds.values())]) if kinds else 0
    if size < 2:
        return None
    groups_per_kind = max(1, num_groups // len(kinds))
    drawn = groups_where(run.table, list(kinds.values()), size, groups_per_kind, seed=seed, names=list(kinds))
    return drawn.groups.unflatten(0, (len(kinds), groups_per_kind)).transpose(0, 1).flatten(0, 1)
