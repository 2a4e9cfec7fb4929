"""Running commands, one or many, and entering into the run's index what came of each."""

import argparse
import shlex
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from experiments.paper.index import DOES_NOT_APPLY, DONE, FAILED, record
from ugvae.errors import ConfigError
from ugvae.evaluation.trained_run import load_run


@dataclass(frozen=True)
class Job:
    """A command and its options.

    Attributes:
        name: of the command.
        module: that does it.
        options: as parsed.
        arguments: as typed; by default the name and the run.
    """

    name: str
    module: ModuleType
    options: argparse.Namespace
    arguments: str | None = None

    def record(self, status: str, seconds: float = 0.0, reason: str | None = None) -> None:
        """Enters the outcome into the run's index."""
        arguments = self.arguments or shlex.join([self.name, "--run", str(self.options.run)])
        command = f"python -m experiments.paper {arguments}"
        record(self.options.run, self.name, title_of(self.module), command, status, seconds, reason)


def title_of(module: ModuleType) -> str:
    """The first line of a module's docstring."""
    return module.__doc__.splitlines()[0].rstrip(".")


def run_one(job: Job) -> None:
    """Runs a command that was asked for by name.

    A wrong option leaves the index as it was. What the run cannot give at all, and a failure, are entered.

    Raises:
        ConfigError: the run or the options do not suit the command.
    """
    run = load_run(job.options.run, needs_beta=False)
    started = time.monotonic()
    try:
        job.module.run(job.options)
    except ConfigError:
        if reason := job.module.reason_not(run):
            job.record(DOES_NOT_APPLY, reason=reason)
        raise
    except Exception as error:
        job.record(FAILED, time.monotonic() - started, _describe(error))
        raise
    job.record(DONE, time.monotonic() - started)


def run_all(directory: Path, jobs: Sequence[Job]) -> list[str]:
    """Runs those commands that apply to a run, with a line of progress each.

    A command that fails is reported and does not keep the others from running.

    Returns:
        the names of those that failed.
    """
    run = load_run(directory, needs_beta=False)
    apply, failed = [], []
    for job in jobs:
        if reason := job.module.reason_not(run):
            _does_not_apply(job, reason)
        else:
            apply.append(job)
    for number, job in enumerate(apply, 1):
        head = f"[{number}/{len(apply)}] {job.name}: {title_of(job.module)}"
        print(head, flush=True)
        started = time.monotonic()
        try:
            job.module.run(job.options)
        except ConfigError as error:  # what is known only once it is tried, such as too few images for a group
            _does_not_apply(job, str(error))
        except Exception as error:  # a fault of this command alone
            traceback.print_exc()
            job.record(FAILED, time.monotonic() - started, _describe(error))
            failed.append(job.name)
            print(f"{job.name}: failed: {_describe(error)}", flush=True)
        else:
            seconds = time.monotonic() - started
            job.record(DONE, seconds)
            print(f"[{number}/{len(apply)}] {job.name}: done, {seconds:.0f} s", flush=True)
    return failed


def _does_not_apply(job: Job, reason: str) -> None:
    job.record(DOES_NOT_APPLY, reason=reason)
    print(f"{job.name}: does not apply: {reason}", flush=True)


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
