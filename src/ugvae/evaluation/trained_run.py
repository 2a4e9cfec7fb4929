"""What the figures and tables share: a trained run, its controls, and where results go."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from ugvae.data.module import GroupDataModule, describe_data, load_data
from ugvae.data.table import ImageTable
from ugvae.errors import ConfigError, DataError
from ugvae.evaluation.controls import Controls, encode_controls
from ugvae.evaluation.encoding import EncodedImages, encode_images
from ugvae.models import GroupVAE
from ugvae.runs.checkpoints import SETTINGS, read_checkpoint
from ugvae.runs.loading import load_model


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
    refuse_changed(directory, data)
    return TrainedRun(directory, model, data, data.table("test"))


def refuse_changed(directory: Path, data: GroupDataModule) -> None:
    """Checks that the data are those that the run was trained with, unless they may differ (``accept_changed``).

    Raises:
        DataError: a split has other images or another content; the message says which.
    """
    if getattr(data, "accept_changed", False):
        return
    settings = read_checkpoint(directory / "checkpoints" / "best.ckpt").get(SETTINGS, {})
    now = describe_data(data)
    changed = [
        f"{name}: {settings[name]}, now {now[name]}" for name in now if settings.get(name, now[name]) != now[name]
    ]
    if changed:
        raise DataError(
            f"{directory}: the data have changed since the run was trained ({'; '.join(changed)}), so its test images "
            "may be images that it was trained on. Put the data back, train again, or set data.accept_changed to true"
        )


def lacks_beta(run: TrainedRun) -> str | None:
    """Why a command about beta does not apply to a run; None if the model has one."""
    return None if run.model.beta_dim else f"the model is {type(run.model).__name__}, which has no beta"


def encode_run(run: TrainedRun, seeds: Sequence[int]) -> tuple[EncodedImages, Controls]:
    """The test images by the trained network, and by the same network untrained, with new weights for each seed."""
    controls = encode_controls(run.model, run.table.images, run.data.table("train").images, seeds)
    return encode_images(run.model, run.table.images), controls
