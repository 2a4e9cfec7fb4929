"""What the figures and tables share: a trained run, its controls, and where results go."""

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from matplotlib.figure import Figure

from datamodules import GroupDataModule
from datamodules.table import ImageTable
from ugvae.callbacks.reports import versions
from ugvae.errors import ConfigError
from ugvae.evaluation.controls import Controls, encode_controls
from ugvae.evaluation.encoding import EncodedImages, encode_images
from ugvae.files import save_figure, save_json
from ugvae.loading import load_data, load_model
from ugvae.models import GroupVAE


class TrainedRun(NamedTuple):
    """A run and its test split.

    Attributes:
        directory: of the run.
        model: of its best checkpoint, in eval mode.
        data: its datamodule.
        table: its test split.
    """

    directory: Path
    model: GroupVAE
    data: GroupDataModule
    table: ImageTable


class Captioned(NamedTuple):
    """A figure and what to look for in it, in a sentence or two."""

    figure: Figure
    caption: str


def load_run(directory: Path, needs_beta: bool = True) -> TrainedRun:
    """The model of a run's best checkpoint, and its test split; loaded once, however many commands ask for it.

    Raises:
        ConfigError: not the folder of a run, or a model without beta where one is needed.
        DataError: the data are missing or damaged.
    """
    config, checkpoint = directory / "config.yaml", directory / "checkpoints" / "best.ckpt"
    if not config.is_file():
        raise ConfigError(f"run: {directory} is not the folder of a run, it has no config.yaml")
    written = tuple(file.stat().st_mtime_ns for file in (config, checkpoint) if file.is_file())
    run = _load_run(directory, written)
    if needs_beta and not run.model.beta_dim:
        raise ConfigError(f"run: {directory} holds a {type(run.model).__name__}, which has no beta")
    return run


@lru_cache(maxsize=1)
def _load_run(directory: Path, written: tuple[int, ...]) -> TrainedRun:
    """A run whose files were ``written`` at these times: when they change it is another."""
    model = load_model(directory / "checkpoints" / "best.ckpt")
    data = load_data(directory / "config.yaml")
    return TrainedRun(directory, model, data, data.table("test"))


def suited_run(options: argparse.Namespace, reason_not: Callable[[TrainedRun], str | None]) -> TrainedRun:
    """The run of a command's options.

    Raises:
        ConfigError: ``reason_not`` gives a reason why the command does not apply to it.
    """
    run = load_run(options.run, needs_beta=False)
    if reason := reason_not(run):
        raise ConfigError(f"{options.name}: {reason}")
    return run


def lacks_beta(run: TrainedRun) -> str | None:
    """Why a command about beta does not apply to a run; None if the model has one."""
    return None if run.model.beta_dim else f"the model is {type(run.model).__name__}, which has no beta"


def encode_run(run: TrainedRun, seeds: Sequence[int]) -> tuple[EncodedImages, Controls]:
    """The test images by the trained network, and by the same network untrained, with new weights for each seed."""
    controls = encode_controls(run.model, run.table.images, run.data.table("train").images, seeds)
    return encode_images(run.model, run.table.images), controls


def add_protocol(parser: argparse.ArgumentParser) -> None:
    """The options of a classification of groups."""
    parser.add_argument("--group_size", type=int, default=128, help="images per group")
    parser.add_argument("--groups", type=int, default=200, help="groups per kind, four fifths of them for training")
    parser.add_argument("--seeds", type=int, default=5, help="repetitions")


def save_results(
    run: TrainedRun,
    name: str,
    options: argparse.Namespace,
    results: Mapping[str, Any],
    figures: Mapping[str, Captioned],
) -> None:
    """Writes ``paper/<name>.json`` and the figures into the run's folder, and says where.

    Figures of an earlier call of the same command that this one does not draw are removed.

    Args:
        run: the run.
        name: of the command, and of its JSON file.
        options: of the command.
        results: numbers, ready for JSON.
        figures: by name of the file, without its ending.
    """
    directory = run.directory / "paper"
    path = directory / f"{name}.json"
    earlier = [each["file"] for each in json.loads(path.read_text()).get("figures", [])] if path.is_file() else []
    settings = yaml.safe_load((run.directory / "config.yaml").read_text())
    report = {
        "name": name,
        "options": {key: value for key, value in vars(options).items() if key not in ("name", "run")},
        "split": "test",
        **results,
        "figures": [{"file": f"{each}.png", "caption": figures[each].caption} for each in figures],
        "config": {key: settings.get(key) for key in ("seed_everything", "model", "data")},
        "versions": versions(),
    }
    for figure_name, (figure, _) in figures.items():
        save_figure(figure, directory / f"{figure_name}.png")
    save_json(report, path)
    drawn = [each["file"] for each in report["figures"]]
    for file in set(earlier) - set(drawn):
        (directory / file).unlink(missing_ok=True)
    print(f"Wrote {path}{' and ' if drawn else ''}{', '.join(drawn)}", flush=True)
