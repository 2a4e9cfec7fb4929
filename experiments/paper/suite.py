"""Runs one command or many; ``<run>/paper/index.json`` says what came of each, for the report and for any script."""

import json
import shlex
import time
import traceback
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock

from ugvae.errors import ConfigError
from ugvae.evaluation.trained_run import TrainedRun, load_run
from ugvae.experiments.paper.command import Command
from ugvae.experiments.paper.dashboard import add_paper
from ugvae.runs.advice import PAPER, paper_command
from ugvae.runs.files import save_json

Status = Literal["done", "does not apply", "failed"]


def read_index(run: Path) -> dict[str, Any]:
    """The index of a run's folder; without commands if there is none yet."""
    path = run / "paper" / "index.json"
    return json.loads(path.read_text()) if path.is_file() else {"commands": {}}


def record(
    run: Path, command: Command, typed: str | None, status: Status, seconds: float = 0.0, reason: str | None = None
) -> None:
    """Enters the outcome of a command into the index of a run's folder.

    The figures are those of its JSON. A command that does not apply, or failed, has none, even if an earlier call
    left some.

    Args:
        run: the run's folder.
        command: the command.
        typed: its arguments; by default its name and the run.
        status: what came of it.
        seconds: how long it took.
        reason: why it does not apply, or how it failed.
    """
    directory = run / "paper"
    result = directory / f"{command.name}.json"
    entry = {
        "title": command.title,
        "status": status,
        "reason": reason,
        "seconds": round(seconds, 1),
        "figures": json.loads(result.read_text())["figures"] if status == "done" and result.is_file() else [],
        "command": f"{PAPER}{typed}" if typed else paper_command(command.name, run),
    }
    directory.mkdir(parents=True, exist_ok=True)
    with FileLock(directory / ".index.lock"):  # commands of one run may run side by side
        index = read_index(run)
        index["commands"][command.name] = entry
        save_json(index, directory / "index.json")


def run_one(
    command: Command, directory: Path, options: Mapping[str, Any], typed: str, settings: Sequence[str] = ()
) -> None:
    """Runs a command that was asked for by name.

    A wrong option leaves the index as it was. What the run cannot give at all, and a failure, are entered.

    Args:
        command: the command.
        directory: folder of the run.
        options: of the command, without the run.
        typed: the arguments of the command line.
        settings: changed settings of the run's data.

    Raises:
        ConfigError: the run or the options do not suit the command.
    """
    run = load_run(directory, settings)
    try:
        _make(command, run, options, typed)
    except ConfigError:
        if reason := command.reason_not(run):
            record(directory, command, typed, "does not apply", reason=reason)
        raise


def run_all(directory: Path, commands: Iterable[Command], settings: Sequence[str] = ()) -> list[str]:
    """Runs those commands that apply to a run, with their default options and a line of progress each.

    A command that fails is reported and does not keep the others from running.

    Args:
        directory: folder of the run.
        commands: the commands, in their order.
        settings: changed settings of the run's data.

    Returns:
        the names of those that failed.
    """
    run = load_run(directory, settings)
    reasons = {command: command.reason_not(run) for command in commands}
    for command, reason in reasons.items():
        if reason:
            _skip(command, directory, reason)
    failed, suited = [], [command for command, reason in reasons.items() if not reason]
    for number, command in enumerate(suited, 1):
        head = f"[{number}/{len(suited)}] {command.name}:"
        print(f"{head} {command.title}", flush=True)
        try:
            typed = shlex.join([command.name, "--run", str(directory), *settings])
            seconds = _make(command, run, command.defaults(), typed)
        except ConfigError as error:  # what is known only once it is tried, such as too few images for a group
            _skip(command, directory, str(error))
        except Exception as error:  # a fault of this command alone
            traceback.print_exc()
            failed.append(command.name)
            print(f"{command.name}: failed: {_in_words(error)}", flush=True)
        else:
            print(f"{head} done, {seconds:.0f} s", flush=True)
    add_paper(directory)
    return failed


def _make(command: Command, run: TrainedRun, options: Mapping[str, Any], typed: str) -> float:
    """Runs a command, enters that it is done or how it failed, and gives the seconds that it took."""
    started = time.monotonic()
    try:
        command.make(run, options)
    except ConfigError:
        raise
    except Exception as error:
        record(run.directory, command, typed, "failed", time.monotonic() - started, _in_words(error))
        raise
    seconds = time.monotonic() - started
    record(run.directory, command, typed, "done", seconds)
    return seconds


def _skip(command: Command, directory: Path, reason: str) -> None:
    record(directory, command, None, "does not apply", reason=reason)
    print(f"{command.name}: does not apply: {reason}", flush=True)


def _in_words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
