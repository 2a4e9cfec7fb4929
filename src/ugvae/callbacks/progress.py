"""The progress bar: the ELBO, and the time left of the whole run."""

import math
import os
import sys
import time

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Timer, TQDMProgressBar

from ugvae.machine import clock


def say(line: str) -> None:
    """Prints a line; if the output is a file on a full disk, or a closed pipe, nothing is printed from then on."""
    try:
        print(line, flush=True)
    except OSError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115  for the rest of the run


class ElboProgressBar(TQDMProgressBar):
    """A bar per epoch with the ELBO (nats per image) and the time left of the run; a line per epoch in a log file."""

    def __init__(self, refresh_rate: int = 20) -> None:
        super().__init__(refresh_rate=refresh_rate)
        self._interactive = sys.stdout is not None and sys.stdout.isatty()
        if not self._interactive:
            self.disable()

    def show(self) -> None:
        """Draws the bar even where the output is not a terminal."""
        self._interactive = True
        self.enable()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_train_start(trainer, pl_module)
        self._started, self._first_step = time.monotonic(), trainer.global_step
        self._last_step = trainer.estimated_stepping_batches

    def time_left(self, trainer: Trainer) -> str:
        """Time to the last step at this session's mean speed, validation and figures included, or to the time limit."""
        done = trainer.global_step - self._first_step
        limits = [timer.time_remaining() for timer in trainer.callbacks if isinstance(timer, Timer)]
        ends = [max(0.0, seconds) for seconds in limits if seconds is not None]
        if done and self._last_step != math.inf:  # infinite: only a time limit ends the run
            ends.append((time.monotonic() - self._started) / done * (self._last_step - trainer.global_step))
        return clock(min(ends)) if ends else "?"

    def get_metrics(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, str]:
        items = {}
        if pl_module.latest_terms:
            items["elbo"] = f"{pl_module.latest_terms['elbo']:.1f}"
        if trainer.state.fn == "fit" and not trainer.sanity_checking:
            items["left"] = self.time_left(trainer)
        return items

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_train_epoch_end(trainer, pl_module)
        if not self._interactive and trainer.is_global_zero:
            train, val = pl_module.latest_terms, trainer.callback_metrics.get("val/elbo")
            total = f"/{trainer.max_epochs}" if trainer.max_epochs > 0 else ""
            parts = [f"epoch {trainer.current_epoch + 1}{total}"]
            if train:
                parts.append(f"elbo {train['elbo']:.1f}")
            if val is not None:
                parts.append(f"val {val:.1f} nats per image")
            if train:
                parts.append(f"{train['images_per_second']:,.0f} images/s")
            say(", ".join([*parts, f"{self.time_left(trainer)} left"]))
