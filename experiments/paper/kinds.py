"""Which groups a command compares: conditions on the columns of the data, asked for on the command line."""

import argparse
from collections.abc import Iterable, Mapping, Sequence

import torch

from experiments.paper.common import TrainedRun
from ugvae.errors import ConfigError

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


def add_pair(parser: argparse.ArgumentParser) -> None:
    """The options for two kinds of group in place of two domains."""
    parser.add_argument("--attribute", metavar="NAME", help="images with it and without, in place of two domains")
    parser.add_argument("--column", default=DOMAIN, help="column of --values")
    parser.add_argument("--values", nargs=2, type=int, metavar="N", help="of --column, in place of the first two")


def pair(run: TrainedRun, options: argparse.Namespace) -> dict[str, Condition]:
    """The two kinds of group that ``add_pair`` asks for, by their names; by default the first two domains.

    Raises:
        ConfigError: the data lack the column, or two values of it.
    """
    kinds = _asked(run, options)
    for name, condition in kinds.items():
        if not count(run, condition):
            raise ConfigError(f"{options.name}: no test image is {name} {condition}")
    return kinds


def _asked(run: TrainedRun, options: argparse.Namespace) -> dict[str, Condition]:
    if options.attribute:
        kinds = with_and_without(options.attribute)
        check_columns(options.name, run, kinds.values(), "--attribute")
        return kinds
    if options.column not in run.table.columns and options.column == DOMAIN and options.values is None:
        raise ConfigError(f"{options.name}: {no_domains(run)}")
    check_columns(options.name, run, [{options.column: 0}], "--column")
    values: Sequence[int] = options.values or known_values(run, options.column)[:2]
    kinds = of_values(run, options.column, values)
    if len(kinds) < 2:
        raise ConfigError(f"{options.name}: two different values of {options.column!r} are needed, got {list(values)}")
    return kinds


def no_domains(run: TrainedRun) -> str | None:
    """Why a command about two domains does not apply to a run by itself; None if it does."""
    if DOMAIN in run.table.columns and len(known_values(run, DOMAIN)) > 1:
        return None
    return "the data are of one domain; name two kinds of image by --attribute, or by --column and --values"
