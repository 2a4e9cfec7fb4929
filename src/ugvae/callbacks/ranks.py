"""What becomes of a run when one of its processes, its ranks, is gone."""

import logging
import os
import re
import sys
import threading
import time

import torch.distributed
from pytorch_lightning import LightningModule, Trainer

from ugvae.callbacks.base import RunCallback
from ugvae.errors import ConfigError

ADVICE = "all processes of the run stop; go on from the last checkpoint with --ckpt_path last"
DONE = 2**40  # added to a rank's count of beats when it has finished training: no sign of life is expected from then on
EXIT_STATUS = 3
LAUNCHER = "lightning_fabric.strategies.launchers.subprocess_script"


class RankWatch(RunCallback):
    """Ends this process when another one of its run no longer shows a sign of life.

    Over gloo a dead process closes its connections, and the others get an error at once. A GPU that waits for a dead
    one, or for a machine that was switched off, gets none for half an hour. So every rank counts its beats in the
    store through which the ranks found each other; the first rank watches all others, and they watch the first. That
    happens in threads, so that a rank which takes its time, for a figure or a checkpoint, is not taken for a dead one.

    Args:
        every: seconds between two beats.
        patience: seconds without a beat after which a rank counts as dead.
    """

    def __init__(self, every: float = 5.0, patience: float = 40.0) -> None:
        self.every, self.patience = every, patience
        self._over, self._finished = threading.Event(), False

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Compares the checkpoints that the ranks go on from: ``last`` may have changed between their starts."""
        if trainer.world_size == 1:
            return
        found = str(trainer.ckpt_path)
        if (first := trainer.strategy.broadcast(found)) != found:
            raise ConfigError(
                f"ckpt_path: rank {trainer.global_rank} found {found}, rank 0 found {first}; "
                "another run is writing there: give the file's name"
            )

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.world_size == 1:
            return
        rank = trainer.global_rank
        watched = [0] if rank else range(1, trainer.world_size)
        self._over, self._finished = threading.Event(), False
        self._last_beat = dict.fromkeys(watched, (0, time.monotonic()))  # counts, and when they last changed
        store = torch.distributed.distributed_c10d._get_default_store()
        threading.Thread(target=self._beat, args=(store, rank), daemon=True).start()
        threading.Thread(target=self._watch, daemon=True).start()

    def _beat(self, store: torch.distributed.Store, rank: int) -> None:
        """Shows a sign of life and looks for those of others; ends when the store is gone, which is no sign either."""
        try:
            while not self._over.wait(self.every):
                store.add(f"beats/{rank}", 1)
                for other, (count, _) in self._last_beat.items():
                    if (now := store.add(f"beats/{other}", 0)) != count:
                        self._last_beat[other] = (now, time.monotonic())
            if self._finished:
                store.add(f"beats/{rank}", DONE)
        except RuntimeError:  # torch's DistNetworkError among them
            return

    def _watch(self) -> None:
        while not self._over.wait(self.every):
            now = time.monotonic()
            for rank, (count, last) in self._last_beat.items():
                if count < DONE and now - last > self.patience:
                    sys.stderr.write(f"error: no sign of life from rank {rank} for {now - last:.0f} s: {ADVICE}\n")
                    sys.stderr.flush()
                    os._exit(EXIT_STATUS)  # the main thread waits for the dead rank and can be ended in no other way

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._finished = True
        self._over.set()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        self._over.set()


def is_lost_rank(error: BaseException) -> bool:
    """Whether an error is that of a connection to another rank."""
    lost = isinstance(error, torch.distributed.DistError) or "gloo" in str(error) or "NCCL" in str(error)
    return lost and torch.distributed.is_initialized() and torch.distributed.get_world_size() > 1


def reason(error: BaseException) -> str:
    """What happened to the connection, without the place in the library's source and its advice."""
    line = str(error).splitlines()[0]
    return re.sub(r"^\[\S+\] ", "", line).split(". This is")[0]


def explain_launcher() -> None:
    """Makes Lightning's launcher, which ends all its processes when one has failed, say what to do then."""

    def rewrite(record: logging.LogRecord) -> bool:
        if "Forcefully terminating" in str(record.msg):
            record.msg = f"error: {str(record.msg).split(' Forcefully')[0]} {ADVICE[0].upper()}{ADVICE[1:]}"
        return True

    logger = logging.getLogger(LAUNCHER)
    if not logger.filters:
        logger.addFilter(rewrite)
