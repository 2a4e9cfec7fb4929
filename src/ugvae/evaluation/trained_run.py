"""A trained run as the figures and tables use it: its model, its data and its controls."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from ugvae.data.loading import describe_data, load_data
from ugvae.data.module import GroupDataModule
from ugvae.data.table import ImageTable
from ugvae.errors import DataError
from ugvae.evaluation.controls import Controls, encode_controls
from ugvae.evaluation.encoding import EncodedImages, encode_images
from ugvae.models import BaseVAE
from ugvae.runs.checkpoints import SETTINGS, read_checkpoint
from ugvae.runs.loading import best_checkpoint, load_model


class TrainedRun(NamedTuple):
    """A run and its test split.

    Attributes:
        directory: of the run.
        model: of its best checkpoint, in eval mode.
        data: its datamodule.
        table: its test split.
    """

    directory: Path
    model: BaseVAE
    data: GroupDataModule
    table: ImageTable


def load_run(directory: Path, settings: Sequence[str] = ()) -> TrainedRun:
    """The model of a run's best checkpoint, and its test split; loaded once, however many commands ask for it.

    Args:
        directory: the run's folder.
        settings: changed settings of its data, as ``load_data`` takes them: ``--data.root=FOLDER``.

    Raises:
        ConfigError: not the folder of a run.
        DataError: the data are missing or damaged.
    """
    config, checkpoint = directory / "config.yaml", best_checkpoint(directory)
    written = tuple(file.stat().st_mtime_ns for file in (config, checkpoint) if file.is_file())
    return _load_run(directory, tuple(settings), checkpoint, written)


@lru_cache(maxsize=1)
def _load_run(directory: Path, settings: tuple[str, ...], checkpoint: Path, written: tuple[int, ...]) -> TrainedRun:
    """A run whose files were ``written`` at these times; it is loaded again when they change."""
    model = load_model(checkpoint)
    data = load_data(directory / "config.yaml", settings)
    refuse_changed(directory, data)
    return TrainedRun(directory, model, data, data.table("test"))


def refuse_changed(directory: Path, data: GroupDataModule) -> None:
    """Checks that the data are those that the run was trained with, unless they may differ (``accept_changed``).

    Raises:
        DataError: a split has other images or another content; the message says which.
    """
    if getattr(data, "accept_changed", False):
        return
    settings = read_checkpoint(best_checkpoint(directory)).get(SETTINGS, {})
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
    """The test images encoded by the trained network, and by the same network untrained, new weights for each seed."""
    controls = encode_controls(run.model, run.table.images, run.data.table("train").images, seeds)
    return encode_images(run.model, run.table.images), controls
