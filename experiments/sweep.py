"""``ugvae sweep FILE``: the search of a W&B sweep's YAML without a server, each trial a run of its own.

The trials are ``lightning_logs/sweep_<file>/trial_K``; beside them ``sweep.json`` has what came of each, ``sweep.md``
the table and ``sweep.png`` the picture. The same command called again keeps the trials that are done, goes on with
those that were stopped, and tries failed ones again.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from jsonargparse import ArgumentParser
from jsonargparse.typing import PositiveInt

from ugvae.cli.yamls import yaml_named
from ugvae.errors import ConfigError, DataError, OutputError
from ugvae.evaluation.results import to_json
from ugvae.experiments.paper.table import Table, number
from ugvae.experiments.search import Search, read_search
from ugvae.machine import clock, cores, versions
from ugvae.plots.figure import save_figure
from ugvae.plots.sweep import sweep_figure
from ugvae.runs.files import atomic_path, save_json
from ugvae.runs.folder import ROOT, newest_checkpoint, read_metrics, run_directory

INTERRUPTED = 130  # the status of a command that Ctrl-C has ended
TITLES = {"done": "done", "failed": "failed", "begun": "not finished"}


@dataclass(frozen=True)
class Trial:
    """A trial of a sweep.

    Attributes:
        number: from 0.
        settings: by the names of their flags.
        status: what came of it.
        value: the best of the metric over the validations; None if there is none.
        run: the run's folder, if it has come to have one.
        seconds: that the last call took.
        reason: why it failed.
    """

    number: int
    settings: dict[str, Any]
    status: Literal["begun", "done", "failed"] = "begun"
    value: float | None = None
    run: str | None = None
    seconds: float | None = None
    reason: str | None = None


class Sweep:
    """The trials of a search and their files.

    Args:
        name: of the folder in ``lightning_logs``.
        search: what is searched.

    Raises:
        ConfigError: the folder holds the trials of another search.
    """

    def __init__(self, name: str, search: Search) -> None:
        self.name, self.search, self.folder = name, search, ROOT / name
        self.trials: dict[int, Trial] = {}
        path = self.folder / "sweep.json"
        if not path.is_file():
            return
        known = json.loads(path.read_text())
        if known["search"] != self._stated():
            raise ConfigError(f"sweep: {path} is of another search; give this one a --name of its own")
        self.trials = {entry["number"]: Trial(**entry) for entry in known["trials"]}

    def _stated(self) -> dict[str, Any]:
        """The search for JSON, without what a later call may change."""
        return {part: value for part, value in to_json(self.search).items() if part != "trials"}

    @property
    def done(self) -> list[Trial]:
        """The trials that have a value, the best first."""
        finished = [trial for trial in self.trials.values() if trial.status == "done"]
        return sorted(finished, key=lambda trial: trial.value, reverse=self.search.goal == "maximize")

    def begin(self, number: int) -> Trial:
        """The next call of a trial: with the settings that it had, or with new ones."""
        results = [(trial.settings, trial.value) for trial in sorted(self.done, key=lambda trial: trial.number)]
        known = self.trials.get(number)
        settings = known.settings if known else self.search.settings(number, results)
        self.trials[number] = Trial(number, settings)
        self.write()
        return self.trials[number]

    def run(self, trial: Trial, threads: int) -> Trial:
        """Trains a trial in a process of its own, which goes on where it was stopped."""
        experiment, started = f"{self.name}/trial_{trial.number}", time.monotonic()
        output = ROOT / experiment / "output.txt"
        output.parent.mkdir(parents=True, exist_ok=True)
        own = ["--experiment", experiment, "--wandb.group", self.name, "--ckpt_path", "last"]
        with output.open("w") as file:
            done = subprocess.run(  # noqa: S603
                [*self.search.arguments(trial.settings), *own],
                stdout=file,
                stderr=subprocess.STDOUT,
                env={"OMP_NUM_THREADS": str(threads), **os.environ},
            )
        checkpoint = newest_checkpoint(experiment, "last")
        run = run_directory(checkpoint) if checkpoint else None
        series = read_metrics(run / "metrics.csv").get(self.search.metric, ((), ())) if run else ((), ())
        value = self.search.best(series[1])
        outcome = replace(trial, run=str(run) if run else None, seconds=round(time.monotonic() - started, 1))
        if done.returncode == 0 and value is not None:
            return replace(outcome, status="done", value=value)
        reason = f"its metrics.csv has no {self.search.metric}" if done.returncode == 0 else _last_line(output)
        return replace(outcome, status="failed", reason=reason)

    def table(self) -> Table:
        """A row per trial, the best first; then those without a value."""
        others = [trial for _, trial in sorted(self.trials.items()) if trial.status != "done"]
        rows = [
            {
                "trial": trial.number,
                **{name: _shown(trial.settings[name]) for name in self.search.varied},
                self.search.metric: number(trial.value),
                "time": "" if trial.seconds is None else clock(trial.seconds),
                "state": TITLES[trial.status] + (f": {trial.reason}" if trial.reason else ""),
            }
            for trial in (*self.done, *others)
        ]
        return Table(f"{self.name}: the best {self.search.metric} of each trial, one training seed.", rows)

    def write(self) -> None:
        """Writes ``sweep.json`` with all that is known."""
        trials = [trial for _, trial in sorted(self.trials.items())]
        content = {"search": self._stated(), "trials": to_json(trials), "versions": versions()}
        save_json(content, self.folder / "sweep.json")

    def finish(self) -> None:
        """Writes the table and the picture, and prints the table."""
        table = self.table()
        with atomic_path(self.folder / "sweep.md") as temporary:
            temporary.write_text(f"{table.caption}\n\n{table.markdown()}\n")
        print(f"\n{table.markdown()}", flush=True)
        written = ["sweep.json", "sweep.md"]
        if self.done and self.search.varied:
            points = [(trial.settings, trial.value) for trial in self.done]
            save_figure(sweep_figure(points, self.search.varied, self.search.metric), self.folder / "sweep.png")
            written.append("sweep.png")
        print(f"Wrote {self.folder}/{', '.join(written)}", flush=True)


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _last_line(output: Path) -> str:
    """What a process said last, such as its error."""
    lines = [line.strip() for line in output.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"


def run_trials(sweep: Sweep, parallel: int) -> None:
    """Runs all trials that are not done, so many at a time, and says of each how it ended.

    Raises:
        KeyboardInterrupt: after the trials that run have stopped, each with its checkpoint.
    """
    kept = {trial.number for trial in sweep.done}
    waiting = [number for number in range(sweep.search.trials) if number not in kept]
    print(f"{sweep.name}: {len(waiting)} trials to run{f', {len(kept)} are done already' if kept else ''}", flush=True)
    running: set[Future[Trial]] = set()
    with ThreadPoolExecutor(parallel) as pool:
        while waiting or running:
            while waiting and len(running) < parallel:
                running.add(pool.submit(sweep.run, sweep.begin(waiting.pop(0)), max(1, cores() // parallel)))
            ended, running = wait(running, return_when=FIRST_COMPLETED)
            for trial in sorted((future.result() for future in ended), key=lambda trial: trial.number):
                sweep.trials[trial.number] = trial
                sweep.write()
                settings = ", ".join(f"{name} {_shown(trial.settings[name])}" for name in sweep.search.varied)
                outcome = trial.reason if trial.value is None else f"{sweep.search.metric} {trial.value:.2f}"
                print(f"trial {trial.number}: {settings}: {outcome}, {clock(trial.seconds)}", flush=True)


def sweep(file: Path, trials: PositiveInt | None = None, parallel: PositiveInt = 1, name: str | None = None) -> None:
    """Runs the search of a W&B sweep's YAML without a server: grid, random, or bayes with Optuna.

    Args:
        file: the YAML, or the name of one that comes with ugvae: method, metric, parameters and command.
        trials: how many; by default its run_cap, or all of a grid.
        parallel: trials at a time, each a process.
        name: of the folder in lightning_logs; by default sweep_ and the name of the file.

    Raises:
        ConfigError: no such file, it states no search, or the folder holds another one.
        SystemExit: interrupted, or no trial has a value.
    """
    file = yaml_named(str(file), "sweep")
    search = Sweep(name or f"sweep_{file.stem}", read_search(file, trials))
    try:
        run_trials(search, parallel)
    except KeyboardInterrupt:
        print(f"{search.name}: stopped; the same command goes on", flush=True)
        sys.exit(INTERRUPTED)
    search.finish()
    if not search.done:
        sys.exit(1)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point; an error that the user can mend is one message and exit status 2."""
    parser = ArgumentParser(prog="ugvae sweep", description=sweep.__doc__.partition("\n\n    Args:")[0])
    parser.add_function_arguments(sweep, as_group=False, as_positional=True)
    options = parser.parse_args(arguments)
    try:
        sweep(**options.as_dict())
    except (ConfigError, DataError, OutputError) as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
