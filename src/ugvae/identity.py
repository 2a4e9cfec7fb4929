"""What a run is of: model, groups and data, as plain values to compare before a checkpoint is gone on from."""

import hashlib
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import LightningModule

from datamodules import GroupDataModule
from datamodules.samplers import distributed_rank
from datamodules.table import ImageTable
from ugvae.errors import ConfigError

SAMPLED = 256  # images whose pixels stand for those of all
FREE = {"compile"}  # settings of a model that a resumed run may change


def describe_run(model: LightningModule, data: GroupDataModule) -> dict[str, Any]:
    """Settings by the name that the user gave them."""
    table = data.table("train")
    groups = data.training_groups
    own = {f"model.{name}": _plain(value) for name, value in model.hparams.items() if name not in FREE}
    by_domain = groups.kind in ("mixed", "pure", "proportions")
    return {
        "model": type(model).__name__,
        **own,
        "data": "+".join(type(part).__name__ for part in getattr(data, "domains", [data])),
        "data.image_shape": list(data.image_shape),
        "data.group_size": data.group_size,
        "data.groups_per_batch": data.groups_per_batch,
        "data.seed": data.seed,
        "data.grouping": groups.kind,
        "data.group_column": groups.column if groups.kind == "attribute" else None,
        "data.proportions": list(groups.proportions) if groups.proportions else None,
        "data.concentration": groups.concentration if by_domain else None,
        "trainer.devices × num_nodes": distributed_rank()[1],
        "training images": len(table),
        "content of the training images": digest(table),
    }


def digest(table: ImageTable) -> str:
    """A hash of a table: all columns, and the pixels of images spread evenly over it."""
    found = hashlib.sha256(repr(tuple(table.images.shape)).encode())
    for name in sorted(table.columns):
        found.update(name.encode())
        found.update(table.columns[name].contiguous().numpy())
    rows = torch.linspace(0, len(table) - 1, min(SAMPLED, len(table)), dtype=torch.float64).long()
    found.update(table.images.index_select(0, rows).contiguous().numpy())
    return found.hexdigest()[:16]


def refuse_differences(checkpoint: Path, saved: dict[str, Any], now: dict[str, Any]) -> None:
    """Raises a ConfigError that names every setting that differs; one that either side lacks is not compared."""
    names = [name for name in saved if name in now and saved[name] != now[name]]
    differing = [f"{name} was {saved[name]}, now {now[name]}" for name in names]
    if differing:
        raise ConfigError(
            f"ckpt_path: {checkpoint} is of a run with other settings: {'; '.join(differing)}. Go on with the settings "
            "of the run, or leave --ckpt_path out to start a new one"
        )


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
