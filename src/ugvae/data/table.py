"""A dataset as one table: an image array and named integer columns, answered a whole batch of indices at a time."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.utils.data import Dataset

from ugvae.data.statistics import Statistic, read_statistics
from ugvae.errors import ConfigError, DataError

Split = Literal["train", "val", "test"]  # each is a table of its own
SPLITS: tuple[Split, ...] = get_args(Split)
AMOUNTS = "group_change"  # entry of a batch of augmented groups, until they are changed
RESERVED = frozenset({"image", "index", "mask", AMOUNTS})  # entries of a batch, and so no names of columns
PADDING = -1  # the index where a group has no further image


@dataclass(frozen=True)
class ImageTable:
    """N images and their columns.

    Attributes:
        images: uint8 ``(N, C, H, W)``, in memory or memory-mapped, or ``ConcatImages``.
        columns: tensors ``(N,)`` by name, e.g. ``label``: integers, of which those below 0 are unknown, or float64, of
            which NaN is unknown.
        files: the name of each image's file, where there is one.

    Example:
        >>> table = ImageTable(torch.zeros(4, 1, 28, 28, dtype=torch.uint8), {"label": torch.tensor([0, 1, 2, 3])})
        >>> table.subset(torch.tensor([3, 1])).columns["label"].tolist()
        [3, 1]

    Raises:
        DataError: images of another type or shape; a column of another length, or with a name of ``RESERVED``.
    """

    images: Tensor
    columns: dict[str, Tensor] = field(default_factory=dict)
    files: list[str] | None = None
    _statistics: dict[tuple[str, ...], Tensor] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.images.dtype != torch.uint8 or self.images.ndim != 4:
            raise DataError(f"an image table holds uint8 (N, C, H, W), got {self.images.dtype} {self.images.shape}")
        if taken := RESERVED & self.columns.keys():
            raise DataError(f"column {min(taken)!r}: batches already have an entry of this name; rename the column")
        for name, column in self.columns.items():
            if column.shape != self.images.shape[:1]:
                raise DataError(f"column {name!r} has shape {tuple(column.shape)} for {len(self.images)} images")
        if self.files is not None and len(self.files) != len(self.images):
            raise DataError(f"{len(self.files)} names of files for {len(self.images)} images")

    def __len__(self) -> int:
        return len(self.images)

    @property
    def described_columns(self) -> str:
        """The names of the columns, for messages."""
        return f"the data have {', '.join(sorted(self.columns)) or 'none'}"

    def column(self, name: str) -> Tensor:
        """A column ``(N,)`` of integers, whose values make groups.

        Raises:
            ConfigError: there is none of this name, or it holds fractions.
        """
        if name not in self.columns:
            raise ConfigError(f"group_column: no column {name!r}; {self.described_columns}")
        if self.columns[name].is_floating_point():
            raise ConfigError(f"group_column: {name!r} holds fractions, and groups need whole numbers or names")
        return self.columns[name]

    def statistics(self, names: Sequence[Statistic]) -> Tensor:
        """Statistics of the pixels, float64 ``(N, S)``, read once.

        Raises:
            ConfigError: one that images of so many channels do not have.
        """
        key = tuple(names)
        if key not in self._statistics:
            self._statistics[key] = read_statistics(self.images, names)
        return self._statistics[key]

    def subset(self, rows: Tensor) -> "ImageTable":
        """A copy of the rows, in the order given."""
        return self._of(self.images[rows], rows)

    def view(self, rows: Tensor) -> "ImageTable":
        """The rows, in the order given, without a copy of the images, which may be memory-mapped."""
        return self._of(ConcatImages([self.images], rows), rows)

    def _of(self, images: "Tensor | ConcatImages", rows: Tensor) -> "ImageTable":
        columns = {name: column[rows] for name, column in self.columns.items()}
        files = None if self.files is None else [self.files[row] for row in rows.tolist()]
        return ImageTable(images, columns, files)

    def to(self, device: torch.device | str) -> "ImageTable":
        """A copy on another device."""
        columns = {name: column.to(device) for name, column in self.columns.items()}
        return ImageTable(self.images.to(device), columns, self.files)


class GroupDataset(Dataset):
    """Answers ``(G, B)`` indices with a whole batch of groups, in one indexing operation per array.

    A batch is a dict: ``image`` uint8 ``(G, B, C, H, W)``, ``index`` ``(G, B)``, and every column ``(G, B)``, all on
    the device of the table. Where groups differ in size, the index −1 says that there is no image; then the batch has
    ``mask``, bool ``(G, B)``, too. Columns are −1 or NaN there, and the pixels have no meaning.
    """

    def __init__(self, table: ImageTable) -> None:
        self.table = table

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, indices: Tensor) -> dict[str, Tensor]:
        device = self.table.images.device
        mask = indices != PADDING
        padded = not bool(mask.all())  # asked before the indices travel to the device
        mask = mask.to(device, non_blocking=True) if padded else None
        indices = indices.to(device, non_blocking=True)
        flat = (indices if mask is None else indices.masked_fill(~mask, 0)).flatten()
        batch = {name: column[flat].view(indices.shape) for name, column in self.table.columns.items()}
        if mask is not None:
            unknown = {name: math.nan if column.is_floating_point() else -1 for name, column in batch.items()}
            batch = {name: column.masked_fill(~mask, unknown[name]) for name, column in batch.items()}
            batch["mask"] = mask
        # index_select is several times as fast as images[flat] for rows of bytes
        batch["image"] = self.table.images.index_select(0, flat).unflatten(0, indices.shape)
        batch["index"] = indices
        return batch


class ConcatImages:
    """Several uint8 arrays that are indexed like one tensor ``(M, C, H, W)``. Nothing is copied.

    The channel of grey images is repeated when another source has three.

    Args:
        sources: uint8 ``(M_i, C_i, H, W)``, in memory or memory-mapped; C_i is C or 1.
        rows: the rows of all sources, one after the other, to take, ``(M,)``; all by default.

    Raises:
        DataError: sources of different sizes, or with channels that cannot be mixed.
    """

    def __init__(self, sources: Sequence[Tensor], rows: Tensor | None = None) -> None:
        shapes = [tuple(source.shape[1:]) for source in sources]
        channels = max(shape[0] for shape in shapes)
        if len({shape[1:] for shape in shapes}) > 1 or {shape[0] for shape in shapes} - {1, channels}:
            raise DataError(f"images of the shapes {', '.join(map(str, shapes))} cannot be mixed")
        self.sources = list(sources)
        self.dtype, self.device = torch.uint8, sources[0].device
        self._rows = torch.arange(sum(map(len, sources))) if rows is None else rows
        self.shape = torch.Size([len(self._rows), channels, *shapes[0][1:]])
        self.ndim = len(self.shape)
        self._ends = torch.tensor([len(source) for source in sources]).cumsum(0)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Tensor | slice | int) -> Tensor:
        """A copy of rows, for any index that a tensor takes along its first axis."""
        rows = torch.arange(len(self))[index]
        return self.index_select(0, rows.flatten()).view(*rows.shape, *self.shape[1:])

    def index_select(self, dim: int, index: Tensor) -> Tensor:
        """The rows ``index (N,)``, as ``torch.Tensor.index_select`` gives them; ``dim`` must be 0.

        Raises:
            IndexError: a row outside the table.
        """
        if dim != 0:
            raise ValueError(f"dim: rows alone can be selected, got {dim}")
        if len(index) and not 0 <= int(index.min()) <= int(index.max()) < len(self):
            raise IndexError(f"rows {int(index.min())} to {int(index.max())} of {len(self)}")
        index = self._rows[index]
        source = torch.bucketize(index.contiguous(), self._ends, right=True)
        taken, places = [], []
        for number, (part, end) in enumerate(zip(self.sources, self._ends.tolist(), strict=True)):
            here = (source == number).nonzero().flatten()
            images = part.index_select(0, index[here] - (end - len(part)))
            taken.append(images.expand(-1, self.shape[1], -1, -1))
            places.append(here)
        # one cat and one index_select are several times as fast as writing each part to its places
        return torch.cat(taken).index_select(0, torch.cat(places).argsort())


DIGEST_IMAGES = 256  # images whose pixels enter the digest, so that it takes milliseconds for any table


def digest(table: ImageTable) -> str:
    """A hash of all columns of a table, and of the pixels of images spread evenly over it."""
    sha = hashlib.sha256(repr(tuple(table.images.shape)).encode())
    for name in sorted(table.columns):
        sha.update(name.encode())
        sha.update(table.columns[name].contiguous().numpy())
    rows = torch.linspace(0, len(table) - 1, min(DIGEST_IMAGES, len(table)), dtype=torch.float64).long()
    sha.update(table.images.index_select(0, rows).contiguous().numpy())
    return sha.hexdigest()[:16]


def split_rows(num_images: int, held_out: int, seed: int) -> tuple[Tensor, Tensor]:
    """Cuts ``num_images`` rows at random into (kept, held out), both in ascending order."""
    order = torch.randperm(num_images, generator=torch.Generator().manual_seed(seed))
    return order[held_out:].sort().values, order[:held_out].sort().values
