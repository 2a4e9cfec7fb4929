"""What the record of a run in Weights & Biases has besides curves and figures: settings, held-out groups, the model."""

from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from einops import rearrange
from pytorch_lightning import Callback, LightningModule, Trainer

from ugvae.callbacks.alone import Alone
from ugvae.callbacks.checkpointing import run_checkpoint
from ugvae.callbacks.resuming import describe_run
from ugvae.evaluation.encoding import encode_groups
from ugvae.machine import commit, describe, versions
from ugvae.runs.folder import read_config
from ugvae.runs.loading import class_path
from ugvae.runs.weights_and_biases import WandbRecord

GROUPS = 16  # rows of the table of held-out groups
STRIP = 16  # images of a group that its row shows


class Dashboard(Callback):
    """Gives W&B's record of a run its settings at the start, and held-out groups and the best checkpoint at the end.

    A run without such a record is left as it is.
    """

    def __init__(self) -> None:
        self._alone = Alone("training goes on")

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        for record in _records(trainer):
            with self._alone("settings in W&B"):
                record.log_settings(all_settings(Path(record.save_dir), pl_module, trainer.datamodule))

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        for record in _records(trainer):
            record.log_learning_rate_of(trainer.optimizers[0])

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        checkpoint = run_checkpoint(trainer)
        for record in _records(trainer):
            with self._alone("table of held-out groups in W&B"):
                training = pl_module.training
                record.log_groups(*held_out_groups(pl_module.eval(), trainer.datamodule), step=trainer.global_step)
                pl_module.train(training)
            if checkpoint:
                record.log_checkpoint(Path(checkpoint.best_model_path or checkpoint.last_model_path))


def _records(trainer: Trainer) -> list[WandbRecord]:
    """W&B's record of the run: one, or none, as on all ranks but the first."""
    return [logger for logger in trainer.loggers if isinstance(logger, WandbRecord)]


def all_settings(directory: Path, model: LightningModule, data: Any) -> dict[str, Any]:
    """The whole configuration of a run, as resolved: its ``config.yaml``, the model, the data and the machine.

    Args:
        directory: the run's folder; one without ``config.yaml``, as of a run in Python, adds nothing.
        model: its own settings count more than those of the file.
        data: what is known of the images and the groups is added.
    """
    path = directory / "config.yaml"
    settings = {name: _flat(part) for name, part in (read_config(path) if path.is_file() else {}).items()}
    settings["model"] = {**(settings.get("model") or {}), "class": class_path(type(model))}
    settings["data"] = {**(settings.get("data") or {}), "class": class_path(type(data))}
    for name, value in describe_run(model, data).items():
        section, dot, setting = name.partition(".")
        if dot:
            settings[section] = {**(settings.get(section) or {}), setting: value}
        elif name not in ("model", "data"):
            settings["images"] = {**settings.get("images", {}), name: value}
    machine = {"hardware": describe(), "versions": versions(), "commit": commit()}
    return {**settings, **machine, "folder": str(directory)}


def _flat(settings: Any) -> Any:
    """Settings with ``class_path`` and ``init_args`` as one level: ``class`` and the arguments."""
    if isinstance(settings, Mapping):
        if "class_path" in settings:
            settings = {"class": settings["class_path"], **(settings.get("init_args") or {})}
        return {name: _flat(part) for name, part in settings.items()}
    return [_flat(part) for part in settings] if isinstance(settings, list) else settings


@torch.no_grad()
def held_out_groups(model: LightningModule, data: Any) -> tuple[list[str], list[list[Any]]]:
    """Groups of the validation split, as its loader draws them, with what the model infers from each.

    Returns:
        the names of the columns, and a row per group: its number, a strip ``(H, images · W, C)`` of its first images,
        the named columns of those, the mean of its beta, the likeliest components.
    """
    table, rows = data.table("val"), []
    groups = [group[group >= 0] for batch in islice(data.loader("val").sampler, GROUPS) for group in batch][:GROUPS]
    known = [column for column in ("label", "domain") if column in table.columns]
    for number, group in enumerate(groups):
        posterior, shown = encode_groups(model, table.images, group.unsqueeze(0)), group[:STRIP]
        row = {"group": number, "images": strip(table.images[shown])}
        for column in known:
            names, values = data.value_names(column), table.columns[column][shown].tolist()
            row[column] = ", ".join(names.get(value, str(value)) for value in values)
        if posterior.beta is not None:
            row["beta"] = posterior.beta.mean.squeeze(0).tolist()
        if posterior.d is not None:
            row["component"] = ", ".join(map(str, posterior.d.squeeze(0)[:STRIP].argmax(-1).tolist()))
        rows.append(row)
    return list(rows[0]) if rows else [], [list(row.values()) for row in rows]


def strip(images: torch.Tensor) -> np.ndarray:
    """Images ``(B, C, H, W)`` side by side, ``(H, B · W, C)``; of channels that are no colours, the first."""
    shown = images if images.shape[1] in (1, 3) else images[:, :1]
    return rearrange(shown, "b c h w -> h (b w) c").cpu().numpy()


def summary_of_test(report: Mapping[str, Any]) -> dict[str, Any]:
    """``test.json`` as the summary of the record has it: everything under ``test/``."""
    parts = ("reconstructions", "clusters", "beta", "groups", "group_size", "checkpoint_digest", "seed")
    return {**report["metrics"], **{f"test/{part}": report[part] for part in parts if report[part] is not None}}
