"""The walk to play with: the sheet of ``walk_sheet`` and what its tiles are, for the page's style and script."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ugvae.errors import ConfigError
from ugvae.evaluation.results import from_json
from ugvae.experiments.paper.report.pictures import Picture, data_address
from ugvae.experiments.paper.walk_sheet import Sheet
from ugvae.plots.grids import quantiles


@dataclass(frozen=True)
class Axis:
    """A slider: an axis of beta.

    Attributes:
        name: of the axis.
        note: what the axis is.
        quantiles: of beta along it, one for each step, from 5 % to 95 %.
    """

    name: str
    note: str
    quantiles: list[str]


@dataclass(frozen=True)
class Walk:
    """A walk over a sheet of tiles.

    Attributes:
        caption: what to look for.
        source: the sheet as a ``data:`` address.
        sheet: what its tiles are.
    """

    caption: str
    source: str
    sheet: Sheet

    @property
    def axes(self) -> list[Axis]:
        """The first axis, and the second where there is one."""
        steps = [self.sheet.columns, self.sheet.rows][: 2 if self.sheet.rows > 1 else 1]
        return [
            Axis(f"axis {number}", f"{share:.0%} of the variance between groups", quantiles(count))
            for number, (count, share) in enumerate(zip(steps, self.sheet.shares, strict=False), 1)
        ]

    @property
    def middle(self) -> int:
        """The tile of a panel with which the page opens."""
        return self.sheet.rows // 2 * self.sheet.columns + self.sheet.columns // 2


def read_walk(path: Path, caption: str, content: Mapping[str, Any]) -> Walk | Picture:
    """The walk of a sheet; a picture that says why there is none where a file is missing or damaged.

    Args:
        path: of the sheet.
        caption: of the sheet.
        content: of the command's JSON.
    """
    try:
        sheet = from_json(Sheet, content.get("sheet"), "walk_sheet")
        return Walk(caption, data_address(path.read_bytes(), "webp"), sheet)
    except (ConfigError, OSError) as error:
        return Picture(path.name, caption, reason=f"it cannot be read ({error})")
