"""Small models of every kind, and images to fit. A new model is picked up from ``ugvae.models`` by itself."""

import inspect

import pytest
import torch
from pytorch_lightning import Trainer

from ugvae import models
from ugvae.models import BaseVAE

MODELS = [
    value
    for value in (getattr(models, name) for name in models.__all__)
    if isinstance(value, type) and issubclass(value, BaseVAE) and value is not BaseVAE
]
G, B = 2, 4
SETTINGS = {"z_dim": 3, "beta_dim": 4, "w_dim": 4, "num_components": 5, "num_pseudo_inputs": 5, "common_dim": 2}
WEIGHTS = {"outer_kl_weight": 2.0, "inner_kl_weight": 0.5, "inner_sees": "means", "beta": 7.0, "prior_expert": True}

every_model = pytest.mark.parametrize("model_class", MODELS)


def make(model_class: type[BaseVAE], shape=(2, 5, 7), double: bool = True, **settings) -> BaseVAE:
    """A small model in eval mode, with those of the settings that it knows."""
    models_above = [cls for cls in model_class.__mro__ if issubclass(cls, BaseVAE) and cls is not BaseVAE]
    own_init = [vars(cls)["__init__"] for cls in models_above if "__init__" in vars(cls)]
    known = {name for init in own_init for name in inspect.signature(init).parameters}
    own = {name: value for name, value in {**SETTINGS, **settings}.items() if name in known or name not in SETTINGS}
    own = {name: value for name, value in own.items() if name in known or name not in WEIGHTS}
    return model_class(shape, **own).to(torch.float64 if double else torch.float32).eval()


def quiet_trainer(**options) -> Trainer:
    """A trainer on the CPU that writes and prints nothing."""
    quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    return Trainer(accelerator="cpu", use_distributed_sampler=False, **quiet, **options)


def make_images(model: BaseVAE, groups: int = G, size: int = B) -> torch.Tensor:
    return torch.rand(groups, size, *model.image_shape, dtype=model.dtype)


def with_statistics(model: BaseVAE) -> BaseVAE:
    """The model after BatchNorm has seen images, so that its statistics are not those of a new one."""
    with torch.no_grad():
        model.train().elbo(make_images(model, 2, 8))
    return model.eval()
