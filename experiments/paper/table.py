"""A table as plain data, which the report writes as HTML and the reproduction page as Markdown."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
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
        rows = ([row.get(head, ABSENT) for head in self.heads] for row in self.rows)
        return [[cell if isinstance(cell, str) else str(cell) for cell in row] for row in rows]

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


class Number(str):
    """A number as text, which knows its value: so rows of several training seeds become one.

    Attributes:
        value: the number.
        places: decimal places.
    """

    value: float
    places: int

    def __new__(cls, text: str, value: float, places: int) -> "Number":
        """The text may say more than the number, such as ``7 of 20``."""
        number = super().__new__(cls, text)
        number.value, number.places = value, places
        return number


def number(value: float | None, places: int = 2, sign: str = "") -> str:
    """A number as text, with a true minus; a dash for None.

    Args:
        value: the number.
        places: decimal places.
        sign: ``+`` writes the sign of positive numbers too.
    """
    return ABSENT if value is None else Number(f"{value:{sign},.{places}f}".replace("-", "−"), value, places)


def over_seeds(rows: Iterable[Row]) -> list[Row]:
    """Rows of several training seeds: those that differ in numbers alone become one, mean ± sample s.d. of its numbers.

    Of one seed no number has a ±: a spread over groups or over re-splits is no error over seeds. Where any row is of
    several, all say of how many.

    Example:
        >>> rows = [{"run": name, "accuracy": number(share)} for name, share in (("a", 0.5), ("b", 1), ("a", 0.7))]
        >>> print(Table("", over_seeds(rows)).markdown())
        | run | accuracy | seeds |
        |---|---|---|
        | a | 0.60 ± 0.14 | 2 |
        | b | 1.00 | 1 |
    """
    alike: dict[tuple[tuple[str, object], ...], list[Row]] = {}
    for row in rows:
        key = tuple((head, cell if not isinstance(cell, Number) else None) for head, cell in row.items())
        alike.setdefault(key, []).append(row)
    several = any(len(same) > 1 for same in alike.values())
    return [
        {head: _joined([row[head] for row in same]) for head in same[0]} | ({"seeds": len(same)} if several else {})
        for same in alike.values()
    ]


def _joined(cells: Sequence[object]) -> object:
    """One cell for those of several seeds, which are all numbers or all the same."""
    first = cells[0]
    if not isinstance(first, Number) or (len(cells) == 1 and "±" not in first):
        return first
    values = [cell.value for cell in cells]
    mean = number(statistics.fmean(values), first.places)
    return mean if len(values) == 1 else f"{mean} ± {number(statistics.stdev(values), first.places)}"
