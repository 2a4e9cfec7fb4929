"""What a run needs, besides weights and optimiser, to go on as if it had never stopped."""

import math
import random
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pytorch_lightning import Callback, LightningModule, Trainer

from ugvae.callbacks.progress import say
from ugvae.data.augmented_groups import changes_for
from ugvae.data.cache import check_mapped
from ugvae.data.groupings import OF_DOMAINS
from ugvae.data.loading import describe_data
from ugvae.data.module import GroupDataModule
from ugvae.distributed import distributed_rank, gather_objects
from ugvae.errors import ConfigError, plain_value
from ugvae.models.optim import cosine_factor
from ugvae.runs.checkpoints import SETTINGS, read_checkpoint
from ugvae.runs.files import remove_strays
from ugvae.runs.loggers import MetricsLogger

ROWS, RANKS, PLANNED = "metrics_rows", "rank_states", "planned_steps"  # entries of a checkpoint
TIMER = "Timer"  # the state of Lightning's timer there


class ExactResume(Callback):
    """Keeps in every checkpoint what an exact resume needs, and refuses to go on with other settings or data.

    Each process keeps its own part: the random states, and the terms of the bound since the last row of the log.
    ``trainer.max_time`` counts anew in every session, as the time limit of a job does.

    Args:
        checkpoint: the checkpoint that the run goes on from; None for a new run.
    """

    def __init__(self, checkpoint: Path | None = None) -> None:
        self.checkpoint = checkpoint
        self._settings: dict[str, Any] | None = None
        self._resumed: dict[str, Any] | None = None  # the part of this process, until training goes on from it
        self._rows: int | None = None  # of the log, at the checkpoint
        self._planned: float | None = None  # steps of the whole run, at the checkpoint

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Compares settings and data before any weight is read."""
        self._settings = describe_run(pl_module, trainer.datamodule)
        if self.checkpoint:
            saved = read_checkpoint(self.checkpoint)
            refuse_differences(self.checkpoint, saved.get(SETTINGS, {}), self._settings)
            self._rows, self._planned = saved.get(ROWS), saved.get(PLANNED)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Clears away what a killed process left."""
        directory = trainer.log_dir  # a collective call
        if not trainer.is_global_zero or not trainer.loggers or trainer.fast_dev_run:
            return
        remove_strays(directory)
        for logger in metrics_loggers(trainer):
            if self._rows is not None:
                logger.experiment.keep(self._rows)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        check_mapped()

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        checkpoint.get("callbacks", {}).pop(TIMER, None)
        rank, num_ranks = distributed_rank()
        states = checkpoint.get(RANKS, ())
        # with another number of processes there is no part to go on from, and noise is drawn anew
        self._resumed = states[rank] if len(states) == num_ranks else None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The last moment before noise is drawn."""
        self._announce_schedule(trainer, pl_module)
        if self._resumed is None:
            return
        set_random_states(self._resumed["random"])
        terms = self._resumed["training_terms"]
        if "names" in terms:  # checkpoints of version 0.1 kept them otherwise; then the next row of the log is of less
            pl_module.training_terms.restore(terms, pl_module.device)
            pl_module.speed.start(terms["seconds"], terms["images"])
        self._resumed = None

    def _announce_schedule(self, trainer: Trainer, model: LightningModule) -> None:
        """Says where the learning rate jumps, because the run has another length than it was planned with."""
        before, now, step = self._planned, trainer.estimated_stepping_batches, trainer.global_step
        if model.schedule != "cosine" or before in (None, now) or math.inf in (before, now):
            return
        old, new = (model.learning_rate * cosine_factor(step, steps) for steps in (before, now))
        say(
            f"The run was planned with {before:,.0f} steps and has {now:,.0f} now. The cosine of the learning rate "
            f"spans all of them: at this step, {step:,}, it goes from {old:.2g} to {new:.2g}. For a new run from these "
            f"weights with a schedule of its own: --model.init_from {shlex.quote(str(self.checkpoint))} in place of "
            "--ckpt_path"
        )

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        checkpoint[SETTINGS] = self._settings
        checkpoint[PLANNED] = trainer.estimated_stepping_batches
        speed = {"seconds": pl_module.speed.seconds, "images": int(pl_module.speed.images)}
        terms = {**pl_module.training_terms.saved_state(), **speed}
        checkpoint[RANKS] = gather_objects({"random": random_states(), "training_terms": terms})
        for logger in metrics_loggers(trainer) if trainer.is_global_zero else []:
            checkpoint[ROWS] = logger.experiment.num_rows


def metrics_loggers(trainer: Trainer) -> list[MetricsLogger]:
    """Those of the run, one or none."""
    return [logger for logger in trainer.loggers if isinstance(logger, MetricsLogger)]


SHOWN = 3  # runs that a message names
FREE = {"compile"}  # settings of a model that a resumed run may change


def describe_run(model: LightningModule, data: GroupDataModule) -> dict[str, Any]:
    """Settings by the name that the user gave them."""
    groups = data.training_groups
    own = {f"model.{name}": value for name, value in model.hparams.items() if name not in FREE}
    similar = groups.kind == "similar"
    settings = {
        "model": type(model).__name__,
        **own,
        "data": "+".join(type(part).__name__ for part in getattr(data, "domains", [data])),
        "data.image_shape": list(data.image_shape),
        "data.group_size": data.group_size,
        "data.groups_per_batch": data.groups_per_batch,
        "data.seed": data.seed,
        "data.grouping": groups.kind,
        "data.group_column": groups.column if groups.kind in ("attribute", "given") else None,
        "data.min_group_size": groups.min_group_size,
        "data.proportions": list(groups.proportions) if groups.proportions else None,
        "data.concentration": groups.concentration if groups.kind in OF_DOMAINS else None,
        "data.statistics": list(groups.statistics) if similar else None,
        "data.random_share": groups.random_share if similar else None,
        "data.widest_window": groups.widest_window if similar else None,
        "data.changes": changes_for(data.image_shape[0], groups.changes) if groups.kind == "augmented" else None,
        "trainer.devices × num_nodes": distributed_rank()[1],
        **describe_data(data),
    }
    return {name: _plain(value) for name, value in settings.items()}


def refuse_differences(checkpoint: Path, saved: dict[str, Any], now: dict[str, Any]) -> None:
    """Raises a ConfigError that names every setting that differs; one that either side lacks is not compared."""
    names = [name for name in saved if name in now and saved[name] != now[name]]
    differing = [f"{name} was {saved[name]}, now {now[name]}" for name in names]
    if differing:
        raise ConfigError(
            f"ckpt_path: {checkpoint} is of a run with other settings: {'; '.join(differing)}. Go on with the settings "
            f"of the run, {_others(checkpoint)}or leave --ckpt_path out to start a new one"
        )


def _others(checkpoint: Path) -> str:
    """How to choose another run of the experiment, if there is one; the newest are named."""
    paths = [path for path in checkpoint.absolute().parents[2].glob("*/checkpoints/last.ckpt") if path.is_file()]
    others = [path for path in paths if path.parent != checkpoint.absolute().parent]
    newest = sorted(others, key=lambda path: path.stat().st_mtime, reverse=True)[:SHOWN]
    shown = [
        shlex.quote(str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)) for path in newest
    ]
    return f"choose another run ({', '.join(f'--ckpt_path {path}' for path in shown)}), " if shown else ""


def _plain(value: Any) -> Any:
    value = plain_value(value)
    return list(value) if isinstance(value, tuple) else value


def random_states() -> dict[str, Any]:
    """The states of Python, NumPy and torch, on the CPU and on all GPUs."""
    kind, keys, position, has_gauss, cached = np.random.get_state()  # noqa: NPY002  the user's code may draw from it
    return {
        "python": random.getstate(),
        "numpy": [kind, torch.from_numpy(keys.astype(np.int64)), int(position), int(has_gauss), float(cached)],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def set_random_states(states: dict[str, Any]) -> None:
    """Puts back what ``random_states`` gave; the GPUs' only where there are as many as there were."""
    version, internal, gauss = states["python"]
    random.setstate((version, tuple(internal), gauss))
    kind, keys, position, has_gauss, cached = states["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), position, has_gauss, cached))  # noqa: NPY002
    torch.set_rng_state(states["torch"])
    if states["cuda"] and torch.cuda.is_available() and len(states["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(states["cuda"])
