"""When a run writes its checkpoints: the best by validation, and ``last.ckpt`` by epochs, by time and by steps."""

import math
import time
from pathlib import Path
from typing import Any

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import ModelCheckpoint

from ugvae.callbacks.base import RunCallback
from ugvae.errors import ConfigError
from ugvae.runs.checkpoints import LAST

AGREE_EVERY = 10  # steps between the questions of several processes to one another


class RunCheckpoint(RunCallback, ModelCheckpoint):
    """``best.ckpt`` at the end of an epoch, ``last.ckpt`` also in its midst, the one before it as ``previous.ckpt``.

    Args:
        every_n_minutes: of training between two ``last.ckpt``; 0 for none but those of the epochs' ends.
        every_n_train_steps: the same by optimiser steps; 0 for none.
        monitor: the metric that says which checkpoint is the best.
        mode: ``max`` or ``min`` of it is the best.
        filename: of the best.
        save_top_k: how many of the best to keep, under names of their own: ``filename: '{epoch}'``.
        every_n_epochs: how often an epoch may be the best.
        dirpath: folder; by default ``checkpoints`` in the run's.

    Raises:
        ConfigError: a value out of range.
    """

    def __init__(
        self,
        every_n_minutes: float = 10.0,
        every_n_train_steps: int = 0,
        monitor: str = "val/elbo",
        mode: str = "max",
        filename: str = "best",
        save_top_k: int = 1,
        every_n_epochs: int = 1,
        dirpath: str | None = None,
    ) -> None:
        if not 0 <= every_n_minutes < math.inf or every_n_train_steps < 0:
            raise ConfigError("checkpoint: every_n_minutes and every_n_train_steps are 0 or more")
        super().__init__(
            dirpath=dirpath,
            filename=filename,
            monitor=monitor,
            mode=mode,
            save_top_k=save_top_k,
            every_n_epochs=every_n_epochs,
            enable_version_counter=False,
        )
        self.seconds, self.steps = 60 * every_n_minutes, every_n_train_steps
        self._due = False

    @property
    def state_key(self) -> str:
        """What makes a saved state that of this callback: how often it saves does not."""
        return self._generate_state_key(monitor=self.monitor, mode=self.mode)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._written_at = time.monotonic()

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        if self.steps and trainer.global_step % self.steps == 0:
            self._due = True
        late = bool(self.seconds) and time.monotonic() - self._written_at >= self.seconds
        if agreed(trainer, late):
            self._due = True
        if self._due and resumable_after(trainer, batch_idx):
            pl_module.log_if_due()  # as its own hook would do only after the checkpoint
            self.write_last(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_train_epoch_end(trainer, pl_module)
        self.write_last(trainer)

    def write_last(self, trainer: Trainer) -> None:
        """Writes ``last.ckpt``; a collective call."""
        self._due, self._written_at = False, time.monotonic()
        if trainer.fast_dev_run:
            return
        self.last_model_path = str(Path(self.dirpath) / LAST)  # before, because it is part of the state
        trainer.save_checkpoint(self.last_model_path, weights_only=False)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes the best so far over, also when the run's folder is now elsewhere or seen from elsewhere."""
        saved = state_dict["dirpath"]
        if saved and self.dirpath and Path(saved).parts[-3:] == Path(self.dirpath).parts[-3:]:
            state_dict = {name: self._moved(value, saved) for name, value in state_dict.items()}
        super().load_state_dict(state_dict)

    def _moved(self, value: Any, saved: str) -> Any:
        """``value`` with the paths in the folder ``saved`` turned into paths in this one."""
        if isinstance(value, str) and Path(value).is_relative_to(saved):
            return str(self.dirpath) if value == saved else str(Path(self.dirpath) / Path(value).relative_to(saved))
        if isinstance(value, dict):
            return {self._moved(name, saved): score for name, score in value.items()}
        return value


def resumable_after(trainer: Trainer, batch_idx: int) -> bool:
    """Whether a checkpoint after this batch holds all that is needed to go on exactly.

    Not while gradients are being accumulated, nor when validation comes next: it would be left out after the resume.
    """
    if trainer.is_last_batch or (batch_idx + 1) % trainer.accumulate_grad_batches:
        return False
    interval = trainer.val_check_batch
    if interval in (None, math.inf):
        return True
    counted = batch_idx if trainer.check_val_every_n_epoch else trainer.fit_loop.total_batch_idx
    return bool((counted + 1) % interval)


def agreed(trainer: Trainer, wish: bool) -> bool:
    """Whether any process wishes; several ask one another only every few steps, so that all do the same at once."""
    if trainer.world_size == 1:
        return wish
    if trainer.global_step % AGREE_EVERY:
        return False
    return trainer.strategy.reduce_boolean_decision(wish, all=False)
