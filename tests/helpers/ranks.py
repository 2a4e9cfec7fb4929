"""Processes of tests, which may talk over gloo: each has a time limit, none is left running.

They start from a server that has imported everything once, so that a process costs a second.
"""

import multiprocessing
import os
import socket
import sys
import time
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import torch
import torch.distributed
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from tests.helpers import PROJECT

OWN = {"WANDB_MODE": "disabled", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(PROJECT)}
LAUNCHERS = (
    "SLURM_",
    "TORCHELASTIC",
    "MASTER_",
    "LOCAL_",
    "GROUP_",
    "RANK",
    "WORLD_SIZE",
    "NODE_RANK",
    "PL_",
    "WANDB_SERVICE",
)


def environment(**more: str) -> dict[str, str]:
    """That of a process of a run, without what a launcher around the tests may have set."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(LAUNCHERS)}
    return {**inherited, **OWN, **more}


def free_port() -> int:
    """A port that nobody listens to."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


def launched(num_ranks: int = 2) -> list[dict[str, str]]:
    """What a launcher such as torchrun says to each rank of one machine."""
    where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": str(num_ranks)}
    return [{**where, "RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(num_ranks)]


class Ranks:
    """Processes that do one function in one folder, each with its own environment and output.

    Args:
        folder: where they run.
        environments: of each, added to ``environment()``.
        target: a function of a module.
        *arguments: its own.
        output: file in the folder for what they print, with a place for their number.
    """

    def __init__(
        self,
        folder: Path,
        environments: list[dict[str, str]],
        target: Callable,
        *arguments: Any,
        output: str = "output.{}.txt",
    ) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([__name__, "ugvae.cli", "sklearn.datasets"])
        self.outputs = [folder / output.format(number) for number in range(len(environments))]
        self.processes: list[ForkServerProcess] = []
        for path, own in zip(self.outputs, environments, strict=True):
            wanted = (folder, path, environment(**own), target, arguments)
            self.processes.append(context.Process(target=_run, args=wanted))
            self.processes[-1].start()

    def finish(self, timeout: float = 240) -> list[int | None]:
        """Exit status of each, once all are over; None of one that was still going and had to be killed."""
        end = time.monotonic() + timeout
        for process in self.processes:
            process.join(max(0.0, end - time.monotonic()))
        statuses = [process.exitcode for process in self.processes]
        for process in self.processes:
            process.kill()
            process.join()
        return statuses

    @property
    def printed(self) -> list[str]:
        """What each has written to the terminal."""
        return [output.read_text() for output in self.outputs]


def _run(folder: Path, output: Path, own: dict[str, str], target: Callable, arguments: tuple) -> None:
    os.environ.clear()
    os.environ.update(own)
    os.chdir(folder)
    with output.open("a", buffering=1) as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.stdout.reconfigure(line_buffering=True)
    torch.set_num_threads(1)
    # Lightning asked the server's environment
    rank_zero_only.rank = int(own.get("RANK") or own.get("SLURM_PROCID") or 0)
    target(*arguments)


def join() -> tuple[int, int]:
    """Makes this process one of the ranks that ``launched`` describes; gives its rank and their number."""
    torch.distributed.init_process_group("gloo")
    return torch.distributed.get_rank(), torch.distributed.get_world_size()
