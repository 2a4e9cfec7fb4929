"""What every dataset shares: splits into tables, groups into loaders.

Axes: G groups per batch, B images per group, C channels, H and W pixels.
"""

from abc import abstractmethod

import torch
from pytorch_lightning import LightningDataModule

from datamodules.samplers import GroupLoader, RandomGroupSampler
from datamodules.table import GroupDataset, ImageTable
from ugvae.errors import ConfigError

SPLITS = ("train", "val", "test")


class GroupDataModule(LightningDataModule):
    """Base of all datamodules. A subclass says how to get its data and how to read one split as an ``ImageTable``.

    Batches are dicts: ``image`` uint8 ``(G, B, C, H, W)``, ``index`` ``(G, B)`` rows of the split's table, and one
    entry ``(G, B)`` per column, such as ``label``.

    Args:
        root: folder of the dataset.
        image_size: H = W in pixels; images of another size are resized.
        group_size: B, images that share one beta.
        groups_per_batch: G, groups per optimiser step and process.
        num_workers: loader processes; 0 is fastest for tables in memory.
        seed: of the splits and of the groups.
        predict_split: the split that ``predict`` encodes: train, val or test.

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
        self.image_shape = (self.channels, image_size, image_size)
        self._tables: dict[str, ImageTable] = {}

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

    def loader(self, split: str, shuffle: bool = False) -> GroupLoader:
        """Random groups of a split; without ``shuffle`` the same groups at every pass."""
        table = self.table(split)
        sampler = RandomGroupSampler(len(table), self.group_size, self.groups_per_batch, self.seed, shuffle)
        return GroupLoader(
            GroupDataset(table),
            sampler=sampler,  # by keyword: Lightning rebuilds the loader for `predict` and passes it once more
            num_workers=self.num_workers,
            pin_memory=torch.cuda.is_available(),
            persistent_workers=self.num_workers > 0,
        )

    def train_dataloader(self) -> GroupLoader:
        return self.loader("train", shuffle=True)

    def val_dataloader(self) -> GroupLoader:
        return self.loader("val")

    def test_dataloader(self) -> GroupLoader:
        return self.loader("test")

    def predict_dataloader(self) -> GroupLoader:
        return self.loader(self.predict_split)


def split_rows(num_images: int, held_out: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A seeded cut of ``num_images`` rows into (kept, held out), each in ascending order."""
    order = torch.randperm(num_images, generator=torch.Generator().manual_seed(seed))
    return order[held_out:].sort().values, order[:held_out].sort().values
