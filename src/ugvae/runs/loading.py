"""A finished run, loaded without a Trainer."""

from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import torch

from ugvae import models
from ugvae.errors import ConfigError
from ugvae.models import BaseVAE
from ugvae.runs.checkpoints import read_checkpoint
from ugvae.runs.folder import read_config, stand_in


def best_checkpoint(run: Path) -> Path:
    """The checkpoint that stands for a run: ``best.ckpt``, or ``last.ckpt`` where no validation has made a best one.

    Raises:
        ConfigError: not the folder of a run.
    """
    if not (run / "config.yaml").is_file():
        raise ConfigError(f"run: {run} is not the folder of a run, it has no config.yaml")
    return stand_in(run / "checkpoints" / "best.ckpt")


def load_model(checkpoint: Path) -> BaseVAE:
    """The model of a checkpoint in eval mode, on the GPU if there is one.

    A class that is not of this library is imported only if the run's ``config.yaml`` names it, which is what the user
    has asked for: a checkpoint alone, which may come from anywhere, never makes anything be imported.

    Raises:
        ConfigError: no such file, a damaged one, an unknown model, or settings and weights that do not make it.
    """
    model_class = _class_of(checkpoint, read_checkpoint(checkpoint).get("model_class"))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        model = model_class.load_from_checkpoint(checkpoint, map_location=device, weights_only=True)
    except (RuntimeError, ValueError, TypeError, LookupError, AttributeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ConfigError(
            f"ckpt_path: the settings and weights in {checkpoint} make no {model_class.__name__} ({reason})"
        ) from error
    return model.eval()


def _class_of(checkpoint: Path, name: Any) -> type[BaseVAE]:
    """The class that a checkpoint names: by its path, or, as earlier versions did, one of ours by its bare name."""
    for own_name in models.__all__:
        own = getattr(models, own_name)
        if name in (own_name, class_path(own)):
            return own
    config = Path(checkpoint).parent.parent / "config.yaml"
    settings = read_config(config).get("model") if config.is_file() else None
    path = settings.get("class_path") if isinstance(settings, dict) else settings
    same = isinstance(path, str) and "." in path and path.rpartition(".")[2] == str(name).rpartition(".")[2]
    named = _imported(checkpoint, path) if same else None
    if named is None or class_path(named) != name:
        raise ConfigError(
            f"ckpt_path: {checkpoint} holds an unknown model, {name!r}; it is none of ugvae.models, and {config} "
            f"{f'names {path!r}' if path else 'names no other'}"
        )
    return named


def class_path(named: type) -> str:
    """``module.Class`` of a class."""
    return f"{named.__module__}.{named.__qualname__}"


def _imported(checkpoint: Path, path: str) -> type[BaseVAE] | None:
    """The class of a path; None if that is no model."""
    try:
        named = resolve_name(path)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(
            f"ckpt_path: the class of {checkpoint}, {path}, cannot be imported ({error}); run the command in the "
            "folder of its module"
        ) from error
    return named if isinstance(named, type) and issubclass(named, BaseVAE) else None
