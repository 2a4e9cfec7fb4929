"""Errors that the user can mend. The command line prints their message alone, without a traceback."""


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
