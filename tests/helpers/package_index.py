"""A pip that needs no network."""

import shutil
import subprocess
from pathlib import Path

import pytest


def pip_finds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every call of pip fails, as without a network."""

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess:
        messages = "Looking in indexes\nERROR: No matching distribution found\n[notice] A new release\n"
        return subprocess.CompletedProcess(command, 1, "", messages)

    monkeypatch.setattr(subprocess, "run", run)


def pip_gives(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Every call of pip "downloads" the wheel; returns the list of the command lines, which grows with each call."""
    commands = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess:
        commands.append(command)
        shutil.copy(wheel, command[command.index("-d") + 1])
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    return commands
