"""Runs that differ in the training seed alone, as one: trained and evaluated where missing, their results averaged."""

import shlex
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from ugvae.cli.yamls import yaml_named
from ugvae.evaluation.results import RunResults
from ugvae.experiments.seeds import SEED, differ_in_seed_alone, fit, run_ugvae, train_seeds
from ugvae.runs.folder import RunFolder, newest_checkpoint, read_run, run_directory
from ugvae.runs.loading import best_checkpoint

MEASURES = {field.name for field in fields(RunResults)}  # commands whose results the page reads


@dataclass(frozen=True)
class Family:
    """Runs of one setting, by ascending training seed; often a single one.

    Attributes:
        runs: at least one.
    """

    runs: Sequence[RunFolder]

    @property
    def name(self) -> str:
        """That of the first run, and the seeds if there are several."""
        seeds = ", ".join(str(run.config.get(SEED)) for run in self.runs)
        return f"{self.runs[0].name}, seeds {seeds}" if len(self.runs) > 1 else self.runs[0].name

    @cached_property
    def mean(self) -> RunFolder:
        """The first run with the mean results of all; the s.d. of its accuracies is over the training seeds."""
        names = dict.fromkeys(name for run in self.runs for name in run.results)
        results = {name: mean_of([run.results[name] for run in self.runs if name in run.results]) for name in names}
        return replace(self.runs[0], results=results)


def mean_of(values: Sequence[Any]) -> Any:
    """The mean of results of one shape, number by number; what is no number is that of the first.

    An accuracy over re-splits, ``mean`` and ``values``, becomes one over training seeds: a value is the mean of a seed.

    Example:
        >>> mean_of([{"accuracy": {"mean": 0.5, "values": [0.4, 0.6], "sd": 0.14}, "units": 3, "note": "a"}])
        {'accuracy': {'mean': 0.5, 'values': [0.5]}, 'units': 3, 'note': 'a'}
    """
    first = values[0]
    if isinstance(first, Mapping) and {"mean", "values"} <= first.keys():
        means = [value["mean"] for value in values]
        spread = {"sd": statistics.stdev(means)} if len(means) > 1 else {}
        return {"mean": statistics.fmean(means), "values": means, **spread}
    if isinstance(first, Mapping):
        return {name: mean_of([v[name] for v in values]) for name in first if all(name in v for v in values)}
    if isinstance(first, list) and all(len(value) == len(first) for value in values):
        return [mean_of(items) for items in zip(*values, strict=True)]
    if isinstance(first, bool) or not isinstance(first, int | float):
        return first
    mean = statistics.fmean(values)
    return round(mean) if isinstance(first, int) else mean


def families(runs: Sequence[RunFolder]) -> list[Family]:
    """Runs of one experiment whose settings differ in the seed alone are one family."""
    grouped: list[list[RunFolder]] = []
    for run in sorted(runs, key=lambda run: run.config.get(SEED, 0)):
        for family in grouped:
            same = family[0].directory.parent == run.directory.parent
            another = run.config.get(SEED) not in [other.config.get(SEED) for other in family]
            if same and another and differ_in_seed_alone(family[0].config, run.config):
                family.append(run)
                break
        else:
            grouped.append([run])
    places = [run.directory for run in runs]
    return [Family(family) for family in sorted(grouped, key=lambda family: places.index(family[0].directory))]


def train_and_evaluate(run: Path, seeds: int) -> list[Path]:
    """The runs of a setting for as many training seeds as asked for; trains and evaluates what is missing.

    Args:
        run: folder of a run, or the name of an experiment: its newest run, which is trained if there is none.
        seeds: how many.

    Raises:
        ConfigError: neither a run nor an experiment.
        SystemExit: training or evaluation failed or was interrupted; called again it goes on there.
    """
    first = run if (run / "config.yaml").is_file() else _run_of(run.name)
    runs = train_seeds(first, seeds)
    for trained in [first, *runs]:
        _evaluate(trained, first)
    return runs


def _run_of(experiment: str) -> Path:
    last = newest_checkpoint(experiment, "last")
    if last is None:
        fit(experiment, ["--config", str(yaml_named(experiment, "runs"))], None)
        last = newest_checkpoint(experiment, "last")
    return run_directory(last)


def _evaluate(run: Path, first: Path) -> None:
    """Tests a run and calls every command that the first run has results of, with its options; by default all."""
    like, content, again = read_run(first), read_run(run), "goes on there"
    if content.test is None:
        settings = ["--config", str(run / "config.yaml"), "--ckpt_path", str(best_checkpoint(run))]
        run_ugvae(f"{run}: test", ["test", *settings, "--trainer.precision", "32-true"], again)
    called = {name: entry["command"] for name, entry in like.commands.items() if name in like.results.keys() & MEASURES}
    if not called:
        run_ugvae(f"{run}: evaluation", ["paper", "all", "--run", str(run)], again)
    for name, command in called.items():
        if name not in content.results:
            words = shlex.split(command)[1:]
            words[words.index("--run") + 1] = str(run)
            run_ugvae(f"{run}: {name}", words, again)
