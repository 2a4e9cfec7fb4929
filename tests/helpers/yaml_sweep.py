"""Every YAML of ``experiments/``, pointed at tiny data in the true on-disk formats."""

import importlib.util
from collections.abc import Callable
from pathlib import Path

import yaml

from tests.helpers import EXPERIMENTS
from ugvae import datamodules

YAMLS = sorted(EXPERIMENTS.glob("*.yaml"))


def writer_of(datamodule: str) -> Callable[[Path], object] | None:
    """What writes a tiny copy of a dataset into a folder, by convention: of ``ugvae.datamodules.mnist`` it is
    ``tests.data.mnist.write_mnist``. None if there is no such module: then the dataset needs no files.
    """
    name = getattr(datamodules, datamodule).__module__.rpartition(".")[2]
    if importlib.util.find_spec(f"tests.data.{name}") is None:
        return None
    return getattr(importlib.import_module(f"tests.data.{name}"), f"write_{name}")


EXTRA = {"MNISTDataModule": {"num_val": 60}}
SMALL = [
    "--data.group_size=4",
    "--data.groups_per_batch=2",
    "--figures.every_n_epochs=0",
    "--figures.groups_per_label=2",
]
SHORT = [
    "--trainer.max_epochs=1",
    "--trainer.limit_train_batches=3",
    "--trainer.limit_val_batches=2",
    "--trainer.check_val_every_n_epoch=1",
]


def tiny_config(path: Path, folder: Path) -> Path:
    """A copy of the YAML, under its own name, with few components, whose data are written into ``folder``."""
    config = yaml.safe_load(path.read_text())
    config["data"] = _tiny_data(config["data"], folder)
    if isinstance(config["model"], dict) and "num_components" in config["model"].get("init_args", {}):
        config["model"]["init_args"]["num_components"] = 4  # there is a figure or a row of one for each
    copy = folder / "configs" / path.name
    copy.parent.mkdir(parents=True, exist_ok=True)
    copy.write_text(yaml.safe_dump(config))
    return copy


def _tiny_data(data: str | dict, folder: Path) -> dict:
    data = {"class_path": data} if isinstance(data, str) else dict(data)
    name = data["class_path"].split(".")[-1]
    settings = dict(data.get("init_args", {}))
    if "domains" in settings:
        settings["domains"] = [_tiny_data(d, folder / str(i)) for i, d in enumerate(settings["domains"])]
    elif write := writer_of(name):
        settings["root"] = str(folder / name)
        write(folder / name)
    return {**data, "init_args": {**settings, **EXTRA.get(name, {})}}
