"""A clean stop on Ctrl-C or SIGTERM: the step is finished and ``last.ckpt`` written before the run ends."""

import signal
import threading
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.utilities.rank_zero import rank_zero_info

from ugvae.callbacks.checkpointing import agreed, resumable_after, run_checkpoint


class GracefulStop(Callback):
    """Turns SIGINT and SIGTERM into a checkpoint at the end of the step. A second Ctrl-C stops at once.

    At the last step of an epoch the stop waits for the validation, and for the checkpoint that ends the epoch.
    """

    def __init__(self) -> None:
        self._received: int | None = None
        self._stopping = False
        self._previous: dict[int, object] = {}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if threading.current_thread() is not threading.main_thread():  # Python lets no other handle signals
            return
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

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._stopping = self._stopping or agreed(trainer, self._received is not None)
        if self._stopping and resumable_after(trainer, batch_idx):
            pl_module.log_if_due()
            if checkpoint := run_checkpoint(trainer):
                checkpoint.write_last(trainer)
            self._stop(trainer)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._stopping:
            self._stop(trainer)

    def _stop(self, trainer: Trainer) -> None:
        checkpoint = run_checkpoint(trainer)
        saved = f"saved {checkpoint.last_model_path}" if checkpoint else "nothing is saved without checkpoints"
        number = self._received or signal.SIGTERM  # None where another process received it
        rank_zero_info(f"\nStopped by {signal.Signals(number).name}; {saved}")
        # The first rank ends with the status that a shell gives to a process which the signal has ended. The others end
        # with 0, since a launcher takes any other status for a failure and kills all ranks before they are done.
        raise SystemExit(128 + number if trainer.is_global_zero else 0)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._restore()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        self._restore()
