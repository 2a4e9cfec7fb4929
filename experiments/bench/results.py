"""Typed results of the bench, and the JSON file that holds them."""

import json
import statistics
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from ugvae.errors import ConfigError

Unit = Literal["ms per step", "s", "images/s", "MiB"]


@dataclass(frozen=True)
class Measurement:
    """One row of the results: a value per round, of steps of so many images; ``x`` is the point of a curve.

    Attributes:
        case: what was measured together: ``mlp 128`` (backbone and batch), ``loader`` or ``scaling``.
        way: how it was done, or what grows along a curve.
        device: ``CPU`` with its threads, or the name of the GPU.
    """

    case: str
    way: str
    device: str
    unit: Unit = "ms per step"
    values: tuple[float, ...] = ()
    images: int = 0
    x: int | None = None

    @property
    def name(self) -> str:
        """Key of the row, by which two runs are compared: ``mlp 128: bare loop, float32``."""
        return f"{self.case}: {self.way}" + ("" if self.x is None else f" = {self.x}")

    @property
    def median(self) -> float:
        """The median of the rounds."""
        return statistics.median(self.values)


@dataclass(frozen=True)
class Results:
    """One run of the bench: its length, the machine, what was left out and why, and the rows by name."""

    quick: bool
    rounds: int
    seconds: float
    hardware: dict[str, Any]
    versions: dict[str, str]
    left_out: list[str]
    measurements: dict[str, Measurement]

    @property
    def machine(self) -> str:
        """Hardware, versions and rounds in one line."""
        versions = ", ".join(f"{name.replace('_', ' ')} {version}" for name, version in self.versions.items())
        quick = " **A quick run, too short for numbers to quote.**" if self.quick else ""
        return f"{self.hardware['line']}; {versions}; {self.rounds} rounds.{quick}"


def read_results(path: Path) -> Results:
    """Reads the JSON file of a run; those of older versions, which hold less, too.

    Raises:
        ConfigError: there is no such file, or it is not one of the bench.
    """
    try:
        content = json.loads(path.read_text())
        rows = {}
        for name, row in content["measurements"].items():
            case, way = name.split(": ", 1)
            known = {key.name: row[key.name] for key in fields(Measurement) if key.name in row}
            rows[name] = Measurement(**{"case": case, "way": way, "device": "", **known})
        known = {key.name: content[key.name] for key in fields(Results) if key.name in content}
        return Results(**{"left_out": [], **known, "measurements": rows})
    except (AttributeError, KeyError, OSError, TypeError, ValueError) as error:
        raise ConfigError(f"{path}: not a file of make bench ({error})") from error
