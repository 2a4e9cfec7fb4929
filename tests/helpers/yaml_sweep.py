"""Every YAML of ``experiments/``, pointed at tiny data in the true on-disk formats."""

from collections.abc import Callable
from pathlib import Path

import yaml

from tests.data.arrays import write_arrays
from tests.data.mnist import write_mnist
from tests.data.samples import SAMPLES

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
YAMLS = sorted(EXPERIMENTS.glob("*.yaml"))

# writer of a tiny data set into a folder, by datamodule; None: needs no files
WRITERS: dict[str, Callable[[Path], object] | None] = {name: write for name, (_, write) in SAMPLES.items()}
WRITERS |= {"MNISTDataModule": write_mnist, "DigitsDataModule": None, "ArrayDataModule": write_arrays}
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
    elif write := WRITERS[name]:
        settings["root"] = str(folder / name)
        write(folder / name)
    return {**data, "init_args": {**settings, **EXTRA.get(name, {})}}
