"""Errors that the user can mend. The command line prints their message alone, without a traceback."""


class ConfigError(ValueError):
    """A setting that cannot work; the message begins with the setting's name."""


class DataError(RuntimeError):
    """Missing, damaged or inconsistent data; the message says which file, and what to do."""


class NonFiniteLossError(ArithmeticError):
    """The loss became NaN or infinite; the message names the optimiser step and the terms."""


class LostRankError(RuntimeError):
    """Another process of the run is gone."""


class OutputError(OSError):
    """A file that cannot be written; the message says which, why, and how much space is left."""

    def __str__(self) -> str:
        return self.strerror or super().__str__()
