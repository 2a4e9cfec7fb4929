"""Training sessions in processes of their own that kill themselves at a given moment, and what they leave."""

import csv
import json
import os
import random
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tests.helpers import EXPERIMENTS
from tests.helpers.ranks import Ranks
from ugvae import cli
from ugvae.models import BaseVAE
from ugvae.runs import loggers

RUN = Path("lightning_logs/digits/version_0")
SMALL = [
    "fit",
    f"--config={EXPERIMENTS / 'digits.yaml'}",
    "--data.image_size=8",
    "--model.z_dim=2",
    "--trainer.log_every_n_steps=4",
    "--checkpoint.every_n_train_steps=5",
    "--figures.groups_per_label=0",
]
COMMAND = [*SMALL, "--trainer.accelerator=cpu", "--trainer.max_epochs=4", "--figures.every_n_epochs=2"]  # of 9 steps

FOLDER = [
    "fit",
    f"--config={EXPERIMENTS / 'folder.yaml'}",
    "--data.root=images",
    "--data.image_size=16",
    "--data.group_size=4",
    "--data.groups_per_batch=1",
    "--data.cache_workers=1",
    "--model.z_dim=2",
    "--trainer.accelerator=cpu",
    "--trainer.precision=32-true",
    "--trainer.max_epochs=2",
    "--trainer.check_val_every_n_epoch=1",
    "--figures.every_n_epochs=0",
    "--figures.groups_per_label=0",
]


def send(number: signal.Signals = signal.SIGKILL) -> None:
    """Sends a signal to this process."""
    os.kill(os.getpid(), number)


def session(
    folder: Path,
    *arguments: str,
    moment: str | Callable[[int], None] = "",
    count: int = 1,
    command: list[str] = COMMAND,
    output: str = "output.txt",
    environment: dict[str, str] | None = None,
) -> int:
    """Trains in ``folder`` until the end, or until the ``count``-th ``moment``; gives the exit status.

    Args:
        folder: to work in.
        *arguments: besides the ``command``.
        moment: a name of ``MOMENTS``, or a function that prepares the process for another.
        count: which one, from the start of this session.
        command: of training.
        output: file for what the process prints.
        environment: variables besides WANDB_MODE=disabled.
    """
    install = MOMENTS[moment] if isinstance(moment, str) and moment else moment or None
    process = Ranks(folder, [environment or {}], _train, [*command, *arguments], install, count, output=output)
    (status,) = process.finish()
    assert status is not None, process.printed
    return status


def _train(command: list[str], install: Callable[[int], None] | None, count: int) -> None:
    record_order()
    if install:
        install(count)
    cli.main(command)


def record_order() -> None:
    """Makes training steps add a line to ``order.RANK.jsonl``: number, images, a draw of each random source."""
    step = BaseVAE.training_step

    def recorded(model: BaseVAE, batch: dict, batch_idx: int) -> torch.Tensor:
        draws = [random.random(), float(np.random.rand()), float(torch.rand(()))]  # noqa: NPY002
        line = {"step": model.trainer.global_step, "images": batch["index"].tolist(), "draws": draws}
        with Path(f"order.{model.global_rank}.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")
        return step(model, batch, batch_idx)

    BaseVAE.training_step = recorded


# ------------------------------------------------------------------------------------------ moments, the n-th of each


def countdown(count: int) -> Callable[[], bool]:
    left = [count]

    def now() -> bool:
        left[0] -= 1
        return left[0] == 0

    return now


def in_method(name: str, act: Callable[[], object], count: int) -> None:
    """Calls ``act`` as a model's method begins, the ``count``-th time."""
    now, method = countdown(count), getattr(BaseVAE, name)

    def changed(model: BaseVAE, *arguments: Any) -> Any:
        if now():
            act()
        return method(model, *arguments)

    setattr(BaseVAE, name, changed)


def _while_writing(count: int) -> None:
    """With half of ``last.ckpt`` in the temporary file."""
    now, write = countdown(count), Path.write_bytes

    def deadly(path: Path, content: memoryview) -> int:
        if path.name.startswith(".last.") and now():
            write(path, bytes(content)[: len(content) // 2])
            send()
        return write(path, content)

    Path.write_bytes = deadly


def _at_rename(name: str, after: bool, count: int) -> None:
    """Before or after a file gets the name ``name``."""
    now, replace = countdown(count), os.replace

    def deadly(source: Path, target: Path) -> None:
        hit = Path(target).name == name and now()
        if not hit or after:
            replace(source, target)
        if hit:
            send()

    os.replace = deadly


def _in_a_row(count: int) -> None:
    """With half a row of ``metrics.csv`` written."""
    now, append = countdown(count), loggers._append_rows

    def deadly(path: Path, names: list[str], rows: list[dict]) -> None:
        if now():
            append(path, names, rows)
            os.truncate(path, path.stat().st_size - 30)
            send()
        append(path, names, rows)

    loggers._append_rows = deadly


MOMENTS = {
    "in a training step": partial(in_method, "training_step", send),
    "SIGTERM": partial(in_method, "training_step", partial(send, signal.SIGTERM)),
    "SIGINT": partial(in_method, "training_step", partial(send, signal.SIGINT)),
    "in validation": partial(in_method, "validation_step", send),
    "half of last.ckpt written": _while_writing,
    "last.ckpt became previous.ckpt": partial(_at_rename, "previous.ckpt", True),
    "before last.ckpt is replaced": partial(_at_rename, "last.ckpt", False),
    "after last.ckpt is replaced": partial(_at_rename, "last.ckpt", True),
    "between best.ckpt and last.ckpt": partial(_at_rename, "best.ckpt", True),
    "in a row of metrics.csv": _in_a_row,
    "while the header of metrics.csv changes": partial(_at_rename, "metrics.csv", False),
}


# ------------------------------------------------------------------------------------------------------- what is left


def steps(folder: Path, rank: int = 0) -> list[dict]:
    """The lines of one rank."""
    return [json.loads(line) for line in (folder / f"order.{rank}.jsonl").read_text().splitlines()]


def order(folder: Path) -> dict[int, dict]:
    """Images and draws of each step; of a step that was done again, the last time."""
    return {line["step"]: line for line in steps(folder)}


def rows(folder: Path) -> list[dict[str, str]]:
    """``metrics.csv`` without the one column that is of the clock."""
    with (folder / RUN / "metrics.csv").open(newline="") as file:
        return [{k: v for k, v in row.items() if k != "train/images_per_second"} for row in csv.DictReader(file)]


def checkpoint(folder: Path, name: str = "last") -> dict[str, Any]:
    """A checkpoint as nested plain values, without times."""
    return plain(torch.load(folder / RUN / "checkpoints" / f"{name}.ckpt", weights_only=True))


def plain(value: Any) -> Any:
    """Tensors as (type, values), so that == compares bits."""
    if isinstance(value, torch.Tensor):
        return str(value.dtype), value.tolist()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items() if key not in ("sessions", "seconds")}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value
