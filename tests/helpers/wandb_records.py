"""Records of Weights & Biases that were written offline, read back with W&B's own reader."""

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def sessions(run: Path) -> list[list[dict[str, Any]]]:
    """The entries of each session of a run's record, by their start."""
    return [_inspect(folder) for folder in sorted(run.glob("wandb/offline-run-*"))]


def _inspect(folder: Path) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"{folder.name}: {done.stderr}"
    return [json.loads(line) for line in done.stdout.splitlines()]


def entries(session: Iterable[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """The entries of one kind, such as ``history``."""
    return [entry[kind] for entry in session if entry["type"] == kind]


def rows(session: Iterable[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    """What was logged, by W&B's step."""
    return {entry["step"]["num"]: entry["item"] for entry in entries(session, "history")}


def config(session: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The configuration, with the changes of its updates."""
    updates: dict[str, Any] = {}
    for entry in entries(session, "config"):
        updates |= entry.get("update", {})
    return updates


def summary(session: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The summary as it is at the end."""
    updates: dict[str, Any] = {}
    for entry in entries(session, "summary"):
        updates |= entry.get("update", {})
    return updates
