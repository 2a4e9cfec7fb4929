"""``ugvae compare``: trains every model under one budget and writes one table and one plot.

Every model gets the same data, seeds, batches, epochs, likelihood, backbone and schedule, as in the experiment's YAML,
and is scored on the same held-out groups. With ``--seeds 3`` each is trained three times, and the table has mean and
sample s.d. over the training seeds. What is finished is not done again.
"""

import argparse
import inspect
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from ugvae import models
from ugvae.cli.yamls import yaml_named
from ugvae.data.known_groups import draw_groups
from ugvae.data.loading import load_data
from ugvae.errors import ConfigError, DataError, check_counts
from ugvae.evaluation.comparison import Score, score_model
from ugvae.evaluation.results import from_json, to_json
from ugvae.experiments.comparison_table import Entry, write
from ugvae.experiments.seeds import fit, last_checkpoint, train_seeds
from ugvae.machine import clock
from ugvae.models import BaseVAE
from ugvae.runs.files import save_json
from ugvae.runs.folder import ROOT, newest_checkpoint, read_metrics, run_directory
from ugvae.runs.loading import best_checkpoint, load_model

MODELS = [name for name in models.__all__ if issubclass(getattr(models, name), BaseVAE) and name != "BaseVAE"]
FAMILIES = {
    family: [name for name in MODELS if getattr(models, name).family == family]
    for family in ("iid", "grouped", "labelled")
}


def fit_arguments(name: str, config: Path, experiment: str, epochs: int, extra: list[str]) -> list[str]:
    """The command line that trains a model; one that needs training groups of a kind gets them, validated on random.

    A model without beta goes without the settings that need one.
    """
    grouping = getattr(models, name).data_grouping
    arguments = ["--config", str(config), "--model", name, "--experiment", experiment]
    arguments += ["--trainer.max_epochs", str(epochs), "--figures.every_n_epochs", "0"]
    groups = ["--data.grouping", grouping, "--data.eval_grouping", "random"] if grouping else []
    if "beta_dim" not in inspect.signature(getattr(models, name)).parameters:
        arguments += ["--model.local_posterior", "given_x", "--model.independence", "0", "--model.beta_from", "group"]
    return arguments + extra + groups


def train(name: str, settings: dict[str, Any], experiment: str) -> Path:
    """Trains a model, resumes it where it was interrupted, or does nothing if it was trained with these settings.

    Returns:
        the run's folder.

    Raises:
        SystemExit: training failed or was interrupted; its checkpoints are kept.
    """
    manifest = ROOT / experiment / "manifest.json"
    known = json.loads(manifest.read_text()) if manifest.exists() else {}
    if known.get("settings") != settings:
        known = {"settings": settings, "finished": False, "started": time.time()}
    last = _last_checkpoint(known, experiment)
    if known["finished"] and last:
        print(f"{name}: already trained, {run_directory(last)}", flush=True)
        return run_directory(last)
    save_json({**known, "finished": False}, manifest)
    fit(name, settings["arguments"], last)
    run = run_directory(newest_checkpoint(experiment, "last"))
    save_json({**known, "finished": True, "run": str(run)}, manifest)
    return run


def _last_checkpoint(known: Mapping[str, Any], experiment: str) -> Path | None:
    """The checkpoint of what a manifest is about: of its run, or the newest that its training can have written."""
    if "run" in known:
        return last_checkpoint(Path(known["run"]))
    newest = newest_checkpoint(experiment, "last")
    return newest if newest and newest.stat().st_mtime >= known.get("started", 0.0) else None


def score(run: Path, options: argparse.Namespace) -> Entry:
    """The scores of a run, from its ``compare.json`` if they were computed with these options before."""
    path, checkpoint = run / "compare.json", best_checkpoint(run)
    names = ("group_samples", "image_samples", "images", "seed")
    asked = {**{name: getattr(options, name) for name in names}, "written": checkpoint.stat().st_mtime}
    asked["holds"] = [part.name for kind in (Entry, Score) for part in fields(kind)]  # an earlier version had fewer
    known = json.loads(path.read_text()) if path.exists() else {}
    if known.get("options") == asked and "entry" in known:
        return from_json(Entry, known["entry"])
    model, data = load_model(checkpoint), load_data(run / "config.yaml")
    table = data.table("test")
    count = min(len(table), options.images) // data.group_size
    generator = torch.Generator().manual_seed(options.seed)
    groups = draw_groups(torch.arange(len(table)), count, data.group_size, generator)
    metrics = read_metrics(run / "metrics.csv")
    steps_per_epoch = len(data.loader("train", shuffle=True))
    seconds_per_step = data.group_size * data.groups_per_batch / np.median(metrics["train/images_per_second"][1])
    steps = float(metrics["train/elbo"][0][-1])
    entry = Entry(
        run=str(run),
        steps=steps,
        seconds_per_epoch=float(steps_per_epoch * seconds_per_step),
        seconds=float(steps * seconds_per_step),
        score=score_model(model, table, groups, options.group_samples, options.image_samples, options.seed),
    )
    save_json({"options": asked, "entry": to_json(entry)}, path)
    return entry


def parse(arguments: list[str] | None) -> tuple[argparse.Namespace, list[str]]:
    """The options, and the arguments that are left for ``fit``."""
    parser = argparse.ArgumentParser(prog="ugvae compare", description=__doc__, allow_abbrev=False)
    parser.add_argument("--data", default="mnist", help="a YAML that comes with ugvae, by its name, or a file")
    known = "; ".join(f"{family}: {', '.join(names)}" for family, names in FAMILIES.items())
    parser.add_argument("--models", nargs="+", default=MODELS, metavar="MODEL", help=f"names or families. {known}")
    parser.add_argument("--epochs", type=int, help="of every model; by default half of the YAML's")
    parser.add_argument("--seeds", type=int, default=1, help="training seeds of every model; those missing are trained")
    parser.add_argument("--group_samples", type=int, default=5, help="S of the importance-weighted bound")
    parser.add_argument("--image_samples", type=int, default=50, help="T of the importance-weighted bound")
    parser.add_argument("--images", type=int, default=10_000, help="of the test split, at most, to score on")
    parser.add_argument("--seed", type=int, default=0, help="of the groups and the noise of the scores")
    parser.add_argument("--doc", type=Path, help="a Markdown file whose section compare_DATA gets table and plot too")
    return parser.parse_known_args(arguments)


def compare(options: argparse.Namespace, extra: list[str]) -> dict[str, list[Entry]]:
    """Trains and scores all models and writes ``compare.json``, ``.md`` and ``.png`` after each training seed.

    Returns:
        by model an entry per training seed.

    Raises:
        ConfigError: no such experiment or model, or no seed.
    """
    config = yaml_named(options.data, "data")
    names = list(dict.fromkeys(name for word in options.models for name in FAMILIES.get(word, [word])))
    if unknown := [name for name in names if name not in MODELS]:
        raise ConfigError(f"models: unknown {', '.join(unknown)}; known: {', '.join([*FAMILIES, *MODELS])}")
    check_counts(seeds=options.seeds)
    experiment = yaml.safe_load(config.read_text())
    epochs = options.epochs or max(1, experiment["trainer"]["max_epochs"] // 2)
    entries: dict[str, list[Entry]] = {}
    for position, name in enumerate(names, 1):
        started = time.monotonic()
        folder = f"{experiment_of(options)}/{name}"
        print(f"\n[{position}/{len(names)}] {name}, {epochs} epochs", flush=True)
        arguments = fit_arguments(name, config, folder, epochs, extra)
        first = train(name, {"arguments": arguments, "experiment": experiment}, folder)
        for run in train_seeds(first, options.seeds) if options.seeds > 1 else [first]:
            print(f"{name}: scoring {run} on the test split", flush=True)
            entries.setdefault(name, []).append(score(run, options))
            write(entries, options, epochs, extra, ROOT / experiment_of(options))
        print(f"{name}: done in {clock(time.monotonic() - started)}", flush=True)
    return entries


def experiment_of(options: argparse.Namespace) -> str:
    """The folder in ``lightning_logs`` of all models, and the section of ``--doc``."""
    return f"compare_{Path(options.data).stem}"


def main(arguments: list[str] | None = None) -> None:
    """Entry point; an error that the user can mend is one message and exit status 2."""
    try:
        compare(*parse(arguments))
    except (ConfigError, DataError) as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
