"""Errors that the user can mend, and checks of settings. The command line prints the message, without a traceback."""

import math
from collections.abc import Collection, Sequence
from typing import Any

SHOWN = 5  # names that a message shows


class ConfigError(ValueError):
    """A setting that cannot work; the message begins with the setting's name."""


class DataError(RuntimeError):
    """Missing, damaged or inconsistent data; the message says which file, and what to do."""


class NonFiniteLossError(ArithmeticError):
    """The loss or a weight became NaN or infinite; the message names the optimiser step and the terms.

    Args:
        message: what happened, and what to try.
        record: the step, the terms and the rows of the images, to be kept as JSON.
    """

    def __init__(self, message: str, record: dict[str, object] | None = None) -> None:
        super().__init__(message)
        self.record = record


class LostRankError(RuntimeError):
    """Another process of the run is gone."""


class OutputError(OSError):
    """A file that cannot be written; the message says which, why, and how much space is left."""

    def __str__(self) -> str:
        return self.strerror or super().__str__()


def plain_value(value: Any) -> Any:
    """A setting as plain numbers, text and lists: the types of the command line are no part of a checkpoint."""
    if isinstance(value, tuple | list):
        return type(value)(plain_value(item) for item in value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return int(value) if isinstance(value, int) else float(value)


def first_line(error: BaseException) -> str:
    """The first line of an error's message; its type if it has none."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


LARGEST = 2**31 - 1  # that torch counts with everywhere


def check_counts(**settings: int) -> None:
    """Raises a ConfigError that names the first setting that is not a whole number > 0, or that is absurdly large."""
    for name, value in settings.items():
        if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= LARGEST:
            limit = f" and at most {LARGEST:,}" if isinstance(value, int) and value > LARGEST else ""
            raise ConfigError(f"{name}: expected a whole number > 0{limit}, got {value}")


def check_positive(**settings: float) -> None:
    """Raises a ConfigError that names the first setting that is not a finite number > 0."""
    for name, value in settings.items():
        if not isinstance(value, int | float) or not 0 < value < math.inf:
            raise ConfigError(f"{name}: expected a number > 0, got {value}")


def check_not_negative(**settings: float) -> None:
    """Raises a ConfigError that names the first setting that is not a finite number ≥ 0."""
    for name, value in settings.items():
        if not isinstance(value, int | float) or not 0 <= value < math.inf:
            raise ConfigError(f"{name}: expected a number ≥ 0, got {value}")


def check_choice(name: str, value: str | None, choices: Collection[str]) -> None:
    """Raises a ConfigError that names a setting which is none of the ``choices``."""
    if value not in choices:
        *others, last = map(str, choices)
        raise ConfigError(f"{name}: expected {', '.join(others)} or {last}, got {value!r}")


def summary(names: Sequence[str]) -> str:
    """The first few of many names, and how many more there are."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
