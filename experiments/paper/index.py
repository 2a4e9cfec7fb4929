"""``<run>/paper/index.json``: what each command made of a run, for the report and for anyone's scripts."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ugvae.runs.files import save_json

DONE, DOES_NOT_APPLY, FAILED = "done", "does not apply", "failed"


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Keeps other processes out of a folder's index until the block ends."""
    directory.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def read_index(run: Path) -> dict[str, Any]:
    """The index of a run's folder; without commands if there is none yet."""
    path = run / "paper" / "index.json"
    return json.loads(path.read_text()) if path.is_file() else {"commands": {}}


def record(
    run: Path, name: str, title: str, command: str, status: str, seconds: float = 0.0, reason: str | None = None
) -> None:
    """Enters what a command did; the figures are those of its JSON.

    A command that does not apply, or failed, has no figures in the index, whatever lies there from before.

    Args:
        run: the run's folder.
        name: of the command.
        title: what it makes.
        command: the command line that makes it.
        status: ``done``, ``does not apply`` or ``failed``.
        seconds: it took.
        reason: why it does not apply, or how it failed.
    """
    directory = run / "paper"
    result = directory / f"{name}.json"
    figures = json.loads(result.read_text())["figures"] if status == DONE and result.is_file() else []
    entry = {
        "title": title,
        "status": status,
        "reason": reason,
        "seconds": round(seconds, 1),
        "figures": figures,
        "command": command,
    }
    with _alone(directory):
        index = read_index(run)
        index["commands"][name] = entry
        save_json(index, directory / "index.json")
