"""What the processes of a run, its ranks, do when one of them is gone."""

import logging
import os
import re
import sys
import threading
import time
from pathlib import Path

import torch.distributed
from pytorch_lightning import Callback, LightningModule, Trainer

from ugvae.errors import ConfigError

ADVICE = "all processes of the run stop; go on from the last checkpoint with --ckpt_path last"
DONE = 2**40  # added to a rank's count of beats when it has finished training: it need not show signs of life any more
EXIT_STATUS = 3
LAUNCHER = "lightning_fabric.strategies.launchers.subprocess_script"


class RankWatch(Callback):
    """Ends this process when another one of its run no longer shows a sign of life; for runs of several processes.

    Over gloo a dead process closes its connections, and the others get an error at once. A GPU that waits for a dead
    one, or for a machine that was switched off, gets none for half an hour. So every rank counts its beats in the
    key-value store through which the ranks found each other. The first rank watches all others, and they watch the
    first. That happens in threads, so that a rank which draws a figure or writes a checkpoint is not taken for dead.

    Args:
        checkpoint: the checkpoint that this rank goes on from; None for a new run.
        every: seconds between two beats.
        patience: seconds without a beat after which a rank counts as dead.
    """

    def __init__(self, checkpoint: Path | None = None, every: float = 5.0, patience: float = 40.0) -> None:
        self.checkpoint = checkpoint
        self.every, self.patience = every, patience
        self._over, self._finished = threading.Event(), False

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Compares the checkpoints that the ranks go on from: ``last`` may have changed between their starts.

        Raises:
            ConfigError: this rank goes on from another file than the first rank.
        """
        mine, first = str(self.checkpoint), trainer.strategy.broadcast(str(self.checkpoint))
        if mine != first:
            raise ConfigError(
                f"ckpt_path: rank {trainer.global_rank} goes on from {mine}, rank 0 from {first}; "
                "another run is writing there: give the file's name"
            )

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        rank = trainer.global_rank
        watched = [0] if rank else range(1, trainer.world_size)
        self._over, self._finished = threading.Event(), False
        self._last_beat = dict.fromkeys(watched, (0, time.monotonic()))  # counts, and when they last changed
        threading.Thread(target=self._beat, args=(_store(), rank), daemon=True).start()
        threading.Thread(target=self._watch, daemon=True).start()

    def _beat(self, store: torch.distributed.Store, rank: int) -> None:
        """Shows signs of life and looks for those of others, until the run is over or the store is gone."""
        try:
            while not self._over.wait(self.every):
                store.add(str(rank), 1)
                for other, (count, _) in self._last_beat.items():
                    if (now := store.add(str(other), 0)) != count:
                        self._last_beat[other] = (now, time.monotonic())
            if self._finished:
                store.add(str(rank), DONE)
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


def _store() -> torch.distributed.Store:
    """A connection of its own to the store through which the ranks found each other."""
    where = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])  # set by the launcher or by Lightning
    store = torch.distributed.TCPStore(*where, is_master=False, wait_for_workers=False)
    return torch.distributed.PrefixStore("beats", store)


def is_lost_rank(error: BaseException) -> bool:
    """Whether an error says that the connection to another rank is lost."""
    lost = isinstance(error, torch.distributed.DistError) or "gloo" in str(error) or "NCCL" in str(error)
    return lost and torch.distributed.is_initialized() and torch.distributed.get_world_size() > 1


def reason(error: BaseException) -> str:
    """What happened to the connection, without the place in the library's source and its advice."""
    line = str(error).splitlines()[0]
    return re.sub(r"^\[\S+\] ", "", line).split(". This is")[0]


def explain_launcher() -> None:
    """Adds advice to what Lightning's launcher says when it ends all processes because one has failed."""

    def rewrite(record: logging.LogRecord) -> bool:
        if "Forcefully terminating" in str(record.msg):
            record.msg = f"error: {str(record.msg).split(' Forcefully')[0]} {ADVICE[0].upper()}{ADVICE[1:]}"
        return True

    logger = logging.getLogger(LAUNCHER)
    if not logger.filters:
        logger.addFilter(rewrite)
