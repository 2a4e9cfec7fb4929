"""Says before the first step what is too small: a split for its groups, or a run for a result."""

import math
from typing import NoReturn

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.utilities.rank_zero import rank_zero_warn

from ugvae.callbacks.progress import say
from ugvae.data.groupings import OF_ALL_IMAGES
from ugvae.data.module import GroupDataModule
from ugvae.data.table import SPLITS, Split
from ugvae.errors import ConfigError, DataError

FEW_STEPS = 1000  # the independence term and the warm-up take 200; below this a model has hardly begun
NEEDED_IMAGES = 20  # 16 for training and 2 in each other split, the fewest that can share a beta


class SmallData(Callback):
    """Refuses groups that the splits cannot fill, with numbers that would do; says when a run has few steps."""

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Compares the splits with the size of groups of all images; the other kinds name their own values.

        Raises:
            ConfigError: training or validation has no batch.
        """
        data = trainer.datamodule
        if stage != "fit" or not isinstance(data, GroupDataModule) or data.training_groups.kind not in OF_ALL_IMAGES:
            return
        sizes = {split: _images(data, split) for split in SPLITS}
        processes = trainer.world_size
        span = processes if data.span_devices or getattr(pl_module, "span_devices", False) else 1
        size, batch = data.group_size * span, data.group_size * data.groups_per_batch * processes
        if sizes["train"] < batch or sizes["val"] < size:
            _refuse(data, sizes, processes, span)
        if sizes["test"] < size:
            rank_zero_warn(
                f"the test split has {sizes['test']} images, fewer than the {size} of a group: it cannot be evaluated "
                f"unless data.group_size is {sizes['test'] // span} or less"
            )

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Says how many epochs would have enough steps, where epochs end the run."""
        steps = trainer.estimated_stepping_batches
        chosen = steps == trainer.max_steps or trainer.fast_dev_run  # a number of steps that the user has given
        if not trainer.is_global_zero or steps >= FEW_STEPS or chosen:
            return
        epochs = math.ceil(FEW_STEPS / (steps / trainer.max_epochs))
        say(
            f"This run has {steps:,.0f} optimiser steps, few for a model: {FEW_STEPS:,} are a beginning, which "
            f"--trainer.max_epochs {epochs} would have"
        )


def _images(data: GroupDataModule, split: Split) -> int:
    """Images of a split; 0 if there is none."""
    try:
        return len(data.table(split))
    except DataError:
        if split == "test":
            return 0
        raise


def _refuse(data: GroupDataModule, sizes: dict[str, int], processes: int, span: int) -> NoReturn:
    """Raises the error of groups that the splits cannot fill."""
    there = ", ".join(f"{split} {count}" for split, count in sizes.items())
    shared = f" on {processes} processes" if processes > 1 else ""
    fits = min(data.group_size, min(sizes.values()) // span)
    if fits < 2:
        advice = f"too few even for groups of 2: add images; {NEEDED_IMAGES * span} in all would do"
    else:
        batches = min(data.groups_per_batch, sizes["train"] // (fits * processes))
        advice = f"--data.group_size {fits} --data.groups_per_batch {max(1, batches)} would do"
    raise ConfigError(
        f"group_size × groups_per_batch: a training step takes {data.group_size} × {data.groups_per_batch} images"
        f"{shared}, validation and test {data.group_size * span} for a group; the splits have {there}. {advice}"
    )
