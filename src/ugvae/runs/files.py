"""Files that appear whole or not at all."""

import json
import math
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from ugvae.errors import ConfigError, OutputError

STRAY = re.compile(r"\..+\.\d+(\.\w+)?")  # what a killed write leaves: .last.4711.ckpt


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yields a temporary path beside ``path`` and renames it into place when the block ends without an error.

    The content is on the disk before the name is, so that neither a kill nor a power cut leaves half a file.

    Raises:
        OutputError: the file cannot be written; what was there before is as it was.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _sync(temporary)
        os.replace(temporary, path)
        _sync(path.parent)
    except OSError as error:
        raise output_error(path, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def output_error(path: Path, error: OSError) -> OutputError:
    """The error of a file that cannot be written, with the space that is left for it."""
    reason = error.strerror or str(error)
    return OutputError(error.errno, f"{path}: cannot be written ({reason}); {free_space(path)}")


def free_space(path: Path) -> str:
    """What is left on the disk of ``path``, or of the nearest folder above it that is there."""
    folder = next(
        folder
        for folder in (path.absolute(), *path.absolute().parents)
        if os.path.isdir(folder)  # Path.is_dir would raise where another user's folder hides it
    )
    return f"{shutil.disk_usage(folder).free / 1e9:,.2f} GB free in {folder}"


def _sync(path: Path) -> None:
    """Waits until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_strays(folder: str | Path) -> list[Path]:
    """Removes the temporary files of writes that were killed, at any depth; gives their paths.

    To be called for a folder that no other process writes to.
    """
    strays = [path for path in Path(folder).rglob(".*") if STRAY.fullmatch(path.name) and path.is_file()]
    for path in strays:
        path.unlink(missing_ok=True)
    return strays


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
    """Writes indented JSON.

    Raises:
        ValueError: a number is NaN or infinite, which JSON does not have; ``finite`` tells what to write instead.
        OutputError: the file cannot be written.
    """
    text = json.dumps(content, indent=2, allow_nan=False) + "\n"
    with atomic_path(path) as temporary:
        temporary.write_text(text)


def finite(value: float) -> float | None:
    """A number for JSON; None if it is NaN or infinite."""
    return value if math.isfinite(value) else None


def save_arrays(arrays: dict[str, np.ndarray], path: str | Path) -> None:
    """Writes an ``.npz``."""
    with atomic_path(path) as temporary:
        np.savez(temporary, **arrays)
