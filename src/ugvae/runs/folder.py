"""Run folders: ``lightning_logs/<experiment>/version_N`` with config.yaml, metrics.csv, checkpoints/ and figures/."""

import csv
import json
import os
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from ugvae.errors import ConfigError
from ugvae.runs.advice import with_present_command
from ugvae.runs.checkpoints import checkpoint_digest

ROOT = Path("lightning_logs")
MOVED = re.compile(  # the classes that were in the package datamodules in earlier versions
    r"(?<![\w.])(?=datamodules\."
    r"(?:Cars3D|CelebA|Chairs3D|Digits|Faces3D|Group|ImageFolder|MNIST|Mixed|StanfordCars)DataModule\b)"
)


def with_present_names(settings: str) -> str:
    """YAML text of any version, with its class paths as they are now."""
    return MOVED.sub("ugvae.", settings)


def read_config(path: Path) -> dict[str, Any]:
    """The settings of a run.

    Raises:
        ConfigError: the file is missing, or holds no settings.
    """
    try:
        settings = yaml.safe_load(with_present_names(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise ConfigError(f"run: {path.parent} is not the folder of a run, it has no config.yaml") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"run: {path} cannot be read: {error}") from error
    if not isinstance(settings, dict):
        raise ConfigError(f"run: {path} holds no settings")
    return settings


def newest_checkpoint(experiment: str, name: str, root: Path = ROOT, data: Any = None) -> Path | None:
    """The checkpoint of the run of an experiment that has written one last, if there is one.

    Args:
        experiment: folder of the runs.
        name: ``last`` or ``best``, for which ``last`` stands in where no validation has chosen a best one.
        root: folder of all experiments.
        data: settings of the data: a run of the same data comes before a newer one of others.
    """
    folders = (root / experiment).glob("version_*/checkpoints")
    paths = [path for folder in folders for path in (folder / "last.ckpt", folder / "best.ckpt") if path.is_file()]
    newest = [path.parent for path in sorted(paths, key=lambda path: path.stat().st_mtime, reverse=True)]
    if data is not None:
        wanted = data_source(data)
        newest.sort(key=lambda folder: _source_of_run(folder.parent) != wanted)  # stable: the newest first among equals
    stands = [stand_in(folder / f"{name}.ckpt") for folder in newest]
    return next((path for path in stands if path.is_file()), None)


def stand_in(checkpoint: Path) -> Path:
    """``last.ckpt`` for a ``best.ckpt`` that is not there, because no validation has chosen one; else the same."""
    last = checkpoint.with_name("last.ckpt")
    return last if checkpoint.name == "best.ckpt" and not checkpoint.is_file() and last.is_file() else checkpoint


def data_source(settings: Any) -> Any:
    """What tells data from others: the class, the folder, and the same of each domain."""
    arguments = (settings.get("init_args") or {}) if isinstance(settings, Mapping) else {}
    folders = [arguments.get("root"), *(arguments.get("roots") or ())]
    where = [os.path.abspath(os.path.expanduser(folder)) if folder else None for folder in folders]
    return class_name(settings), where, [data_source(domain) for domain in arguments.get("domains") or ()]


def _source_of_run(directory: Path) -> Any:
    try:
        return data_source(read_config(directory / "config.yaml").get("data"))
    except ConfigError:
        return None


def run_directory(checkpoint: str | Path) -> Path | None:
    """The run that a checkpoint belongs to: the folder above its ``checkpoints/``, if it has a ``config.yaml``."""
    directory = Path(checkpoint).absolute().parent.parent
    if not (directory / "config.yaml").exists():
        return None
    return Path(os.path.relpath(directory)) if directory.is_relative_to(Path.cwd()) else directory


def read_rows(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """The columns and rows of ``metrics.csv``, without a last row that was cut short; nothing if there is no file."""
    if not path.exists():
        return [], []
    with path.open(newline="") as file:
        reader = csv.DictReader([line for line in file if line.endswith("\n")])
        rows = [{name: value for name, value in row.items() if value} for row in reader]
    return list(reader.fieldnames or []), rows


def read_metrics(path: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """``metrics.csv`` as (steps, values) of each name; nothing if the file is not there yet."""
    series: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for row in read_rows(path)[1]:
        for name, value in row.items():
            if name not in ("step", "epoch"):
                series[name].append((float(row["step"]), float(value)))
    return {name: tuple(np.array(pairs).T) for name, pairs in series.items()}


INDEX = "index"  # paper/index.json lists the commands; every other JSON there is the result of one


@dataclass(frozen=True)
class RunFolder:
    """What the files of a run hold.

    Attributes:
        directory: the run's folder.
        config: content of ``config.yaml``.
        test: content of ``test.json``; None before ``ugvae evaluate``.
        trained: content of ``trained.json``; None if training has not ended.
        commands: the commands in ``paper/index.json``, by name.
        results: content of ``paper/<name>.json``, by name, without old results of commands that have failed since.
        damaged: files that could not be read, with the reason.
        stale: results of a checkpoint that later training has replaced: names of commands, and ``test``.
    """

    directory: Path
    config: Mapping[str, Any]
    test: Mapping[str, Any] | None
    trained: Mapping[str, Any] | None
    commands: Mapping[str, Mapping[str, Any]]
    results: Mapping[str, Mapping[str, Any]]
    damaged: Mapping[str, str]
    stale: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """The last two folders, ``mnist/version_0``, which tell the run from others."""
        return "/".join(self.directory.absolute().parts[-2:])

    @property
    def shown(self) -> str:
        """The folder as a command takes it: from ``lightning_logs`` on."""
        parts = self.directory.absolute().parts
        return "/".join(parts[parts.index("lightning_logs") :]) if "lightning_logs" in parts else str(self.directory)

    @property
    def model(self) -> str:
        """Name of the model's class, such as ``UGVAE``."""
        return class_name(self.config.get("model"))

    @property
    def data(self) -> str:
        """Names of the datasets, such as ``MNIST + Digits``."""
        return dataset_name(self.config.get("data"))

    @property
    def data_settings(self) -> Mapping[str, Any]:
        """``data.init_args``."""
        return (self.config.get("data") or {}).get("init_args") or {}

    @cached_property
    def metrics(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """``metrics.csv`` as (steps, values) of each name."""
        return read_metrics(self.directory / "metrics.csv")

    @property
    def seconds(self) -> tuple[float | None, str]:
        """Seconds of training, None if unknown, and how they were measured."""
        if self.trained:
            sessions = len(self.trained.get("sessions", []))
            how = "validation and figures included" + (f", in {sessions} sessions" if sessions > 1 else "")
            return float(self.trained["seconds"]), how
        speed = self.metrics.get("train/images_per_second")
        images = self.data_settings.get("group_size"), self.data_settings.get("groups_per_batch")
        if speed is None or None in images:
            return None, "not stored"
        steps = float(speed[0][-1])
        seconds = steps * images[0] * images[1] / float(np.median(speed[1]))
        return seconds, "estimated from the images per second of metrics.csv, without validation and figures"

    @property
    def epochs(self) -> int | None:
        """Epochs trained; those of the settings if training has not ended."""
        return self.trained["epochs"] if self.trained else (self.config.get("trainer") or {}).get("max_epochs")


def read_run(directory: Path) -> RunFolder:
    """Reads a run's folder; files that are not there yet are None or empty, and damaged ones are listed.

    Raises:
        ConfigError: not the folder of a run.
    """
    config, damaged = read_config(directory / "config.yaml"), {}

    def read(name: str) -> dict[str, Any] | None:
        """The object in a JSON file; None if there is no file, or, with a line in ``damaged``, no whole one."""
        path = directory / name
        try:
            content = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
            if isinstance(content, dict | None):
                return content
            damaged[name] = "not a JSON object"
        except (ValueError, OSError) as error:
            damaged[name] = str(error)
        return None

    paper = {path.stem: read(f"paper/{path.name}") for path in sorted((directory / "paper").glob("*.json"))}
    commands = (paper.pop(INDEX, None) or {}).get("commands", {})
    for entry in commands.values():
        if entry.get("command"):
            entry["command"] = with_present_command(entry["command"])
    failed = {name for name, entry in commands.items() if entry.get("status", "done") != "done"}
    results = {name: result for name, result in paper.items() if result is not None and name not in failed}
    test, trained = read("test.json"), read("trained.json")
    stale = _stale(directory, {**results, **({"test": test} if test else {})})
    return RunFolder(directory, config, test, trained, commands, results, damaged, stale)


def _stale(directory: Path, results: Mapping[str, Mapping[str, Any]]) -> frozenset[str]:
    """The results whose checkpoint is another one now; those of earlier versions do not say which they are of."""
    best, digests, stale = stand_in(directory / "checkpoints" / "best.ckpt"), {}, set()
    for name, result in results.items():
        named = result.get("checkpoint")
        path = best.with_name(Path(named).name) if isinstance(named, str) else best
        if (made_with := result.get("checkpoint_digest")) is not None:
            if path not in digests:
                digests[path] = checkpoint_digest(path)
            if digests[path] != made_with:
                stale.add(name)
    return frozenset(stale)


def class_name(settings: Any) -> str:
    """Last part of a ``class_path``."""
    path = settings.get("class_path", "") if isinstance(settings, Mapping) else str(settings or "")
    return path.rsplit(".", 1)[-1] or "unknown"


def dataset_name(settings: Any) -> str:
    """Names of the datasets, joined by ``+`` for a mixture."""
    arguments = (settings.get("init_args") or {}) if isinstance(settings, Mapping) else {}
    if domains := arguments.get("domains"):
        return " + ".join(dataset_name(domain) for domain in domains)
    return class_name(settings).removesuffix("DataModule")
