"""Run folders: ``lightning_logs/<experiment>/version_N`` with config.yaml, metrics.csv, checkpoints/ and figures/."""

import os
from pathlib import Path

from pytorch_lightning.loggers import Logger

from ugvae.metrics_log import MetricsLogger, is_first_process
from ugvae.wandb_log import wandb_logger

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


def run_loggers(experiment: str, resume_from: Path | None, root: Path = ROOT) -> list[Logger]:
    """CSV first, so that runs land in ``root``; W&B second, offline unless logged in, absent if WANDB_MODE=disabled.

    Args:
        experiment: folder of the runs.
        resume_from: a checkpoint whose run goes on in its own folder.
        root: folder of all experiments.
    """
    directory = run_directory(resume_from) if resume_from else None
    if directory and directory.name.removeprefix("version_").isdigit():
        csv_logger = MetricsLogger(directory.parent.parent, directory.parent.name, int(directory.name[8:]))
    else:
        csv_logger = MetricsLogger(root, experiment)
    if os.environ.get("WANDB_MODE") == "disabled" or not is_first_process():
        return [csv_logger]
    _ = csv_logger.experiment  # makes the folder
    return [csv_logger, wandb_logger(f"{csv_logger.name}/version_{csv_logger.version}", csv_logger.log_dir)]
