"""README and the pages of ``docs/``: their blocks of code, and the commands in them and in the text."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from tests.helpers import PROJECT

PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").rglob("*.md"))]
NOTEBOOKS = sorted((PROJECT / "docs" / "notebooks").glob("*.md"))
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.M | re.S)
INDENTED = re.compile(r"(?<=\n\n)(?: {4}[^\n]*\n+)+")
MODULE = re.compile(r"[Ii]n a file `(\w+\.py)`[^\n]*\n\n```python\n(.*?)```", re.S)  # of the user's own
COMMAND = re.compile(r"(?:^|[\s/])(make|ugvae|pytest|-m [\w.]+)(?= |$)")


def name_of(page: Path) -> str:
    return str(page.relative_to(PROJECT))


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return [code for name, code in FENCE.findall(page.read_text()) if name == language]


def own_modules() -> dict[str, str]:
    """The files that the pages tell the user to write, by name."""
    return {name: code for page in PAGES for name, code in MODULE.findall(page.read_text())}


def commands(page: Path) -> Iterator[list[str]]:
    """The words of each command of ours, from ``make``, ``ugvae`` or the name of the module on.

    They are lines of blocks of a shell or without a language, where two spaces begin a remark, and code in the text.
    """
    text = page.read_text()
    shells = [code for name, code in FENCE.findall(text) if name in ("", "bash", "sh")]
    text = FENCE.sub("", text)
    lines = "\n".join([*shells, *INDENTED.findall(text)]).replace("\\\n", " ").splitlines()
    inline = [code.replace("\n", " ") for code in re.findall(r"`([^`]+)`", INDENTED.sub("\n", text))]
    for line in [re.split(r"(?<=\S) {2,}", line.strip())[0] for line in lines] + inline:
        start = COMMAND.search(line)
        if start and not line.startswith("from ") and re.fullmatch(r"[\w./= -]*", line[: start.start(1)]):
            yield shlex.split(line[start.start(1) :].removeprefix("-m "))
