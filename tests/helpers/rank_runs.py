"""Training by several ranks that note the images of each step, and that can be made to die in one."""

import os
import signal
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import torch
import torch.distributed

from tests.helpers.killed_runs import SMALL, record_order, send, steps
from tests.helpers.ranks import Ranks, join, launched
from ugvae import cli
from ugvae.callbacks import RankWatch
from ugvae.models import BaseVAE

TWO = ["--trainer.accelerator=cpu", "--trainer.devices=2", "--trainer.strategy=ddp"]
FIT = [*SMALL, "--data.groups_per_batch=4", "--trainer.max_epochs=2", "--figures.every_n_epochs=1"]  # of 9 steps


def train(arguments: list[str]) -> None:
    """One rank: the command ``python -m ugvae ARGUMENTS`` with recorded steps.

    With DIE_RANK and DIE_STEP in the environment, that rank gets DIE_SIGNAL in that step.
    """
    record_order()
    step = BaseVAE.training_step

    def deadly(model: BaseVAE, batch: dict, batch_idx: int) -> torch.Tensor:
        here = str(model.global_rank), str(model.trainer.global_step)
        if here == (os.environ.get("DIE_RANK"), os.environ.get("DIE_STEP")):
            send(signal.Signals[os.environ["DIE_SIGNAL"]])
        return step(model, batch, batch_idx)

    BaseVAE.training_step = deadly
    cli.main(arguments)


def fit(folder: Path, *arguments: str) -> None:
    """Trains with two ranks that a launcher started."""
    ranks = Ranks(folder, launched(), train, [*FIT, *TWO, *arguments])
    assert ranks.finish() == [0, 0], ranks.printed


def order(folder: Path) -> list[list[dict]]:
    """The lines of each rank."""
    return [steps(folder, rank) for rank in (0, 1)]


def images_of(lines: list[dict]) -> list[int]:
    """All images of all steps of one rank."""
    return [image for line in lines for group in line["images"] for image in group]


def watched(freeze: bool) -> None:
    """Two ranks with a ``RankWatch``: the second freezes, or has finished and lives on without a beat."""
    rank, num_ranks = join()
    watch = RankWatch(every=0.1, patience=2)
    watch.on_train_start(SimpleNamespace(world_size=num_ranks, global_rank=rank), None)
    time.sleep(0.5)
    if rank == 1 and freeze:
        send(signal.SIGSTOP)
    if rank == 1:
        watch.on_train_end(None, None)
    elif freeze:
        torch.distributed.barrier()
    time.sleep(4)


if __name__ == "__main__":
    train(sys.argv[1:])
