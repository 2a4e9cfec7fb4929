"""Checks of settings and of images. Axes: G groups, B images per group, C channels, H and W pixels."""

import math

import torch
from pytorch_lightning import LightningDataModule
from torch import Tensor

from ugvae.errors import ConfigError, NonFiniteLossError


def check_positive(**settings: float) -> None:
    """Raises a ConfigError that names the first setting that is not a finite number > 0."""
    for name, value in settings.items():
        if not 0 < value < math.inf:
            raise ConfigError(f"{name}: expected a number > 0, got {value}")


def check_not_negative(**settings: float) -> None:
    """Raises a ConfigError that names the first setting that is not a finite number ≥ 0."""
    for name, value in settings.items():
        if not 0 <= value < math.inf:
            raise ConfigError(f"{name}: expected a number ≥ 0, got {value}")


def check_counts(**settings: int) -> None:
    """Raises a ConfigError that names the first setting that is not a whole number > 0."""
    for name, value in settings.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ConfigError(f"{name}: expected a whole number > 0, got {value}")


def check_images(images: Tensor, image_shape: tuple[int, int, int], dtype: torch.dtype) -> None:
    """Raises a ValueError that says what is wrong with ``images``.

    Args:
        images: should be ``(G, B, C, H, W)`` in [0, 1].
        image_shape: (C, H, W) of the model.
        dtype: of the model's weights.
    """
    if images.ndim != 5 or tuple(images.shape[2:]) != image_shape or 0 in images.shape:
        c, h, w = image_shape
        raise ValueError(f"images: expected (G, B, {c}, {h}, {w}) with G, B ≥ 1, got {tuple(images.shape)}")
    if not images.is_floating_point():
        raise ValueError(f"images: expected float in [0, 1], got {images.dtype}; divide uint8 by 255")
    if images.dtype != dtype and not torch.is_autocast_enabled(images.device.type):
        raise ValueError(f"images: expected {dtype}, the type of the model's weights, got {images.dtype}")
    low, high = images.aminmax()
    if not (low >= 0 and high <= 1):
        raise ValueError(f"images: expected values in [0, 1], got {low:.3g} to {high:.3g}")


def check_finite_weights(model: torch.nn.Module, step: int) -> None:
    """Raises a NonFiniteLossError that names the weights which ``step`` made NaN or infinite."""
    values = model.state_dict().items()
    bad = [name for name, value in values if value.is_floating_point() and not value.isfinite().all()]
    if bad:
        more = f" and {len(bad) - 3} more" if len(bad) > 3 else ""
        raise NonFiniteLossError(
            f"non-finite weights {', '.join(bad[:3])}{more} after step {step}; no checkpoint is written of them, the "
            "last good one is kept. Try a lower model.learning_rate."
        )


def check_batch_norm(model: torch.nn.Module, data: LightningDataModule | None) -> None:
    """Raises a ConfigError if BatchNorm would be trained on one image per step, which has no variance."""
    images = getattr(data, "group_size", 2) * getattr(data, "groups_per_batch", 1)
    if images < 2 and any(isinstance(layer, torch.nn.BatchNorm2d) for layer in model.modules()):
        raise ConfigError(
            "model.norm: batch needs two images per step, data.group_size × data.groups_per_batch is 1; "
            "set model.norm to group or none"
        )


def check_grouping(model: str, needed: str, data: LightningDataModule | None) -> None:
    """Raises a ConfigError if the training groups are not made as a model needs them.

    Args:
        model: name of the model.
        needed: the ``data.grouping`` that it needs.
        data: the trainer's datamodule; None, for bare loaders, is trusted.
    """
    grouping = getattr(getattr(data, "training_groups", None), "kind", None)
    if data is None or grouping == needed:
        return
    if grouping is None:
        raise ConfigError(
            f"data: {model} needs groups of kind {needed!r}; {type(data).__name__} has random groups only"
        )
    raise ConfigError(
        f"data.grouping: {model} needs groups of kind {needed!r}, images that share a label, got {grouping!r}; set "
        f"--data.grouping {needed}, and --data.group_column to the column with the labels"
    )
