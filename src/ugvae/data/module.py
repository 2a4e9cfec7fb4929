"""What every dataset shares: splits into tables, groups into loaders.

Axes: G groups per batch, B images per group, C channels, H and W pixels.
"""

from abc import abstractmethod
from dataclasses import replace
from pathlib import Path

import torch
from jsonargparse import ArgumentParser
from pytorch_lightning import LightningDataModule
from pytorch_lightning.utilities import rank_zero_info
from torch import Tensor

from ugvae.data.groupings import GROUPINGS, Grouping
from ugvae.data.samplers import GroupLoader
from ugvae.data.table import GroupDataset, ImageTable
from ugvae.errors import ConfigError
from ugvae.runs.folder import read_config

SPLITS = ("train", "val", "test")


class GroupDataModule(LightningDataModule):
    """Base of all datamodules. A subclass says how to get its data and how to read one split as an ``ImageTable``.

    Batches are dicts: ``image`` uint8 ``(G, B, C, H, W)``, ``index`` ``(G, B)`` rows of the split's table, and one
    entry ``(G, B)`` per column, such as ``label``.

    Args:
        root: folder of the dataset.
        image_size: H = W in pixels; images of another size are resized.
        group_size: B, images that share one beta; where the groups span all processes, those of each process.
        groups_per_batch: G, groups per optimiser step and process.
        num_workers: loader processes; 0 is fastest for tables in memory.
        seed: of the splits and of the groups.
        predict_split: the split that ``predict`` encodes: train, val or test.
        grouping: kind of the training groups: ``random``, ``mixed``, ``pure``, ``proportions`` or ``attribute``
            (docs/groups.md).
        group_column: the column whose values make the groups of ``attribute``.
        proportions: of the domains, for ``mixed``, ``pure`` and ``proportions``; equal by default.
        concentration: of the Dirichlet distribution of ``proportions``.
        eval_grouping: kind of the groups in validation, test and prediction; by default that of training, so that
            the curves of both can be compared.

    Raises:
        ConfigError: a value out of range; the message names the setting.
    """

    channels = 1

    def __init__(
        self,
        root: str,
        image_size: int = 28,
        group_size: int = 16,
        groups_per_batch: int = 8,
        num_workers: int = 0,
        seed: int = 1,
        predict_split: str = "test",
        grouping: str = "random",
        group_column: str = "label",
        proportions: list[float] | None = None,
        concentration: float = 1.0,
        eval_grouping: str | None = None,
    ) -> None:
        super().__init__()
        sizes = {"image_size": image_size, "group_size": group_size, "groups_per_batch": groups_per_batch}
        for name, value in sizes.items():
            if value < 1:
                raise ConfigError(f"{name}: expected a whole number > 0, got {value}")
        if num_workers < 0:
            raise ConfigError(f"num_workers: expected 0 or more, got {num_workers}")
        if predict_split not in SPLITS:
            raise ConfigError(f"predict_split: expected one of {', '.join(SPLITS)}, got {predict_split!r}")
        self.root, self.image_size, self.num_workers, self.seed = root, image_size, num_workers, seed
        self.group_size, self.groups_per_batch, self.predict_split = group_size, groups_per_batch, predict_split
        self.span_devices = False  # the groups span all processes: said by the model (docs/distributed.md)
        if eval_grouping not in (None, *GROUPINGS):
            raise ConfigError(f"eval_grouping: expected one of {', '.join(GROUPINGS)}, got {eval_grouping!r}")
        self.training_groups = Grouping(grouping, group_column, proportions, concentration)
        self.evaluation_groups = replace(self.training_groups, kind=eval_grouping or grouping)
        if proportions is not None and not {grouping, eval_grouping} & {"mixed", "pure", "proportions"}:
            raise ConfigError(f"proportions: without effect on {grouping} groups")
        self.image_shape = (self.channels, image_size, image_size)
        self._tables: dict[str, ImageTable] = {}
        self._on_device: dict[str, ImageTable] = {}

    def relocate(self, root: str, image_size: int) -> None:
        """Another folder and image size than those of the constructor, before anything is read."""
        self.root, self.image_size = root, image_size
        self.image_shape = (self.image_shape[0], image_size, image_size)
        self._tables, self._on_device = {}, {}

    @abstractmethod
    def read_split(self, split: str) -> ImageTable:
        """Reads one of ``train``, ``val``, ``test``; called once per split."""

    def table(self, split: str) -> ImageTable:
        """The table of a split, read at the first call.

        Raises:
            DataError: the data are missing or damaged.
        """
        if split not in self._tables:
            self._tables[split] = self.read_split(split)
        return self._tables[split]

    @property
    def names(self) -> dict[str, list[str]]:
        """What the values 0, 1, … of some columns stand for."""
        return {}

    def value_names(self, column: str) -> dict[int, str]:
        """Names of the values of a column, if they have any."""
        return dict(enumerate(self.names.get(column, [])))

    def loader(self, split: str, shuffle: bool = False) -> GroupLoader:
        """Groups of a split: with ``shuffle`` those of training; without, those of evaluation, the same every pass.

        Raises:
            ConfigError: the split has not what its groups need.
        """
        table = self.table(split)
        grouping = self.training_groups if shuffle else self.evaluation_groups
        sampler = grouping.sampler(
            table,
            self.value_names(grouping.value_column),
            group_size=self.group_size,
            groups_per_batch=self.groups_per_batch,
            seed=self.seed,
            shuffle=shuffle,
            span=self.span_devices,
        )
        rows = self._placed(split)
        return GroupLoader(
            GroupDataset(rows),
            sampler=sampler,  # by keyword: Lightning rebuilds the loader for `predict` and passes it once more
            num_workers=self.num_workers,
            pin_memory=torch.cuda.is_available() and rows is table,
            persistent_workers=self.num_workers > 0,
        )

    def _placed(self, split: str) -> ImageTable:
        """The table of a split, on the GPU if it fits there; worker processes need it in memory."""
        if self.trainer is None or self.num_workers:
            return self.table(split)
        if split not in self._on_device:
            self._on_device[split] = placed(self.table(split), self.trainer.strategy.root_device)
        return self._on_device[split]

    def transfer_batch_to_device(
        self, batch: dict[str, Tensor], device: torch.device, dataloader_idx: int
    ) -> dict[str, Tensor]:
        """A batch on a device; Lightning's own first finds out what a batch is made of."""
        return {name: values.to(device, non_blocking=True) for name, values in batch.items()}

    def train_dataloader(self) -> GroupLoader:
        loader = self.loader("train", shuffle=True)
        if announcement := loader.sampler.announcement():
            rank_zero_info(announcement)
        return loader

    def val_dataloader(self) -> GroupLoader:
        return self.loader("val")

    def test_dataloader(self) -> GroupLoader:
        return self.loader("test")

    def predict_dataloader(self) -> GroupLoader:
        return self.loader(self.predict_split)


def split_rows(num_images: int, held_out: int, seed: int) -> tuple[Tensor, Tensor]:
    """A seeded cut of ``num_images`` rows into (kept, held out), each in ascending order."""
    order = torch.randperm(num_images, generator=torch.Generator().manual_seed(seed))
    return order[held_out:].sort().values, order[:held_out].sort().values


SHARE = 0.25  # of the GPU's free memory that a table may take


def fits(images: Tensor, device: torch.device) -> bool:
    """Whether a GPU has room for the images beside a model; False for any other device, and for images in parts."""
    if device.type != "cuda" or not isinstance(images, Tensor):
        return False
    free, _ = torch.cuda.mem_get_info(device)
    return images.numel() <= SHARE * free


def placed(table: ImageTable, device: torch.device) -> ImageTable:
    """The table on ``device`` if it is a GPU where it fits, or as it is."""
    return table.to(device) if fits(table.images, device) else table


def load_data(config: Path) -> GroupDataModule:
    """The datamodule of a run's ``config.yaml``."""
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(GroupDataModule, "data")
    return parser.instantiate(parser.parse_object({"data": read_config(config)["data"]})).data
