"""Runs that have just begun, on the digits that need no files: what the figures and tables are made of."""

import json
from pathlib import Path

import pytorch_lightning
import torch
import yaml

from tests.helpers.small_models import make
from ugvae.experiments.paper import __main__ as paper
from ugvae.models import BaseVAE

DIGITS = {"class_path": "ugvae.datamodules.DigitsDataModule", "init_args": {"image_size": 8}}
TWO_DOMAINS = {
    "class_path": "ugvae.datamodules.MixedDataModule",
    "init_args": {"domains": [DIGITS, DIGITS], "domain_names": ["left", "right"], "image_size": 8, "grouping": "pure"},
}


def write_run(folder: Path, model: BaseVAE, data: dict = DIGITS) -> Path:
    """A run's folder with the settings of its data and the checkpoint of a model as it is."""
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump({"seed_everything": 1, "data": data}))
    write_checkpoint(folder, model)
    return folder


def write_checkpoint(run: Path, model: BaseVAE) -> Path:
    """The best checkpoint of a run's folder, of a model as it is, with all that loading asks for."""
    path = run / "checkpoints" / "best.ckpt"
    path.parent.mkdir(exist_ok=True)
    content = {
        "state_dict": model.state_dict(),
        "hyper_parameters": dict(model.hparams),
        "model_class": type(model).__name__,
        "pytorch-lightning_version": pytorch_lightning.__version__,
        "global_step": 0,
        "epoch": 0,
    }
    torch.save(content, path)
    return path


def run_of(folder: Path, model_class: type[BaseVAE], data: dict = TWO_DOMAINS) -> Path:
    return write_run(folder / model_class.__name__, make(model_class, (1, 8, 8), double=False), data)


def call(name: str, run: Path, *options: str) -> dict:
    """Runs a command and gives its JSON."""
    paper.main([name, "--run", str(run), *options])
    return json.loads((run / "paper" / f"{name}.json").read_text())
