"""What a run needs, besides weights and optimiser, to go on as if it had never stopped."""

from pathlib import Path
from typing import Any

from pytorch_lightning import LightningModule, Trainer

from datamodules.mapped import check_mapped
from ugvae.callbacks.base import RunCallback
from ugvae.checkpoints import read_checkpoint
from ugvae.files import remove_strays
from ugvae.identity import describe_run, refuse_differences
from ugvae.metrics_log import MetricsLogger

SETTINGS, ROWS = "run_settings", "metrics_rows"


class ExactResume(RunCallback):
    """Notes in every checkpoint what the run is of, and refuses to go on with anything else.

    Args:
        checkpoint: that the run goes on from, if it does.
    """

    def __init__(self, checkpoint: Path | None = None) -> None:
        self.checkpoint = checkpoint
        self._settings: dict[str, Any] | None = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Compares settings and data before any weight is read; clears away what a killed process left."""
        self._settings = describe_run(pl_module, trainer.datamodule)
        if self.checkpoint:
            saved = read_checkpoint(self.checkpoint)
            refuse_differences(self.checkpoint, saved.get(SETTINGS, {}), self._settings)
        directory = trainer.log_dir  # a collective call
        if not trainer.is_global_zero or directory is None:
            return
        remove_strays(directory)
        for logger in metrics_loggers(trainer):
            if self.checkpoint and ROWS in saved:
                logger.experiment.keep(saved[ROWS])

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        check_mapped()

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        checkpoint[SETTINGS] = self._settings
        for logger in metrics_loggers(trainer) if trainer.is_global_zero else []:
            checkpoint[ROWS] = logger.experiment.num_rows


def metrics_loggers(trainer: Trainer) -> list[MetricsLogger]:
    """Those of the run, one or none."""
    return [logger for logger in trainer.loggers if isinstance(logger, MetricsLogger)]
