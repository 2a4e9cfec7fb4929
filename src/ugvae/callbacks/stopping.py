"""A clean stop on Ctrl-C or SIGTERM: the step is finished and ``last.ckpt`` written before the run ends."""

import signal
from pathlib import Path

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.utilities.rank_zero import rank_zero_info


class GracefulStop(Callback):
    """Turns SIGINT and SIGTERM into a checkpoint at the end of the step. A second Ctrl-C stops at once."""

    def __init__(self) -> None:
        self._received: int | None = None
        self._previous: dict[int, object] = {}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._previous[number] = signal.signal(number, self._remember)

    def _remember(self, number: int, frame: object) -> None:
        if self._received is not None:
            self._restore()
            raise KeyboardInterrupt
        self._received = number

    def _restore(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: object) -> None:
        if self._received is None:
            return
        path = Path(trainer.checkpoint_callback.dirpath or trainer.default_root_dir) / "last.ckpt"
        pl_module.flush_training_terms()
        trainer.save_checkpoint(path)
        rank_zero_info(f"\nStopped by {signal.Signals(self._received).name}; saved {path}")
        raise SystemExit(128 + self._received)  # what a shell reports for a process ended by the signal

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._restore()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        self._restore()
