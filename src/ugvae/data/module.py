"""The base of all datamodules: splits become tables, tables become loaders of groups.

Axes: G groups per batch, B images per group, C channels, H and W pixels.
"""

import os
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch
from jsonargparse.typing import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from pytorch_lightning import LightningDataModule
from pytorch_lightning.utilities import rank_zero_info
from torch import Tensor

from ugvae.data.augmented_groups import ChangeName, change_groups, changes_for
from ugvae.data.groupings import GROUPINGS, Grouping, GroupingKind
from ugvae.data.samplers import GroupLoader
from ugvae.data.statistics import Statistic
from ugvae.data.table import AMOUNTS, SPLITS, GroupDataset, ImageTable, Split
from ugvae.errors import DataError, check_choice, check_counts, check_not_negative, summary
from ugvae.runs.advice import advised

MISSING = """{title}: {reason} under {root}.
Expected:
{tree}
There: {there}
{tried}{get}
Meanwhile, with no download at all: {meanwhile}"""
OWN = "Name the place of your own images: --data.root FOLDER"
GPU_SHARE = 0.25  # of the free memory of a GPU, the most that a table may take


class GroupDataModule(LightningDataModule):
    """Base of all datamodules. A subclass gets its data and reads one split as an ``ImageTable``.

    Batches are dicts: ``image`` uint8 ``(G, B, C, H, W)``, ``index`` ``(G, B)`` rows of the split's table, one entry
    ``(G, B)`` per column, such as ``label``, and ``mask`` where groups of unequal size are padded (``GroupDataset``).

    Args:
        root: folder of the dataset.
        image_size: H = W in pixels; images of another size are resized.
        group_size: B, images that share one beta. Where groups span all processes, the images in each process.
        groups_per_batch: G, groups per optimiser step and process.
        num_workers: processes of the loader; 0 is fastest for tables in memory.
        seed: seed of the groups, and of splits that have no seed of their own.
        predict_split: the split that ``predict`` encodes; ``all`` for all of them.
        grouping: kind of the training groups (docs/groups.md).
        group_column: the column whose values make the groups of ``attribute`` and ``given``.
        proportions: shares of the domains in ``mixed``, ``pure`` and ``proportions`` groups; equal by default.
        concentration: concentration of the Dirichlet distribution of ``proportions``.
        eval_grouping: kind of the groups in validation, test and prediction. By default that of training, so that the
            curves of both can be compared; but images of evaluation are never changed, so that of ``augmented`` is
            ``random``.
        min_group_size: ``given`` groups of fewer images are left out.
        statistics: what the images of ``similar`` groups are alike in, all together; by default ``ink``.
        random_share: share of random groups among ``similar`` ones.
        widest_window: share of the split from which the widest of the ``similar`` groups is drawn.
        changes: what ``augmented`` groups change; by default what suits the number of channels.
        accept_changed: evaluate a run although its data have changed since it was trained.

    Raises:
        ConfigError: a value out of range; the message names the setting.
    """

    channels = 1
    title = ""  # name of the dataset, for messages
    tree = ""  # the files that are expected under {root}
    source = ""  # where to get them; empty for the user's own
    licence = ""

    def __init__(
        self,
        root: str,
        image_size: PositiveInt = 28,
        group_size: PositiveInt = 16,
        groups_per_batch: PositiveInt = 8,
        num_workers: NonNegativeInt = 0,
        seed: int = 1,
        predict_split: Literal["train", "val", "test", "all"] = "test",
        grouping: GroupingKind = "random",
        group_column: str = "label",
        proportions: list[float] | None = None,
        concentration: PositiveFloat = 1.0,
        eval_grouping: GroupingKind | None = None,
        min_group_size: PositiveInt = 1,
        statistics: list[Statistic] | None = None,
        random_share: NonNegativeFloat = 0.0,
        widest_window: PositiveFloat = 1.0,
        changes: list[ChangeName] | None = None,
        accept_changed: bool = False,
    ) -> None:
        super().__init__()
        check_counts(image_size=image_size, group_size=group_size, groups_per_batch=groups_per_batch)
        check_not_negative(num_workers=num_workers)
        check_choice("predict_split", predict_split, (*SPLITS, "all"))
        check_choice("grouping", grouping, GROUPINGS)
        of_evaluation = eval_grouping or ("random" if grouping == "augmented" else grouping)
        check_choice("eval_grouping", of_evaluation, [kind for kind in GROUPINGS if kind != "augmented"])
        self.root = os.path.expanduser(root)
        self.image_size, self.num_workers, self.seed = image_size, num_workers, seed
        self.group_size, self.groups_per_batch, self.predict_split = group_size, groups_per_batch, predict_split
        self.accept_changed = accept_changed
        self.span_devices = False  # the model sets it if its groups span all processes (docs/distributed.md)
        self.training_groups = Grouping(
            grouping,
            group_column,
            proportions,
            concentration,
            min_group_size,
            ("ink",) if statistics is None else tuple(statistics),
            random_share,
            widest_window,
            changes,
        )
        self.training_groups.check_effect({grouping, of_evaluation})
        self.evaluation_groups = replace(self.training_groups, kind=of_evaluation)
        self.image_shape = (self.channels, image_size, image_size)
        self._tables: dict[str, ImageTable] = {}
        self._on_device: dict[str, ImageTable] = {}

    def relocate(self, root: str, image_size: int) -> None:
        """Sets another folder and image size before anything is read."""
        self.root, self.image_size = os.path.expanduser(root), image_size
        self.image_shape = (self.image_shape[0], image_size, image_size)
        self._tables, self._on_device = {}, {}

    @abstractmethod
    def read_split(self, split: Split) -> ImageTable:
        """Reads one split; called once per split."""

    def table(self, split: Split) -> ImageTable:
        """The table of a split, read at the first call.

        Raises:
            DataError: the data are missing or damaged.
        """
        if split not in self._tables:
            self._tables[split] = self.read_split(split)
        return self._tables[split]

    @property
    def names(self) -> dict[str, list[str]]:
        """The names of the values 0, 1, … of some columns."""
        return {}

    def value_names(self, column: str) -> dict[int, str]:
        """The names of the values of a column, if they have any."""
        return dict(enumerate(self.names.get(column, [])))

    def loader(self, split: Split, shuffle: bool = False, grouping: Grouping | None = None) -> GroupLoader:
        """Groups of a split: with ``shuffle`` those of training; without, those of evaluation, the same in every pass.

        Args:
            split: the split.
            shuffle: new groups in every epoch.
            grouping: other groups than these.

        Raises:
            ConfigError: the split lacks what its groups need.
        """
        table, rows = self.table(split), self._table_of_loader(split)
        grouping = grouping or (self.training_groups if shuffle else self.evaluation_groups)
        sampler = grouping.sampler(
            table,
            self.value_names(grouping.value_column),
            group_size=self.group_size,
            groups_per_batch=self.groups_per_batch,
            seed=self.seed,
            shuffle=shuffle,
            span=self.span_devices,
        )
        return GroupLoader(
            GroupDataset(rows),
            sampler=sampler,  # by keyword: Lightning makes the loader of `predict` anew, and passes it once more
            num_workers=self.num_workers,
            pin_memory=torch.cuda.is_available() and rows is table,
            persistent_workers=self.num_workers > 0,
        )

    def on_after_batch_transfer(self, batch: dict[str, Tensor], dataloader_idx: int) -> dict[str, Tensor]:
        """Changes the images of ``augmented`` groups, on their device."""
        if (amounts := batch.pop(AMOUNTS, None)) is not None:
            names = changes_for(batch["image"].shape[2], self.training_groups.changes)
            batch["image"] = change_groups(batch["image"], names, amounts)
        return batch

    def _table_of_loader(self, split: Split) -> ImageTable:
        """The table of a split, on the trainer's GPU if it fits there; worker processes need it in memory."""
        table = self.table(split)
        if self.trainer is None or self.num_workers or not fits(table.images, self.trainer.strategy.root_device):
            return table
        if split not in self._on_device:
            self._on_device[split] = table.to(self.trainer.strategy.root_device)
        return self._on_device[split]

    def missing(self, reason: str, tried: Sequence[str] = ()) -> DataError:
        """The error of missing files: what is expected, what is there, and where to get it."""
        root = Path(self.root)
        return DataError(
            MISSING.format(
                title=self.title,
                reason=reason,
                root=root,
                tree=self.tree.format(root=root).strip("\n"),
                there=_content(root),
                tried="".join(f"Tried {source}\n" for source in tried),
                get=f"Get it: {self.source}\nLicence: {self.licence}" if self.source else OWN,
                meanwhile=advised("fit", "digits"),
            )
        )

    def train_dataloader(self) -> GroupLoader:
        loader = self.loader("train", shuffle=True)
        if announcement := loader.sampler.announcement():
            rank_zero_info(announcement)
        return loader

    def val_dataloader(self) -> GroupLoader:
        return self.loader("val")

    def test_dataloader(self) -> GroupLoader:
        return self.loader("test")

    @property
    def predicted_splits(self) -> tuple[Split, ...]:
        """The splits that ``predict`` encodes."""
        return SPLITS if self.predict_split == "all" else (self.predict_split,)

    def predict_dataloader(self) -> GroupLoader | list[GroupLoader]:
        loaders = [self.loader(split) for split in self.predicted_splits]
        return loaders if len(loaders) > 1 else loaders[0]


def _content(folder: Path) -> str:
    """What is in a folder, for a message, whatever there is in its place."""
    try:
        names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    except (FileNotFoundError, NotADirectoryError, ValueError):  # of a name that no folder can have
        return "no such folder"
    except OSError as error:
        return f"a folder that cannot be read ({error.strerror})"
    return summary(names) if names else "an empty folder"


def fits(images: Tensor, device: torch.device) -> bool:
    """Whether a GPU has room for the images beside a model; False for any other device, and for ``ConcatImages``."""
    if device.type != "cuda" or not isinstance(images, Tensor):
        return False
    free, _ = torch.cuda.mem_get_info(device)
    return images.numel() <= GPU_SHARE * free
