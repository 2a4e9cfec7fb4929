"""When a run writes its checkpoints: the best by validation, and ``last.ckpt`` by epochs, by time and by steps."""

import math
import time
from pathlib import Path
from typing import Any, Literal

from jsonargparse.typing import NonNegativeFloat, NonNegativeInt, PositiveInt
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import ModelCheckpoint

from ugvae.runs.checkpoints import LAST

ELBO = "val/elbo"
AGREE_EVERY = 10  # steps between two votes of the processes of a run


class RunCheckpoint(ModelCheckpoint):
    """``best.ckpt`` at the end of an epoch, ``last.ckpt`` also within epochs, the one before it as ``previous.ckpt``.

    Args:
        every_n_minutes: of training between two ``last.ckpt``; 0 for none but those of the epochs' ends.
        every_n_train_steps: the same in optimiser steps; 0 for none.
        monitor: the metric that decides which checkpoint is the best.
        mode: whether the largest or the smallest value is the best.
        filename: of the best.
        save_top_k: how many of the best to keep, -1 for all; give them names of their own: ``filename: '{epoch}'``.
        every_n_epochs: how often the end of an epoch may give the best.
        dirpath: folder; by default ``checkpoints`` in the run's.
    """

    def __init__(
        self,
        every_n_minutes: NonNegativeFloat = 10.0,
        every_n_train_steps: NonNegativeInt = 0,
        monitor: str = ELBO,
        mode: Literal["max", "min"] = "max",
        filename: str = "best",
        save_top_k: int = 1,
        every_n_epochs: PositiveInt = 1,
        dirpath: str | None = None,
    ) -> None:
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
        self._due, self._written_step = False, 0

    @property
    def state_key(self) -> str:
        """The name of this callback's state in a checkpoint; a resumed run may save at other times."""
        return f"RunCheckpoint{ {'monitor': self.monitor, 'mode': self.mode} }"

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._written_at, self._written_step = time.monotonic(), trainer.global_step

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        late = bool(self.seconds) and time.monotonic() - self._written_at >= self.seconds
        due = self.steps and trainer.global_step % self.steps == 0 and trainer.global_step != self._written_step
        if due or agreed(trainer, late):
            self._due = True
        if self._due and resumable_after(trainer, batch_idx):
            pl_module.log_if_due()  # the model's own hook runs only after the checkpoint
            self.write_last(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        validated = any(name.startswith("val/") for name in trainer.callback_metrics)
        if validated or not self.monitor.startswith("val/"):  # a run without validation has no best checkpoint
            super().on_train_epoch_end(trainer, pl_module)
        self.write_last(trainer)

    @property
    def best(self) -> str | None:
        """The best value so far in words, such as ``best validation ELBO 378.2 nats per image``; None without one."""
        if self.best_model_score is None:
            return None
        what = "validation ELBO" if self.monitor == ELBO else self.monitor
        return f"best {what} {float(self.best_model_score):.1f}{' nats per image' if self.monitor == ELBO else ''}"

    @property
    def best_elbo(self) -> float | None:
        """The largest validation ELBO, nats per image; None if there is none or another value decides."""
        of_elbo = self.monitor == ELBO and self.mode == "max" and self.best_model_score is not None
        return float(self.best_model_score) if of_elbo else None

    def write_last(self, trainer: Trainer) -> None:
        """Writes ``last.ckpt``; a collective call."""
        self._due, self._written_at, self._written_step = False, time.monotonic(), trainer.global_step
        if trainer.fast_dev_run:
            return
        self.last_model_path = str(Path(self.dirpath) / LAST)  # before, because it is part of the state
        trainer.save_checkpoint(self.last_model_path, weights_only=False)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over the best so far, also when the run's folder has moved or has another name from here."""
        saved = state_dict["dirpath"]
        if saved and self.dirpath and Path(saved).parts[-3:] == Path(self.dirpath).parts[-3:]:
            state_dict = {name: self._moved(value, saved) for name, value in state_dict.items()}
        super().load_state_dict(state_dict)
        self.current_score = state_dict["current_score"]  # Lightning saves it and leaves it out here

    def _moved(self, value: Any, saved: str) -> Any:
        """``value`` with the paths in the folder ``saved`` turned into paths in this one."""
        if isinstance(value, str) and Path(value).is_relative_to(saved):
            return str(Path(self.dirpath) / Path(value).relative_to(saved))
        if isinstance(value, dict):
            return {self._moved(name, saved): score for name, score in value.items()}
        return value


def run_checkpoint(trainer: Trainer) -> RunCheckpoint | None:
    """The run's own checkpoints, whatever others the user has added; None where they are switched off."""
    return next((callback for callback in trainer.callbacks if isinstance(callback, RunCheckpoint)), None)


def resumable_after(trainer: Trainer, batch_idx: int) -> bool:
    """Whether a run can go on exactly from a checkpoint after this batch.

    It cannot while gradients are being accumulated, nor where validation comes next: a resumed run would leave it out.
    """
    if trainer.is_last_batch or (batch_idx + 1) % trainer.accumulate_grad_batches:
        return False
    interval = trainer.val_check_batch
    if interval in (None, math.inf):
        return True
    batches_before = batch_idx if trainer.check_val_every_n_epoch else trainer.fit_loop.total_batch_idx
    return bool((batches_before + 1) % interval)


def agreed(trainer: Trainer, wish: bool) -> bool:
    """Whether any process of the run wishes something.

    Several processes vote only at every tenth step, so that all of them get the same answer at the same step.
    """
    if trainer.world_size == 1:
        return wish
    if trainer.global_step % AGREE_EVERY:
        return False
    return trainer.strategy.reduce_boolean_decision(wish, all=False)
