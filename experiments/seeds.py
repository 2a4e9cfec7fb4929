"""Runs that differ in the training seed alone: found again, trained where missing, gone on with where stopped.

The training seed is ``seed_everything``, of the weights and the noise. The split of the data and the order of the
groups follow ``data.seed`` and stay. All seeds of one setting are versions of one experiment, each with its seed in its
``config.yaml``.
"""

import itertools
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ugvae.errors import ConfigError
from ugvae.runs.folder import ROOT, read_config

SEED = "seed_everything"
OF_A_CALL = (SEED, "ckpt_path", "experiment")  # settings in which two runs of one setting may differ


def run_ugvae(name: str, arguments: Sequence[str], again: str) -> None:
    """Runs a command of ``ugvae`` in a process of its own.

    Args:
        name: of what is done, for the message.
        arguments: the command line.
        again: what the same command does when it is called again, for the message.

    Raises:
        SystemExit: it failed or was interrupted, with its status.
    """
    done = subprocess.run([sys.executable, "-m", "ugvae", *arguments])  # noqa: S603
    if done.returncode:
        sys.stderr.write(f"{name}: stopped with status {done.returncode}; the same command {again}\n")
        sys.exit(done.returncode)


def fit(name: str, arguments: Sequence[str], checkpoint: Path | None) -> None:
    """Trains, or goes on from a checkpoint.

    Raises:
        SystemExit: training failed or was interrupted; its checkpoints are kept.
    """
    resume = ["--ckpt_path", str(checkpoint)] if checkpoint else []
    run_ugvae(f"{name}: training", ["fit", *arguments, *resume], "resumes it")


def seed_of(run: Path) -> int:
    """The training seed of a run."""
    return read_config(run / "config.yaml")[SEED]


def last_checkpoint(run: Path) -> Path | None:
    """The checkpoint from which a run goes on; None if it has none yet."""
    path = run / "checkpoints" / "last.ckpt"
    return path if path.is_file() else None


def is_trained(run: Path) -> bool:
    """Whether the training of a run has ended: ``trained.json`` is the last file that it writes."""
    return (run / "trained.json").is_file()


def differ_in_seed_alone(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    """Whether two ``config.yaml`` are of one setting. A setting that either lacks, as of another version, may differ.

    Example:
        >>> differ_in_seed_alone({"seed_everything": 1, "model": {"z_dim": 2}}, {"seed_everything": 2, "model": {}})
        True
    """
    return all(_same(first[name], second[name]) for name in first.keys() & second.keys() - {*OF_A_CALL})


def _same(first: Any, second: Any) -> bool:
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        return all(_same(first[name], second[name]) for name in first.keys() & second.keys())
    return first == second


def runs_by_seed(run: Path) -> dict[int, Path]:
    """The runs of an experiment that have the settings of one of its runs, by training seed; that run for its own seed.

    A run without a checkpoint is not there. Of two with one seed the trained one counts, else the newer.
    """
    config, runs = read_config(run / "config.yaml"), {}
    versions = [path for path in run.parent.glob("version_*") if (path / "config.yaml").is_file()]
    for version in sorted(versions, key=lambda path: (is_trained(path), path.stat().st_mtime)):
        if last_checkpoint(version) and differ_in_seed_alone(config, read_config(version / "config.yaml")):
            runs[seed_of(version)] = version
    return {**runs, seed_of(run): run}


def train_seeds(run: Path, count: int) -> list[Path]:
    """Runs with the settings of a run and as many training seeds as asked for; trains those that are missing.

    The run's own seed comes first, then those that are there already, then the smallest numbers from 1 on.

    Args:
        run: a run of an experiment.
        count: of the seeds.

    Returns:
        the runs by ascending seed.

    Raises:
        ConfigError: the run is not in ``lightning_logs``, where its other seeds would land.
        SystemExit: training failed or was interrupted; called again it goes on there.
    """
    experiment, known, own = os.path.relpath(run.parent, ROOT), runs_by_seed(run), seed_of(run)
    seeds = [own, *sorted(known.keys() - {own})][:count]
    seeds += itertools.islice((seed for seed in itertools.count(1) if seed not in seeds), count - len(seeds))
    for seed in sorted(seeds):
        name = f"{experiment}, seed {seed}"
        if seed in known and is_trained(known[seed]):
            print(f"{name}: already trained, {known[seed]}", flush=True)
            continue
        if experiment.startswith(os.pardir):
            raise ConfigError(f"runs: {run} is not in {ROOT}, where its other seeds are trained; run this above {ROOT}")
        print(f"{name}: {'going on' if seed in known else 'training'}", flush=True)
        same = ["--config", str(run / "config.yaml"), "--experiment", experiment, f"--{SEED}", str(seed)]
        checkpoint = last_checkpoint(known[seed]) if seed in known else None
        fit(name, same if checkpoint else [*same, "--ckpt_path", "null"], checkpoint)
    known = runs_by_seed(run)
    return [known[seed] for seed in sorted(seeds)]
