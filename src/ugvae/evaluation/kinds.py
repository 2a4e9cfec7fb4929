"""Which groups a command compares: conditions on the columns of the data, asked for on the command line."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from ugvae.data.known_groups import draw_groups, groups_where
from ugvae.errors import ConfigError
from ugvae.evaluation.trained_run import TrainedRun

Condition = dict[str, int]  # values of columns, all of which an image must have
DOMAIN = "domain"


def with_and_without(attribute: str) -> dict[str, Condition]:
    """Images that have a binary attribute, and those that lack it, by name."""
    return {attribute: {attribute: 1}, f"not {attribute}": {attribute: 0}}


def of_values(run: TrainedRun, column: str, values: Iterable[int]) -> dict[str, Condition]:
    """Images of each value of a column, by the value's name; a bare number is preceded by the column's."""
    names = run.data.value_names(column)
    return {names.get(value, f"{column} {value}"): {column: value} for value in values}


def known_values(run: TrainedRun, column: str) -> list[int]:
    """The values of a column in the test split, smallest first; those below 0 are unknown and left out."""
    return [value for value in run.table.columns[column].unique().tolist() if value >= 0]


def check_columns(command: str, run: TrainedRun, conditions: Iterable[Mapping[str, int]], options: str) -> None:
    """Raises a ConfigError, which names the command's ``options``, if the data lack a column."""
    for column in {column for condition in conditions for column in condition}:
        if column not in run.table.columns:
            known = ", ".join(sorted(run.table.columns)) or "none"
            raise ConfigError(f"{command}: no column {column!r}; {options}: the data have {known}")


def count(run: TrainedRun, condition: Condition) -> int:
    """How many test images meet a condition."""
    meets = torch.ones(len(run.table), dtype=torch.bool)
    for column, value in condition.items():
        meets &= run.table.columns[column] == value
    return int(meets.sum())


def no_domains(run: TrainedRun) -> str | None:
    """Why a command about two domains does not apply to a run by itself; None if it does."""
    if DOMAIN in run.table.columns and len(known_values(run, DOMAIN)) > 1:
        return None
    return "the data are of one domain; name two kinds of image by --attribute, or by --column and --values"


HAIR = ("Black_Hair", "Blond_Hair")
LABELS = 4  # values of a label that are shown


def random_groups(run: TrainedRun, group_size: int, count: int, seed: int) -> Tensor:
    """Groups ``(count, B)`` of any test images, B at most half of them, so that two groups can differ."""
    size = max(1, min(group_size, len(run.table) // 2))
    generator = torch.Generator().manual_seed(seed)
    return draw_groups(torch.arange(len(run.table)), count, size, generator)


def trained_groups(run: TrainedRun, count: int, seed: int) -> Tensor:
    """Groups ``(N, B)`` of test images made as those of training, of their size; ``count`` of them if there are.

    Of groups of unequal size those of at least the median size are taken, and cut to it.
    """
    members = [group[group >= 0] for batch in run.data.loader("test").sampler for group in batch]
    size = int(torch.tensor([len(group) for group in members]).median())
    groups = torch.stack([group[:size] for group in members if len(group) >= size])
    order = torch.randperm(len(groups), generator=torch.Generator().manual_seed(seed))
    return groups[order[:count]]


def kinds_of(run: TrainedRun) -> dict[str, Condition]:
    """Kinds of image that look unlike: two or more domains, the paper's attributes, or values of a label; or none."""
    columns = run.table.columns
    if DOMAIN in columns and len(values := known_values(run, DOMAIN)) > 1:
        return of_values(run, DOMAIN, values)
    if all(name in columns for name in HAIR):
        kinds = {name: {name: 1} for name in HAIR}
        return kinds | (with_and_without("Male") if "Male" in columns else {})
    if "label" in columns and len(values := known_values(run, "label")) > 1:
        return of_values(run, "label", values[:LABELS])
    return {}


def groups_by_kind(
    run: TrainedRun, kinds: dict[str, Condition], group_size: int, count: int, seed: int
) -> Tensor | None:
    """Groups of one kind each ``(count rounded to a multiple of the kinds, B)``, neighbours of different kinds.

    B is smaller where a kind has fewer images; None without kinds, or if a kind has fewer than two images.
    """
    counts = [int(_meets(run, condition).sum()) for condition in kinds.values()]
    size = min(group_size, *counts) if counts else 0
    if size < 2:
        return None
    each = max(1, count // len(kinds))
    drawn = groups_where(run.table, list(kinds.values()), size, each, seed=seed, names=list(kinds))
    return drawn.groups.unflatten(0, (len(kinds), each)).transpose(0, 1).flatten(0, 1)


def _meets(run: TrainedRun, condition: Condition) -> Tensor:
    """Which test images meet a condition, ``(M,)``."""
    return torch.stack([run.table.columns[column] == value for column, value in condition.items()]).all(0)
