"""A table as plain data, which the report writes as HTML and the reproduction page as Markdown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

ABSENT = "—"
Row = Mapping[str, object]
Kind = Literal["ours", "paper", "control"]


@dataclass(frozen=True)
class Table:
    """A table; text between backticks is code.

    Attributes:
        caption: what it shows.
        rows: cells by the head of their column; the first column names the row. A column that no row has is not there.
        kinds: of the rows, for those that are to stand out.
        wordy: whether cells hold sentences, which are broken into lines; numbers are not.

    Example:
        >>> rows = [{"feature": "beta", "linear": 0.9}, {"feature": "pixels", "RBF": 0.5}]
        >>> print(Table("Accuracy.", rows).markdown())
        | feature | linear | RBF |
        |---|---|---|
        | beta | 0.9 | — |
        | pixels | — | 0.5 |
    """

    caption: str
    rows: Sequence[Row]
    kinds: Mapping[int, Kind] | None = None
    wordy: bool = False

    @property
    def heads(self) -> list[str]:
        """Names of the columns, in the order in which the rows first have them."""
        return list(dict.fromkeys(head for row in self.rows for head in row))

    @property
    def cells(self) -> list[list[str]]:
        """Text of every row."""
        heads = self.heads
        return [[str(row.get(head, ABSENT)) for head in heads] for row in self.rows]

    def markdown(self) -> str:
        """The table as Markdown; cells are one line each and keep to their column."""
        heads = self.heads
        lines = [f"| {' | '.join(map(one_line, line))} |" for line in [heads, *self.cells]]
        return "\n".join([lines[0], "|---" * len(heads) + "|", *lines[1:]])

    def transposed(self, head: str) -> list[dict[str, str]]:
        """The columns as rows: each named under ``head``, its cells by the names of the rows here."""
        names = [cells[0] for cells in self.cells]
        columns = zip(*self.cells, strict=True)
        return [
            {head: name, **dict(zip(names, column, strict=True))}
            for name, column in zip(self.heads, columns, strict=True)
        ][1:]


def one_line(text: object) -> str:
    """Text that is safe in a cell of Markdown: one line, no end of a column, no HTML."""
    return " ".join(str(text).split()).replace("|", "\\|").replace("<", "&lt;")


def code(text: str) -> str:
    """A command in a line of text."""
    return f"`{text.replace('`', '')}`"


def number(value: float | None, places: int = 2, sign: str = "") -> str:
    """A number as text, with a true minus; a dash for None.

    Args:
        value: the number.
        places: decimal places.
        sign: ``+`` writes the sign of positive numbers too.
    """
    return ABSENT if value is None else f"{value:{sign},.{places}f}".replace("-", "−")
