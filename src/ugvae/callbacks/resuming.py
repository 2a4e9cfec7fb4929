"""What a run needs, besides weights and optimiser, to go on as if it had never stopped."""

from pathlib import Path
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer

from ugvae.data.cache import check_mapped
from ugvae.data.module import GroupDataModule
from ugvae.data.table import digest
from ugvae.distributed import distributed_rank
from ugvae.errors import ConfigError
from ugvae.runs.checkpoints import read_checkpoint
from ugvae.runs.files import remove_strays
from ugvae.runs.loggers import MetricsLogger

SETTINGS, ROWS = "run_settings", "metrics_rows"


class ExactResume(Callback):
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


FREE = {"compile"}  # settings of a model that a resumed run may change


def describe_run(model: LightningModule, data: GroupDataModule) -> dict[str, Any]:
    """Settings by the name that the user gave them."""
    table = data.table("train")
    groups = data.training_groups
    own = {f"model.{name}": _plain(value) for name, value in model.hparams.items() if name not in FREE}
    by_domain = groups.kind in ("mixed", "pure", "proportions")
    return {
        "model": type(model).__name__,
        **own,
        "data": "+".join(type(part).__name__ for part in getattr(data, "domains", [data])),
        "data.image_shape": list(data.image_shape),
        "data.group_size": data.group_size,
        "data.groups_per_batch": data.groups_per_batch,
        "data.seed": data.seed,
        "data.grouping": groups.kind,
        "data.group_column": groups.column if groups.kind == "attribute" else None,
        "data.proportions": list(groups.proportions) if groups.proportions else None,
        "data.concentration": groups.concentration if by_domain else None,
        "trainer.devices × num_nodes": distributed_rank()[1],
        "training images": len(table),
        "content of the training images": digest(table),
    }


def refuse_differences(checkpoint: Path, saved: dict[str, Any], now: dict[str, Any]) -> None:
    """Raises a ConfigError that names every setting that differs; one that either side lacks is not compared."""
    names = [name for name in saved if name in now and saved[name] != now[name]]
    differing = [f"{name} was {saved[name]}, now {now[name]}" for name in names]
    if differing:
        raise ConfigError(
            f"ckpt_path: {checkpoint} is of a run with other settings: {'; '.join(differing)}. Go on with the settings "
            "of the run, or leave --ckpt_path out to start a new one"
        )


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
