"""The beginning of a run: its checks, the weights it starts from, and only then its folder and its logs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from jsonargparse import Namespace
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import EarlyStopping
from pytorch_lightning.cli import LightningArgumentParser, SaveConfigCallback
from pytorch_lightning.loggers import Logger
from torch import Tensor

from ugvae.data.module import GroupDataModule
from ugvae.errors import ConfigError
from ugvae.runs.checkpoints import read_checkpoint

MEAN_OF = 1_000  # images whose mean a run starts from


class NewRun(Callback):
    """Makes the run's folder and its logs when the settings, the data and the model have passed their checks.

    So a run that is refused leaves no folder. To come after the callbacks that check.

    Args:
        make_loggers: makes them, and with them the folder.
        resumed: the run goes on from a checkpoint, whose weights count.
    """

    def __init__(self, make_loggers: Callable[[], list[Logger]], resumed: bool = False) -> None:
        self.make_loggers, self.resumed = make_loggers, resumed

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Checks what would only be refused at the first step or later, then makes the folder.

        Raises:
            ConfigError: the model does not suit the data, or a callback waits for a validation that never comes.
        """
        check_early_stopping(trainer)
        data = trainer.datamodule
        pl_module.check_data(data)
        if isinstance(data, GroupDataModule):
            data.span_devices = pl_module.span_devices
            data.loader("train", shuffle=True)  # refuses groups that the data cannot fill
        if pl_module.init_from and not self.resumed:
            load_weights(pl_module, Path(pl_module.init_from).expanduser())
        elif pl_module.start_at_mean and not self.resumed and isinstance(data, GroupDataModule):
            pl_module.start_at(mean_image(data))
        if not trainer.fast_dev_run:
            trainer.loggers = self.make_loggers()


class RunSettings(SaveConfigCallback):
    """Writes ``config.yaml`` without the checkpoint that a session goes on from: with it, ``fit`` makes a new run."""

    def __init__(self, parser: LightningArgumentParser, config: Namespace, **options: Any) -> None:
        config = config.clone()
        config.ckpt_path = None
        super().__init__(parser, config, **options)


def check_early_stopping(trainer: Trainer) -> None:
    """Raises a ConfigError if a callback would stop by a validation that the run does not have."""
    stopping = [callback.monitor for callback in trainer.callbacks if isinstance(callback, EarlyStopping)]
    if not trainer.limit_val_batches and (waiting := [monitor for monitor in stopping if monitor.startswith("val/")]):
        raise ConfigError(
            f"trainer.callbacks: EarlyStopping waits for {waiting[0]}, and trainer.limit_val_batches 0 leaves out the "
            "validation; leave one of the two out"
        )


def mean_image(data: GroupDataModule) -> Tensor:
    """The mean ``(C, H, W)`` in [0, 1] of training images, 1,000 at most, taken evenly from all."""
    images = data.table("train").images
    rows = torch.linspace(0, len(images) - 1, min(len(images), MEAN_OF)).long()
    return images[rows].float().mean(0) / 255


def load_weights(model: LightningModule, path: Path) -> None:
    """Takes over the weights of a checkpoint, and nothing else of it.

    Raises:
        ConfigError: no such checkpoint, or weights of another model; the message names the first that differ.
    """
    weights, own = read_checkpoint(path, "model.init_from")["state_dict"], model.state_dict()
    differing = [
        f"{name}: {tuple(weights[name].shape) if name in weights else 'none'} there, "
        f"{tuple(own[name].shape) if name in own else 'none'} here"
        for name in dict.fromkeys([*weights, *own])
        if name not in weights or name not in own or weights[name].shape != own[name].shape
    ]
    if differing:
        raise ConfigError(
            f"model.init_from: {path} has other weights than this {type(model).__name__} ({'; '.join(differing[:3])}"
            f"{' …' if len(differing) > 3 else ''}); give the model the settings of that run's config.yaml"
        )
    model.load_state_dict(weights)
