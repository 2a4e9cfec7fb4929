"""Kinds of groups, and those that depend on a column of the table: by domain, or by the value of an attribute.

No image comes twice in a group, and the images of a value are used equally often.

Axes: N groups, B images per group, M rows of the table, V values of the column.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from ugvae.data.augmented_groups import CHANGES, AugmentedGroupSampler, ChangeName, changes_for
from ugvae.data.drawing import draw_rows, in_turns, rows_by_value
from ugvae.data.given_groups import GivenGroupSampler
from ugvae.data.samplers import GroupSampler, RandomGroupSampler
from ugvae.data.similar_groups import SimilarGroupSampler
from ugvae.data.statistics import STATISTICS, Statistic
from ugvae.data.table import ImageTable
from ugvae.errors import ConfigError, check_choice, check_counts, check_positive

GroupingKind = Literal["random", "mixed", "pure", "proportions", "attribute", "given", "similar", "augmented"]
GROUPINGS: tuple[GroupingKind, ...] = get_args(GroupingKind)
OF_ALL_IMAGES = ("random", "similar", "augmented")  # kinds that need no column
OF_DOMAINS = ("mixed", "pure", "proportions")
OR_RANDOM = ("similar", "random")  # an experiment of similar groups compares with random ones by one setting
HAS_EFFECT = {  # settings that others than these kinds refuse
    "proportions": OF_DOMAINS,
    "min_group_size": ("given",),
    "statistics": OR_RANDOM,
    "random_share": OR_RANDOM,
    "widest_window": OR_RANDOM,
    "changes": ("augmented",),
}
NARROW = 4  # groups' images in the widest of the narrow windows
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
            ``group_size`` makes several draws of an epoch. ``similar``: the images of a group are alike in
            ``statistics``. ``augmented``: random groups; each has one random change, shared by its images.
        column: the column of ``attribute`` and ``given``.
        proportions: shares of the domains; equal by default.
        concentration: concentration of the Dirichlet distribution, with equal proportions each of its parameters.
            Large values give ``mixed`` groups, values near 0 ``pure`` ones.
        min_group_size: ``given`` groups of fewer images are left out.
        statistics: what the images of ``similar`` groups are alike in, all together.
        random_share: share of random groups among ``similar`` ones.
        widest_window: share of the table from which the widest of the ``similar`` groups is drawn.
        changes: of ``augmented`` groups; by default those that suit the number of channels.

    Raises:
        ConfigError: a value out of range; the message names the setting.
    """

    kind: GroupingKind = "random"
    column: str = "label"
    proportions: Sequence[float] | None = None
    concentration: float = 1.0
    min_group_size: int = 1
    statistics: Sequence[Statistic] = ("ink",)
    random_share: float = 0.0
    widest_window: float = 1.0
    changes: Sequence[ChangeName] | None = None

    def __post_init__(self) -> None:
        check_choice("grouping", self.kind, GROUPINGS)
        _check_names("statistics", self.statistics, STATISTICS)
        if self.changes is not None:
            _check_names("changes", self.changes, CHANGES)
        if not 0 <= self.random_share < 1:
            raise ConfigError(f"random_share: expected 0 or more and less than 1, got {self.random_share}")
        if not 0 < self.widest_window <= 1:
            raise ConfigError(f"widest_window: expected more than 0 and at most 1, got {self.widest_window}")
        check_positive(concentration=self.concentration)
        check_counts(min_group_size=self.min_group_size)
        if self.proportions is not None:
            if not all(0 < share <= 1 for share in self.proportions):
                raise ConfigError(f"proportions: expected numbers > 0 that sum to 1, got {list(self.proportions)}")
            if abs(sum(self.proportions) - 1) > 1e-6:
                raise ConfigError(f"proportions: {list(self.proportions)} sum to {sum(self.proportions):.6g}, not to 1")

    def check_effect(self, kinds: Collection[str]) -> None:
        """Raises a ConfigError that names the first setting without effect on groups of these kinds."""
        defaults = {field.name: field.default for field in fields(self)}
        for name, with_effect in HAS_EFFECT.items():
            if getattr(self, name) != defaults[name] and not set(with_effect) & set(kinds):
                raise ConfigError(f"{name}: without effect on {self.kind} groups")

    @property
    def value_column(self) -> str:
        """The column whose values make the groups."""
        return self.column if self.kind in ("attribute", "given") else DOMAIN

    def narrowest(self, num_images: int, group_size: int) -> "Grouping":
        """The same kind of groups where they are most alike, so that what they share is measured at its clearest.

        Those of ``similar`` are from windows of at most four groups' images, and none is random. Those of ``augmented``
        are random, since evaluation leaves the images as they are.
        """
        if self.kind == "augmented":
            return Grouping()
        widest = min(self.widest_window, NARROW * group_size / num_images)
        return replace(self, random_share=0.0, widest_window=widest) if self.kind == "similar" else self

    def sampler(self, table: ImageTable, names: Mapping[int, str] | None = None, **options) -> GroupSampler:
        """A sampler of these groups over ``table``.

        Args:
            table: the images and their columns.
            names: names of the column's values, for messages.
            **options: the options of ``GroupSampler``.

        Raises:
            ConfigError: the table lacks the column, has not as many domains as ``proportions``, or too few images; or
                the images do not have a statistic, or cannot be changed so.
        """
        if self.kind == "random":
            return RandomGroupSampler(len(table), **options)
        if self.kind == "similar":
            settings = (self.statistics, self.random_share, self.widest_window)
            return SimilarGroupSampler(table.statistics(self.statistics), *settings, **options)
        if self.kind == "augmented":
            return AugmentedGroupSampler(len(table), len(changes_for(table.images.shape[1], self.changes)), **options)
        column = self.value_column
        if self.kind == "given":
            return GivenGroupSampler(table.column(column), column, self.min_group_size, **options)
        if self.kind != "attribute" and column not in table.columns:
            raise ConfigError(
                f"grouping: {self.kind} needs the column {column!r}, as in MixedDataModule; {table.described_columns}"
            )
        return ColumnGroupSampler(self, column, table.column(column), dict(names or {}), **options)


def _check_names(setting: str, names: Sequence[str], known: Collection[str]) -> None:
    """Raises a ConfigError if some names are unknown, come twice, or there are none."""
    for name in names:
        check_choice(setting, name, known)
    if not names or len(set(names)) < len(names):
        raise ConfigError(f"{setting}: expected one or more of {', '.join(known)}, each once, got {list(names)}")


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
        return self.values[in_turns(self.counts, generator if self.shuffle else None)]

    def _group_shares(self, generator: torch.Generator) -> Tensor:
        """Shares of the values in each group, ``(N, V)``."""
        if self.grouping.kind == "mixed":
            return self.shares.expand(self.num_groups, -1)
        seed = int(torch.randint(2**62, (), generator=generator))
        alpha = self.grouping.concentration * len(self.shares) * self.shares
        return torch.from_numpy(np.random.default_rng(seed).dirichlet(alpha.numpy(), self.num_groups))
