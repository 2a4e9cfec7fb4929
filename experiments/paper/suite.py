"""Runs one command or many, and enters into the run's index what came of each."""

import shlex
import time
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.paper.command import Command
from experiments.paper.index import DOES_NOT_APPLY, DONE, FAILED, record
from ugvae.errors import ConfigError
from ugvae.evaluation.trained_run import load_run


@dataclass(frozen=True)
class Job:
    """A command, the run it is for and its options.

    Attributes:
        command: the command.
        directory: folder of the run.
        options: without the run.
        typed: the command line after the name and the run, as in the index.
    """

    command: Command
    directory: Path
    options: Mapping[str, Any]
    typed: str | None = None

    def make(self) -> float:
        """Runs the command and enters that it is done, or how it failed; gives the seconds.

        Raises:
            ConfigError: the run or the options do not suit the command; the index is as it was.
        """
        run, started = load_run(self.directory, needs_beta=False), time.monotonic()
        try:
            self.command.make(run, self.options)
        except ConfigError:
            raise
        except Exception as error:
            self.record(FAILED, time.monotonic() - started, describe(error))
            raise
        seconds = time.monotonic() - started
        self.record(DONE, seconds)
        return seconds

    def record(self, status: str, seconds: float = 0.0, reason: str | None = None) -> None:
        """Enters the outcome into the run's index."""
        typed = self.typed or shlex.join([self.command.name, "--run", str(self.directory)])
        line = f"python -m experiments.paper {typed}"
        record(self.directory, self.command.name, self.command.title, line, status, seconds, reason)


def run_one(job: Job) -> None:
    """Runs a command that was asked for by name.

    A wrong option leaves the index as it was. What the run cannot give at all, and a failure, are entered.

    Raises:
        ConfigError: the run or the options do not suit the command.
    """
    try:
        job.make()
    except ConfigError:
        if reason := job.command.reason_not(load_run(job.directory, needs_beta=False)):
            job.record(DOES_NOT_APPLY, reason=reason)
        raise


def run_all(directory: Path, commands: Iterable[Command]) -> list[str]:
    """Runs those commands that apply to a run, with their default options and a line of progress each.

    A command that fails is reported and does not keep the others from running.

    Returns:
        the names of those that failed.
    """
    run = load_run(directory, needs_beta=False)
    jobs, failed = [], []
    for command in commands:
        job = Job(command, directory, command.defaults())
        if reason := command.reason_not(run):
            _does_not_apply(job, reason)
        else:
            jobs.append(job)
    for number, job in enumerate(jobs, 1):
        name = job.command.name
        print(f"[{number}/{len(jobs)}] {name}: {job.command.title}", flush=True)
        try:
            seconds = job.make()
        except ConfigError as error:  # what is known only once it is tried, such as too few images for a group
            _does_not_apply(job, str(error))
        except Exception as error:  # a fault of this command alone
            traceback.print_exc()
            failed.append(name)
            print(f"{name}: failed: {describe(error)}", flush=True)
        else:
            print(f"[{number}/{len(jobs)}] {name}: done, {seconds:.0f} s", flush=True)
    return failed


def _does_not_apply(job: Job, reason: str) -> None:
    job.record(DOES_NOT_APPLY, reason=reason)
    print(f"{job.command.name}: does not apply: {reason}", flush=True)


def describe(error: Exception) -> str:
    """An error in a line."""
    return f"{type(error).__name__}: {error}"
