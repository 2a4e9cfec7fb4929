"""Files that appear whole or not at all."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure


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


def save_json(content: Any, path: str | Path) -> None:
    """Writes indented JSON."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n")


def save_arrays(arrays: dict[str, np.ndarray], path: str | Path) -> None:
    """Writes an ``.npz``."""
    with atomic_path(path) as temporary:
        np.savez(temporary, **arrays)
