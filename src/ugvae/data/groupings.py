"""Kinds of groups that depend on a column of the table: by domain, or by the value of an attribute.

No image comes twice in a group, and the images of a value are used equally often.

Axes: N groups, B images per group, M rows of the table, V values of the column.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from ugvae.data.drawing import draw_rows, rows_by_value
from ugvae.data.given_groups import GivenGroupSampler
from ugvae.data.samplers import GroupSampler, RandomGroupSampler
from ugvae.data.table import ImageTable
from ugvae.errors import ConfigError, check_choice, check_counts, check_positive

GroupingKind = Literal["random", "mixed", "pure", "proportions", "attribute", "given"]
GROUPINGS: tuple[GroupingKind, ...] = get_args(GroupingKind)
DOMAIN = "domain"  # the column that mixed, pure and proportions need; MixedDataModule provides it


@dataclass(frozen=True)
class Grouping:
    """How the images of a table make groups.

    Attributes:
        kind: ``random``: images are drawn without replacement over the epoch. ``mixed``: the domain of each image is
            drawn with ``proportions``. ``pure``: all images of a group are from one domain; ``proportions`` are the
            shares of the domains among the groups. ``proportions``: the shares within each group are drawn from a
            Dirichlet distribution around ``proportions``. ``attribute``: all images of a group have one value of
            ``column``; each value has as many groups as its images fill; values below 0 are unknown and left out.
            ``given``: all images with one value of ``column`` are a group of any size; a larger one than
            ``group_size`` makes several draws of an epoch.
        column: the column of ``attribute`` and ``given``.
        proportions: shares of the domains; equal by default.
        concentration: concentration of the Dirichlet distribution, with equal proportions each of its parameters.
            Large values give ``mixed`` groups, values near 0 ``pure`` ones.
        min_group_size: ``given`` groups of fewer images are left out.
    """

    kind: GroupingKind = "random"
    column: str = "label"
    proportions: Sequence[float] | None = None
    concentration: float = 1.0
    min_group_size: int = 1

    def __post_init__(self) -> None:
        check_choice("grouping", self.kind, GROUPINGS)
        check_positive(concentration=self.concentration)
        check_counts(min_group_size=self.min_group_size)
        if self.proportions is not None:
            if not all(0 < share <= 1 for share in self.proportions):
                raise ConfigError(f"proportions: expected numbers > 0 that sum to 1, got {list(self.proportions)}")
            if abs(sum(self.proportions) - 1) > 1e-6:
                raise ConfigError(f"proportions: {list(self.proportions)} sum to {sum(self.proportions):.6g}, not to 1")

    @property
    def value_column(self) -> str:
        """The column whose values make the groups."""
        return self.column if self.kind in ("attribute", "given") else DOMAIN

    def sampler(self, table: ImageTable, names: Mapping[int, str] | None = None, **options) -> GroupSampler:
        """A sampler of these groups over ``table``.

        Args:
            table: the images and their columns.
            names: names of the column's values, for messages.
            **options: the options of ``GroupSampler``.

        Raises:
            ConfigError: the table lacks the column, has not as many domains as ``proportions``, or too few images.
        """
        if self.kind == "random":
            return RandomGroupSampler(len(table), **options)
        column = self.value_column
        if self.kind == "given":
            return GivenGroupSampler(table.column(column), column, self.min_group_size, **options)
        if self.kind != "attribute" and column not in table.columns:
            raise ConfigError(
                f"grouping: {self.kind} needs the column {column!r}, as in MixedDataModule; {table.described_columns}"
            )
        return ColumnGroupSampler(self, column, table.column(column), dict(names or {}), **options)


class ColumnGroupSampler(GroupSampler):
    """Groups whose images are drawn by the value of a column. No image comes twice in a group.

    An epoch of ``attribute`` is one pass over the table, without the images that do not fill a group. An epoch of
    the kinds over domains is one pass over the domain that lasts longest at its proportion: the largest, when the
    proportions are equal. Meanwhile the other domains are repeated, each time in a new order, so that every domain has
    its proportion of every epoch.

    Args:
        grouping: the kind and its settings.
        column: name of the column, for messages.
        values: the column ``(M,)``.
        names: names of its values, for messages.
        **options: the options of ``GroupSampler``.

    Raises:
        ConfigError: not as many domains as proportions, or a value with fewer images than a group.
    """

    def __init__(self, grouping: Grouping, column: str, values: Tensor, names: dict[int, str], **options) -> None:
        super().__init__(**options)
        self.grouping = grouping
        known = values >= 0 if grouping.kind == "attribute" else torch.ones_like(values, dtype=torch.bool)
        self.rows = rows_by_value(values, known.nonzero().flatten())
        self.names = [names.get(value, f"{column} = {value}") for value in self.rows]
        self.values = torch.tensor(list(self.rows))
        self.sizes = torch.tensor([len(rows) for rows in self.rows.values()])
        if (self.sizes < self.group_size).any():
            smallest = int(self.sizes.argmin())
            raise ConfigError(
                f"group_size: {self.names[smallest]} has {self.sizes[smallest]} images in the split, fewer than the "
                f"{self.group_size} of a group ({grouping.kind} groups)"
            )
        self.shares = self._shares()
        self.counts = self._counts()
        self.check_length(f"an epoch of {grouping.kind} groups has {self.num_groups * self.group_size}")

    def _shares(self) -> Tensor:
        """Share of each value among the images, ``(V,)``."""
        if self.grouping.kind == "attribute":
            return self.sizes / self.sizes.sum()
        domains, proportions = len(self.values), self.grouping.proportions
        if proportions is None:
            return torch.full((domains,), 1 / domains, dtype=torch.float64)
        if len(proportions) != domains:
            raise ConfigError(f"proportions: {len(proportions)} for {domains} domains: {', '.join(self.names)}")
        return torch.tensor(proportions, dtype=torch.float64)

    def _counts(self) -> Tensor:
        """Groups of each value in an epoch, ``(V,)``; where groups mix values, the expected number."""
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
            values = self._in_turns(generator).unsqueeze(1).expand(-1, self.group_size)
        else:
            shares = self._group_shares(generator)
            values = self.values[torch.multinomial(shares, self.group_size, replacement=True, generator=generator)]
        return draw_rows(values, self.rows, generator)

    def _in_turns(self, generator: torch.Generator) -> Tensor:
        """The value of each group ``(N,)``, spread evenly, so that any part of an epoch has every value.

        In training each batch then has every value in about its proportion, which makes the steps and the statistics
        of BatchNorm less noisy. Where the first group of a value comes is random.
        """
        values = self.values.repeat_interleave(self.counts)
        starts = torch.rand(len(self.counts), generator=generator) if self.shuffle else [0.5] * len(self.counts)
        places = [(torch.arange(count) + at) / count for count, at in zip(self.counts.tolist(), starts, strict=True)]
        return values[torch.cat(places).argsort(stable=True)]

    def _group_shares(self, generator: torch.Generator) -> Tensor:
        """Shares of the values in each group, ``(N, V)``."""
        if self.grouping.kind == "mixed":
            return self.shares.expand(self.num_groups, -1)
        seed = int(torch.randint(2**62, (), generator=generator))
        alpha = self.grouping.concentration * len(self.shares) * self.shares
        return torch.from_numpy(np.random.default_rng(seed).dirichlet(alpha.numpy(), self.num_groups))
