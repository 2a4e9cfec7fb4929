"""A finished run, loaded without a Trainer."""

from pathlib import Path

import torch

from ugvae import models
from ugvae.errors import ConfigError
from ugvae.models import GroupVAE
from ugvae.runs.checkpoints import read_checkpoint


def load_model(checkpoint: Path) -> GroupVAE:
    """The model of a checkpoint in eval mode, on the GPU if there is one.

    Raises:
        ConfigError: no such file, a damaged one, a model that the library does not have, or settings and weights that
            do not make it.
    """
    name = read_checkpoint(checkpoint).get("model_class")
    if name not in models.__all__:
        raise ConfigError(f"ckpt_path: {checkpoint} holds an unknown model, {name!r}")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        model = getattr(models, name).load_from_checkpoint(checkpoint, map_location=device, weights_only=True)
    except (RuntimeError, ValueError, TypeError, LookupError, AttributeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ConfigError(f"ckpt_path: the settings and weights in {checkpoint} make no {name} ({reason})") from error
    return model.eval()
