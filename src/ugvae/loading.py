"""A finished run, loaded without a Trainer."""

from pathlib import Path

import torch
import yaml
from jsonargparse import ArgumentParser

from datamodules import GroupDataModule
from ugvae import models
from ugvae.errors import ConfigError
from ugvae.models import GroupVAE


def load_model(checkpoint: Path) -> GroupVAE:
    """The model of a checkpoint in eval mode, on the GPU if there is one.

    Raises:
        ConfigError: no such file, or a model that the library does not have.
    """
    if not checkpoint.is_file():
        raise ConfigError(f"ckpt_path: no such file: {checkpoint}")
    name = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)["model_class"]
    if name not in models.__all__:
        raise ConfigError(f"ckpt_path: {checkpoint} holds an unknown model, {name!r}")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return getattr(models, name).load_from_checkpoint(checkpoint, map_location=device, weights_only=True).eval()


def load_data(config: Path) -> GroupDataModule:
    """The datamodule of a run's ``config.yaml``."""
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(GroupDataModule, "data")
    settings = yaml.safe_load(config.read_text())["data"]
    return parser.instantiate_classes(parser.parse_object({"data": settings})).data
