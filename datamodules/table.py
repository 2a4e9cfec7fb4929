"""A dataset as one table: an image array and named integer columns, answered a whole batch of indices at a time."""

from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.utils.data import Dataset

from ugvae.errors import DataError


@dataclass(frozen=True)
class ImageTable:
    """N images and what is known of each.

    Attributes:
        images: uint8 ``(N, C, H, W)``, in memory or memory-mapped; a ``ConcatImages`` will do.
        columns: integer tensors ``(N,)`` by name, e.g. ``label``.
    """

    images: Tensor
    columns: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.images.dtype != torch.uint8 or self.images.ndim != 4:
            raise DataError(f"an image table holds uint8 (N, C, H, W), got {self.images.dtype} {self.images.shape}")
        if taken := {"image", "index"} & self.columns.keys():
            raise DataError(f"column {min(taken)!r}: batches have an entry of this name already; rename the column")
        for name, column in self.columns.items():
            if column.shape != self.images.shape[:1]:
                raise DataError(f"column {name!r} has shape {tuple(column.shape)} for {len(self.images)} images")

    def __len__(self) -> int:
        return len(self.images)

    def subset(self, rows: Tensor) -> "ImageTable":
        """The rows in the order given; copies the images."""
        return ImageTable(self.images[rows], {name: column[rows] for name, column in self.columns.items()})

    def to(self, device: torch.device | str) -> "ImageTable":
        """A copy on another device."""
        return ImageTable(self.images.to(device), {name: column.to(device) for name, column in self.columns.items()})


class GroupDataset(Dataset):
    """Answers ``(G, B)`` indices with a whole batch of groups, in one indexing operation per array.

    A batch is a dict: ``image`` uint8 ``(G, B, C, H, W)``, ``index`` ``(G, B)``, and every column ``(G, B)``, all on
    the device of the table.
    """

    def __init__(self, table: ImageTable) -> None:
        self.table = table

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, indices: Tensor) -> dict[str, Tensor]:
        indices = indices.to(self.table.images.device, non_blocking=True)
        flat = indices.flatten()
        batch = {name: column[flat].view(indices.shape) for name, column in self.table.columns.items()}
        # for rows of bytes several times as fast as images[flat]
        batch["image"] = self.table.images.index_select(0, flat).unflatten(0, indices.shape)
        batch["index"] = indices
        return batch
