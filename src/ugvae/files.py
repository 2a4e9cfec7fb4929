"""Files that appear whole or not at all."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ugvae.errors import ConfigError


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yields a temporary path beside ``path`` and renames it into place when the block ends without an error."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def save_figure(figure: Figure, path: str | Path) -> None:
    """Writes a PNG."""
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png")


def replace_section(path: str | Path, name: str, content: str) -> None:
    """Puts ``content`` between the lines ``<!-- name -->`` and ``<!-- /name -->`` of a Markdown file.

    Raises:
        ConfigError: the file is missing, or has no such lines.
    """
    begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    path = Path(path)
    text = path.read_text() if path.is_file() else ""
    if begin not in text or end not in text:
        raise ConfigError(f"doc: {path} has no section between {begin.strip()} and {end}")
    before, rest = text.split(begin, 1)
    after = rest.split(end, 1)[1]
    with atomic_path(path) as temporary:
        temporary.write_text(f"{before}{begin}\n{content.strip()}\n\n{end}{after}")


def save_json(content: Any, path: str | Path) -> None:
    """Writes indented JSON."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n")


def save_arrays(arrays: dict[str, np.ndarray], path: str | Path) -> None:
    """Writes an ``.npz``."""
    with atomic_path(path) as temporary:
        np.savez(temporary, **arrays)
