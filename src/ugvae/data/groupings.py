"""Rows of a table for groups whose images' values are given: in reshuffled passes, never an image twice in a group.

Axes: N groups, B images per group, M rows.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ugvae.data.samplers import GroupSampler, RandomGroupSampler
from ugvae.data.table import ImageTable
from ugvae.errors import ConfigError


def rows_by_value(column: Tensor, rows: Tensor | None = None) -> dict[int, Tensor]:
    """The rows of each value of an integer column ``(M,)``, in ascending order of the values.

    Args:
        column: one value per row.
        rows: the rows to consider; all by default.
    """
    if rows is None:
        rows = torch.arange(len(column))
    taken = column[rows]
    values, counts = taken.unique(return_counts=True)
    order = rows[taken.argsort(stable=True)]
    return dict(zip(values.tolist(), order.split(counts.tolist()), strict=True))


def draw_rows(values: Tensor, rows: Mapping[int, Tensor], generator: torch.Generator) -> Tensor:
    """Fills groups with images of the values wanted.

    No image comes twice in a group. The images of a value are used in passes, each in a new random order: none comes
    a second time before all of them came once.

    Args:
        values: the value wanted of each image, ``(N, B)``.
        rows: the rows of each value.
        generator: of the orders.

    Returns:
        rows ``(N, B)``.

    Raises:
        ConfigError: a group wants more images of a value than there are.
    """
    flat = values.flatten()
    drawn = torch.empty_like(flat)
    present, sizes = flat.unique(return_counts=True)
    positions_of = flat.argsort(stable=True).split(sizes.tolist())
    for value, positions in zip(present.tolist(), positions_of, strict=True):
        available = rows.get(value, torch.empty(0, dtype=torch.long))
        counts = (positions // values.shape[1]).unique_consecutive(return_counts=True)[1]  # of the groups that want it
        if counts.max() > len(available):
            raise ConfigError(
                f"group_size: a group takes {int(counts.max())} images of value {value}, there are {len(available)}"
            )
        drawn[positions] = available[_passes(len(available), counts, generator)]
    return drawn.view_as(values)


def _passes(size: int, counts: Tensor, generator: torch.Generator) -> Tensor:
    """Numbers below ``size`` in permutation after permutation, dealt to takers of ``counts (N,)`` numbers each.

    Where one permutation ends and the next begins within a taker's share, the next is drawn uniformly among those
    that give the taker no number twice.
    """
    ends = counts.cumsum(0)
    total, dealt = int(ends[-1]), 0
    passes: list[Tensor] = []
    while dealt < total:
        order = torch.randperm(size, generator=generator)
        taker = int(torch.searchsorted(ends, dealt, right=True))
        missing = int(ends[taker]) - dealt
        has = int(counts[taker]) - missing
        if has > 0:
            last = passes[-1][size - has :]
            other = order[~torch.isin(order, last)]
            rest = torch.cat([other[missing:], last])
            order = torch.cat([other[:missing], rest[torch.randperm(len(rest), generator=generator)]])
        passes.append(order)
        dealt += size
    return torch.cat(passes)[:total]


GROUPINGS = ("random", "mixed", "pure", "proportions", "attribute")
DOMAIN = "domain"  # the column of mixed, pure and proportions; MixedDataModule gives it


@dataclass(frozen=True)
class Grouping:
    """How the images of a table make groups.

    Attributes:
        kind: ``random``, images drawn without replacement over the epoch; ``mixed``, each image's domain drawn with
            ``proportions``; ``pure``, all images of a group from one domain, the domains with ``proportions``;
            ``proportions``, the proportions themselves drawn for each group from a Dirichlet distribution around
            ``proportions``; ``attribute``, all images of a group share a value of ``column``, as many groups of each
            value as its images make, without those whose value is below 0, unknown.
        column: of ``attribute``.
        proportions: of the domains; equal by default.
        concentration: of the Dirichlet distribution: with equal proportions each of its parameters. Large values
            give ``mixed``, values near 0 ``pure``.
    """

    kind: str = "random"
    column: str = "label"
    proportions: Sequence[float] | None = None
    concentration: float = 1.0

    def __post_init__(self) -> None:
        if self.kind not in GROUPINGS:
            raise ConfigError(f"grouping: expected one of {', '.join(GROUPINGS)}, got {self.kind!r}")
        if not 0 < self.concentration < math.inf:
            raise ConfigError(f"concentration: expected a number > 0, got {self.concentration}")
        if self.proportions is not None:
            if not all(0 < share <= 1 for share in self.proportions):
                raise ConfigError(f"proportions: expected numbers > 0 that sum to 1, got {list(self.proportions)}")
            if abs(sum(self.proportions) - 1) > 1e-6:
                raise ConfigError(f"proportions: {list(self.proportions)} sum to {sum(self.proportions):.6g}, not to 1")

    @property
    def value_column(self) -> str:
        """The column whose values the groups go by."""
        return self.column if self.kind == "attribute" else DOMAIN

    def sampler(self, table: ImageTable, names: Mapping[int, str] | None = None, **options) -> GroupSampler:
        """A sampler of these groups over ``table``.

        Args:
            table: the images and their columns.
            names: of the column's values, for messages.
            **options: those of ``GroupSampler``.

        Raises:
            ConfigError: the table lacks the column, has other domains than ``proportions``, or too few images.
        """
        if self.kind == "random":
            return RandomGroupSampler(len(table), **options)
        column = self.value_column
        if column not in table.columns:
            has = f"the data have {', '.join(sorted(table.columns)) or 'none'}"
            if self.kind == "attribute":
                raise ConfigError(f"group_column: no column {column!r}; {has}")
            raise ConfigError(f"grouping: {self.kind} needs the column {column!r}, as in MixedDataModule; {has}")
        return ColumnGroupSampler(self, column, table.columns[column], dict(names or {}), **options)


class ColumnGroupSampler(GroupSampler):
    """Groups whose images are drawn by the value of a column; no image comes twice in a group.

    An epoch of ``attribute`` is one pass over the table, without the images that do not fill a group. An epoch of
    the kinds over domains is one pass over the domain that takes longest at its proportion: the largest, when the
    proportions are equal. Meanwhile a small domain is repeated, each time in a new order and shared out between the
    ranks, so that every domain has its proportion of every epoch.

    Args:
        grouping: the kind and its settings.
        column: its name, for messages.
        values: the column ``(M,)``.
        names: of its values, for messages.
        **options: those of ``GroupSampler``.

    Raises:
        ConfigError: other domains than proportions, or a value with fewer images than a group.
    """

    def __init__(self, grouping: Grouping, column: str, values: Tensor, names: dict[int, str], **options) -> None:
        super().__init__(**options)
        self.grouping = grouping
        known = values >= 0 if grouping.kind == "attribute" else torch.ones_like(values, dtype=torch.bool)
        self.rows = rows_by_value(values, known.nonzero().flatten())
        self.names = [names.get(value, f"{column} = {value}") for value in self.rows]
        self.values = torch.tensor(list(self.rows))
        self.sizes = torch.tensor([len(rows) for rows in self.rows.values()])
        self._check_sizes()
        self.shares = self._shares()
        self.counts = self._counts()
        self.check_length(f"an epoch of {grouping.kind} groups has {self.num_groups * self.group_size}")

    def _check_sizes(self) -> None:
        if (self.sizes < self.group_size).any():
            smallest = int(self.sizes.argmin())
            raise ConfigError(
                f"group_size: {self.names[smallest]} has {self.sizes[smallest]} images in the split, fewer than the "
                f"{self.group_size} of a group ({self.grouping.kind} groups)"
            )

    def _shares(self) -> Tensor:
        """Proportion of each value among the images, ``(V,)``."""
        if self.grouping.kind == "attribute":
            return self.sizes / self.sizes.sum()
        given = self.grouping.proportions
        if given is None:
            return torch.full((len(self.values),), 1 / len(self.values), dtype=torch.float64)
        if len(given) != len(self.values):
            raise ConfigError(f"proportions: {len(given)} for {len(self.values)} domains: {', '.join(self.names)}")
        return torch.tensor(given, dtype=torch.float64)

    def _counts(self) -> Tensor:
        """Groups of an epoch by value ``(V,)``; where groups mix values, their expected number."""
        whole = self.sizes // self.group_size
        if self.grouping.kind == "attribute":
            return whole
        if self.grouping.kind == "pure":
            return (self.shares * (whole / self.shares).max()).round().long().clamp(min=1)
        return self.shares * (self.sizes / self.group_size / self.shares).max()

    @property
    def num_groups(self) -> int:
        return int(self.counts.sum() + 1e-6)  # the expected numbers may sum to 9.999…

    def announcement(self) -> str:
        passes = (self.counts * self.group_size / self.sizes).tolist()
        repeated = [
            f"{name} ({size:,} images) {count:.3g} times"
            for name, size, count in zip(self.names, self.sizes.tolist(), passes, strict=True)
            if count > 1.05
        ]
        if not repeated:
            return ""
        longest = int(self.sizes.div(self.shares).argmax())
        return (
            f"grouping {self.grouping.kind}: an epoch is {self.num_groups:,} groups of {self.group_size}, one pass "
            f"over {self.names[longest]} ({self.sizes[longest]:,} images), and repeats {', '.join(repeated)}"
        )

    def draw(self, generator: torch.Generator) -> Tensor:
        if self.grouping.kind in ("pure", "attribute"):
            values = self._by_turns(generator).unsqueeze(1).expand(-1, self.group_size)
        else:
            shares = self._group_shares(generator)
            values = self.values[torch.multinomial(shares, self.group_size, replacement=True, generator=generator)]
        return draw_rows(values, self.rows, generator)

    def _by_turns(self, generator: torch.Generator) -> Tensor:
        """The value of each group ``(N,)``: evenly spread, so that any part of an epoch shows them all.

        In training each batch then holds every value in its proportion, or nearly so, which steadies both the steps
        and the statistics of BatchNorm; where each value begins is drawn, and so is which images its groups take.
        """
        values = self.values.repeat_interleave(self.counts)
        starts = torch.rand(len(self.counts), generator=generator) if self.shuffle else [0.5] * len(self.counts)
        places = [(torch.arange(count) + at) / count for count, at in zip(self.counts.tolist(), starts, strict=True)]
        return values[torch.cat(places).argsort(stable=True)]

    def _group_shares(self, generator: torch.Generator) -> Tensor:
        """Proportions of each group, ``(N, V)``."""
        if self.grouping.kind == "mixed":
            return self.shares.expand(self.num_groups, -1)
        seed = int(torch.randint(2**62, (), generator=generator))
        alpha = self.grouping.concentration * len(self.shares) * self.shares
        return torch.from_numpy(np.random.default_rng(seed).dirichlet(alpha.numpy(), self.num_groups))
