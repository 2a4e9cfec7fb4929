"""Run folders: ``lightning_logs/<experiment>/version_N`` with config.yaml, metrics.csv, checkpoints/ and figures/."""

import csv
import os
import warnings
from pathlib import Path

import torch
import wandb
from pytorch_lightning.loggers import CSVLogger, Logger, WandbLogger

from ugvae.errors import ConfigError

ROOT = Path("lightning_logs")


def newest_checkpoint(experiment: str, name: str, root: Path = ROOT) -> Path | None:
    """The most recently written checkpoint ``name`` (``last`` or ``best``) of an experiment, if there is one."""
    found = list((root / experiment).glob(f"version_*/checkpoints/{name}.ckpt"))
    return max(found, key=lambda path: path.stat().st_mtime, default=None)


def run_directory(checkpoint: str | Path) -> Path | None:
    """The run that a checkpoint belongs to: the folder above its ``checkpoints/``, if it has a ``config.yaml``."""
    directory = Path(checkpoint).absolute().parent.parent
    if not (directory / "config.yaml").exists():
        return None
    return Path(os.path.relpath(directory)) if directory.is_relative_to(Path.cwd()) else directory


def checkpoint_step(checkpoint: str | Path) -> int:
    """The number of optimiser steps behind a checkpoint.

    Raises:
        ConfigError: the file is missing, cut short or not a checkpoint.
    """
    path = Path(checkpoint)
    if not path.is_file():
        raise ConfigError(f"ckpt_path: no such file: {path}")
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True)["global_step"]
    except (RuntimeError, KeyError, EOFError, OSError, ValueError, torch.serialization.pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        others = sorted(other.name for other in path.parent.glob("*.ckpt") if other != path)
        hint = f" Beside it: {', '.join(others)}." if others else ""
        raise ConfigError(f"ckpt_path: {path} is not a complete checkpoint ({reason}).{hint}") from error


def run_loggers(experiment: str, resume_from: Path | None, root: Path = ROOT) -> list[Logger]:
    """CSV first, so that runs land in ``root``; W&B second, offline unless logged in, absent if WANDB_MODE=disabled.

    Args:
        experiment: folder of the runs.
        resume_from: a checkpoint whose run goes on in its own folder; its later metrics rows are dropped.
        root: folder of all experiments.
    """
    directory = run_directory(resume_from) if resume_from else None
    if directory and directory.name.removeprefix("version_").isdigit():
        csv_logger = CSVLogger(directory.parent.parent, directory.parent.name, int(directory.name[8:]))
        _keep_metrics(csv_logger, last_step=checkpoint_step(resume_from))
    else:
        csv_logger = CSVLogger(root, experiment)
    if os.environ.get("WANDB_MODE") == "disabled":
        return [csv_logger]
    _ = csv_logger.experiment  # makes the folder
    os.environ.setdefault("WANDB_SILENT", "true")  # the run's own last lines say where everything is
    offline = os.environ.get("WANDB_MODE") == "offline" or not wandb.login(prompt=False)
    name = f"{csv_logger.name}/version_{csv_logger.version}"
    wandb_logger = WandbLogger(
        name=name,
        save_dir=csv_logger.log_dir,
        project="ugvae",
        mode="offline" if offline else "online",
        settings=wandb.Settings(silent=True, console="off"),
    )
    wandb_logger._wandb_init.pop("anonymous", None)  # Lightning sets it, and wandb warns that it has no effect
    return [csv_logger, wandb_logger]


def _keep_metrics(logger: CSVLogger, last_step: int) -> None:
    """Carries the rows of an interrupted run over; Lightning's CSV logger starts by deleting the file."""
    path = Path(logger.log_dir) / "metrics.csv"
    rows: list[dict[str, str]] = []
    if path.exists():
        with path.open(newline="") as file:
            rows = [row for row in csv.DictReader(file) if int(row["step"]) <= last_step]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*exists and is not empty.*")
        writer = logger.experiment
    writer.metrics.extend({name: value for name, value in row.items() if value} for row in rows)
    writer.save()
