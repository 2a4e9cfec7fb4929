"""Markdown that survives what it is given: cells are one line and keep to their column."""

from collections.abc import Iterable, Sequence


def cell(content: object) -> str:
    """Text of a table's cell: one line, no column ends in it, no markup of HTML."""
    text = " ".join(str(content).split())
    return text.replace("|", "\\|").replace("<", "&lt;")


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table."""
    lines = [heads, *rows]
    written = [f"| {' | '.join(cell(each) for each in line)} |" for line in lines]
    return "\n".join([written[0], "|---" * len(heads) + "|", *written[1:]])


def code(text: str) -> str:
    """A command in a line of text."""
    return f"`{text.replace('`', '')}`"
