"""What the figures and tables share: a trained run, its controls, and where results go."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import sklearn
import yaml
from matplotlib.figure import Figure

from datamodules import GroupDataModule
from datamodules.table import ImageTable
from ugvae.callbacks.reports import versions
from ugvae.errors import ConfigError
from ugvae.evaluation.classification import EncodedImages, encode_images, untrained
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


def load_run(directory: Path, needs_beta: bool = True) -> TrainedRun:
    """The model of a run's best checkpoint, and its test split.

    Raises:
        ConfigError: not the folder of a run, or a model without beta where one is needed.
        DataError: the data are missing or damaged.
    """
    config = directory / "config.yaml"
    if not config.is_file():
        raise ConfigError(f"run: {directory} is not the folder of a run, it has no config.yaml")
    model = load_model(directory / "checkpoints" / "best.ckpt")
    if needs_beta and not model.beta_dim:
        raise ConfigError(f"run: {directory} holds a {type(model).__name__}, which has no beta")
    data = load_data(config)
    return TrainedRun(directory, model, data, data.table("test"))


def encode_run(run: TrainedRun) -> tuple[EncodedImages, EncodedImages]:
    """The test images by the trained network, and by the same network untrained."""
    return encode_images(run.model, run.table.images), encode_images(untrained(run.model), run.table.images)


def add_protocol(parser: argparse.ArgumentParser) -> None:
    """The options of a classification of groups."""
    parser.add_argument("--group_size", type=int, default=128, help="images per group")
    parser.add_argument("--groups", type=int, default=200, help="groups per kind, four fifths of them for training")
    parser.add_argument("--seeds", type=int, default=5, help="repetitions")


def save_results(
    run: TrainedRun, name: str, options: argparse.Namespace, results: Mapping[str, Any], figures: Mapping[str, Figure]
) -> None:
    """Writes ``paper/<name>.json`` and the figures into the run's folder, and says where."""
    directory = run.directory / "paper"
    settings = yaml.safe_load((run.directory / "config.yaml").read_text())
    report = {
        "name": name,
        "options": {key: value for key, value in vars(options).items() if key not in ("name", "run")},
        "split": "test",
        **results,
        "config": {key: settings.get(key) for key in ("seed_everything", "model", "data")},
        "versions": {**versions(), "scikit_learn": sklearn.__version__},
    }
    save_json(report, directory / f"{name}.json")
    for figure_name, figure in figures.items():
        save_figure(figure, directory / f"{figure_name}.png")
    print(f"Wrote {directory}/{name}.json and {', '.join(f'{each}.png' for each in figures)}", flush=True)
