"""Training by several ranks that note the images of each step, and that can be made to die in one."""

import json
import os
import signal
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import torch
import torch.distributed

from tests.helpers.ranks import Ranks, join, launched
from tests.helpers.yaml_sweep import EXPERIMENTS
from ugvae import cli
from ugvae.callbacks import RankWatch
from ugvae.models import GroupVAE

RUN = Path("lightning_logs/digits/version_0")
TWO = ["--trainer.accelerator=cpu", "--trainer.devices=2", "--trainer.strategy=ddp"]
FIT = [
    "fit",
    f"--config={EXPERIMENTS / 'digits.yaml'}",
    "--data.image_size=8",
    "--data.groups_per_batch=4",
    "--model.z_dim=2",
    "--trainer.max_epochs=2",  # of 9 steps
    "--trainer.log_every_n_steps=4",
    "--checkpoint.every_n_train_steps=5",
    "--figures.every_n_epochs=1",
    "--figures.groups_per_label=0",
]
STEP = GroupVAE.training_step


def recorded(model: GroupVAE, batch: dict, batch_idx: int) -> torch.Tensor:
    """A training step that adds a line to ``order.RANK.jsonl``.

    With DIE_RANK and DIE_STEP in the environment, that rank gets DIE_SIGNAL in that step.
    """
    rank, step = model.global_rank, model.trainer.global_step
    with Path(f"order.{rank}.jsonl").open("a") as file:
        file.write(json.dumps({"step": step, "images": batch["index"].tolist()}) + "\n")
    if (str(rank), str(step)) == (os.environ.get("DIE_RANK"), os.environ.get("DIE_STEP")):
        os.kill(os.getpid(), signal.Signals[os.environ["DIE_SIGNAL"]])
    return STEP(model, batch, batch_idx)


def train(arguments: list[str]) -> None:
    """One rank: the command ``python -m ugvae ARGUMENTS`` with recorded steps."""
    GroupVAE.training_step = recorded
    cli.main(arguments)


def fit(folder: Path, *arguments: str) -> None:
    """Trains with two ranks that a launcher started."""
    ranks = Ranks(folder, launched(), train, [*FIT, *TWO, *arguments])
    assert ranks.finish() == [0, 0], ranks.printed


def order(folder: Path) -> list[list[dict]]:
    """The lines of each rank."""
    return [[json.loads(line) for line in (folder / f"order.{r}.jsonl").read_text().splitlines()] for r in (0, 1)]


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
        os.kill(os.getpid(), signal.SIGSTOP)
    if rank == 1:
        watch.on_train_end(None, None)
    elif freeze:
        torch.distributed.barrier()
    time.sleep(4)


if __name__ == "__main__":
    train(sys.argv[1:])
