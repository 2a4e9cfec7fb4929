"""Checkpoint files: written whole or not at all, with the one before kept; read without running anything in them."""

import hashlib
import io
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO

from ugvae.errors import ConfigError, OutputError
from ugvae.runs.files import atomic_path

LAST, PREVIOUS = "last.ckpt", "previous.ckpt"
SETTINGS = "run_settings"  # entry of a checkpoint: the settings and the data of the run, by name


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint beside its place, to the disk, and renames it there; ``last.ckpt`` becomes ``previous.ckpt``.

    Lightning's own writer goes through the folder of temporary files. Where that is on another file system, its last
    move is a copy, which a kill can cut in two.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Writes ``checkpoint``.

        Raises:
            OutputError: the file cannot be written; the message names the newest one that is whole.
        """
        path = Path(path)
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)  # torch's own file writer hides why a disk refuses
        try:
            with atomic_path(path) as temporary:
                temporary.write_bytes(buffer.getbuffer())
                if path.name == LAST:
                    keep_previous(path)
        except OutputError as error:
            raise OutputError(error.errno, f"{error.strerror}. {advice(path.parent)}") from error

    def load_checkpoint(self, path: str | Path, map_location: Any = None, weights_only: bool | None = None) -> dict:
        """Reads a checkpoint of plain values and tensors; whatever else a file may hold is never built."""
        return super().load_checkpoint(path, map_location or (lambda storage, _: storage), weights_only=True)


def keep_previous(last: Path) -> None:
    """Gives ``last.ckpt`` the second name ``previous.ckpt``, if it is whole; it keeps its own until it is replaced."""
    if not zipfile.is_zipfile(last):  # not there yet, or cut short: then it must not replace a whole one
        return
    previous = last.with_name(PREVIOUS)
    temporary = previous.with_name(f".{previous.stem}.{os.getpid()}{previous.suffix}")
    temporary.unlink(missing_ok=True)
    try:
        os.link(last, temporary)
    except OSError:  # a file system without second names: for a moment there is no last.ckpt
        os.replace(last, previous)
    else:
        os.replace(temporary, previous)


def read_checkpoint(path: str | Path, setting: str = "ckpt_path") -> dict[str, Any]:
    """A checkpoint's content, its tensors mapped from the file.

    Args:
        path: the file.
        setting: that names it, for messages.

    Raises:
        ConfigError: the file is missing, cut short, not a checkpoint, or holds what could run code; the message
            names another one in its folder that is whole.
    """
    path = Path(path)
    if not path.is_file():
        raise ConfigError(f"{setting}: no such file: {path}")
    try:
        # torch writes checksums and never compares them: a changed byte would be another weight
        with zipfile.ZipFile(path) as archive:
            if (part := archive.testzip()) is not None:
                raise ValueError(f"{part} has changed since it was written")
        checkpoint = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        int(checkpoint["global_step"])
    except Exception as error:  # zipfile and torch raise errors of many kinds
        if isinstance(error, pickle.UnpicklingError) and zipfile.is_zipfile(path):
            problem = "holds more than numbers, text and tensors, which could run code, and is not loaded"
        else:
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            problem = f"is not a complete checkpoint ({reason})"
        raise ConfigError(f"{setting}: {path} {problem}. {advice(path.parent, path)}".rstrip()) from error
    return checkpoint


def checkpoint_digest(path: str | Path) -> str | None:
    """SHA-256 of a checkpoint, by which a result knows it again; None if there is no such file."""
    if not Path(path).is_file():
        return None
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while part := file.read(2**20):
            digest.update(part)
    return digest.hexdigest()


def advice(folder: Path, besides: Path | None = None) -> str:
    """How to go on from the newest whole checkpoint of a folder; empty if it has none."""
    steps = {path: step for path in folder.glob("*.ckpt") if path != besides and (step := _step(path)) is not None}
    if not steps:
        return ""
    path = max(steps, key=lambda path: (steps[path], path.name != "best.ckpt"))
    return f"The one of step {steps[path]} is whole; go on from it with --ckpt_path {path}"


def _step(path: Path) -> int | None:
    """The step of a checkpoint; None if it is not whole."""
    try:
        return int(torch.load(path, map_location="cpu", weights_only=True, mmap=True)["global_step"])
    except Exception:  # whatever is wrong with it, nobody can go on from it
        return None
