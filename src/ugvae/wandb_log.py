"""Weights & Biases, second to the CSV file: whatever happens to it, training goes on."""

import os
from collections.abc import Callable
from typing import Any

import wandb
from pytorch_lightning.loggers import WandbLogger
from pytorch_lightning.loggers.logger import rank_zero_experiment
from pytorch_lightning.utilities.rank_zero import rank_zero_warn

CONNECT_SECONDS = 30  # to reach the server at the start
FINISH_SECONDS = 60  # to send the rest at the end; what is left can be sent later


class PatientWandbLogger(WandbLogger):
    """Lightning's W&B logger, offline if the server cannot be reached, silent after its first failure.

    Args:
        name: of the run.
        save_dir: folder of the run; W&B writes into ``wandb/`` there.
        online: send to the server; else write files only.
    """

    def __init__(self, name: str, save_dir: str, online: bool) -> None:
        settings = wandb.Settings(silent=True, console="off", init_timeout=CONNECT_SECONDS)
        if hasattr(settings, "finish_timeout"):  # of recent versions; by default it waits for hours
            settings.finish_timeout = FINISH_SECONDS
        mode = "online" if online else "offline"
        super().__init__(name=name, save_dir=save_dir, project="ugvae", mode=mode, settings=settings)
        self._wandb_init.pop("anonymous", None)  # Lightning sets it, and wandb warns that it has no effect
        self._failed = False

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        if self._experiment is None and self._wandb_init["mode"] == "online":
            try:
                return super().experiment
            except Exception as error:  # of the network, of the server, of wandb's own process
                rank_zero_warn(f"W&B cannot be reached ({_line(error)}); the run is logged offline, in {self.save_dir}")
                self._wandb_init["mode"] = "offline"
        return super().experiment

    def _attempt(self, act: Callable[..., Any], *arguments: Any, **named: Any) -> None:
        if self._failed:
            return
        try:
            act(*arguments, **named)
        except Exception as error:
            self._failed = True
            rank_zero_warn(f"W&B failed ({_line(error)}); training goes on, metrics.csv and figures/ have everything")

    def log_metrics(self, *arguments: Any, **named: Any) -> None:
        self._attempt(super().log_metrics, *arguments, **named)

    def log_hyperparams(self, *arguments: Any, **named: Any) -> None:
        self._attempt(super().log_hyperparams, *arguments, **named)

    def log_image(self, *arguments: Any, **named: Any) -> None:
        self._attempt(super().log_image, *arguments, **named)

    def finalize(self, status: str) -> None:
        self._attempt(super().finalize, status)


def wandb_logger(name: str, save_dir: str) -> PatientWandbLogger:
    """The logger of a run: online if someone is logged in and the server answers."""
    os.environ.setdefault("WANDB_SILENT", "true")  # the run's own last lines say where everything is
    online = False
    if os.environ.get("WANDB_MODE") != "offline":
        try:
            online = bool(wandb.login(prompt=False))
        except Exception as error:  # asks the server, if there is a key
            rank_zero_warn(f"W&B: no login ({_line(error)}); the run is logged offline, in {save_dir}")
    return PatientWandbLogger(name, save_dir, online)


def _line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
