"""Rows of a table drawn by the value of a column. Axes: N groups, B images per group, M rows of the table."""

from collections.abc import Mapping

import torch
from torch import Tensor

from ugvae.errors import ConfigError


def rows_by_value(column: Tensor, rows: Tensor | None = None) -> dict[int, Tensor]:
    """The rows of each value of an integer column ``(M,)``, in ascending order; of all ``rows`` by default."""
    rows = torch.arange(len(column)) if rows is None else rows
    values, counts = column[rows].unique(return_counts=True)
    order = rows[column[rows].argsort(stable=True)]
    return dict(zip(values.tolist(), order.split(counts.tolist()), strict=True))


def draw_rows(values: Tensor, rows: Mapping[int, Tensor], generator: torch.Generator) -> Tensor:
    """Draws rows ``(N, B)`` of images that have the ``values (N, B)``, from the rows of each value.

    No image comes twice in a group. The images of a value are used in passes, each in a new random order: none comes
    a second time before all have come once.

    Raises:
        ConfigError: a group needs more images of a value than there are.
    """
    drawn = torch.empty(values.numel(), dtype=torch.long)
    for value, places in rows_by_value(values.flatten()).items():
        available = rows.get(value, torch.empty(0, dtype=torch.long))
        counts = (places // values.shape[1]).unique_consecutive(return_counts=True)[1]  # in each group that needs it
        if counts.max() > len(available):
            raise ConfigError(
                f"group_size: a group takes {int(counts.max())} images of value {value}, there are {len(available)}"
            )
        drawn[places] = available[_passes(len(available), counts, generator)]
    return drawn.view_as(values)


def in_turns(counts: Tensor, generator: torch.Generator | None) -> Tensor:
    """The numbers 0, 1, …, each as often as ``counts (V,)`` says, spread evenly, so that any part has all of them.

    Args:
        counts: how often each number comes.
        generator: draws where the first of each number comes; None puts it in the middle of its part.
    """
    starts = [0.5] * len(counts) if generator is None else torch.rand(len(counts), generator=generator)
    places = [(torch.arange(count) + start) / count for count, start in zip(counts.tolist(), starts, strict=True)]
    return torch.arange(len(counts)).repeat_interleave(counts)[torch.cat(places).argsort(stable=True)]


def distinct_numbers(limits: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """For each limit, ``count`` different numbers below it, all sets equally likely: ``(N,)`` to ``(N, count)``.

    This is Floyd's algorithm (Bentley and Floyd 1987), for all limits at once. The order of the numbers is not random.

    Raises:
        ConfigError: a limit below ``count``.
    """
    if (limits < count).any():
        raise ConfigError(f"group_size: {count} images cannot be drawn from {int(limits.min())}")
    drawn = torch.empty(len(limits), count, dtype=torch.long)
    shares = torch.rand(count, len(limits), generator=generator, dtype=torch.float64)
    for position, share in enumerate(shares):
        last = limits - count + position
        number = (share * (last + 1)).long()  # a double below 1, times a limit below 2^31, stays below the limit
        taken = (drawn[:, :position] == number.unsqueeze(1)).any(1)
        drawn[:, position] = torch.where(taken, last, number)
    return drawn


def _passes(size: int, counts: Tensor, generator: torch.Generator) -> Tensor:
    """One permutation of the numbers below ``size`` after another, cut into shares of ``counts (N,)`` numbers.

    Where a permutation ends within a share, the next one is drawn uniformly among those that give the share no number
    twice.
    """
    ends = counts.cumsum(0)
    total, drawn = int(ends[-1]), 0
    passes: list[Tensor] = []
    while drawn < total:
        order = torch.randperm(size, generator=generator)
        share = int(torch.searchsorted(ends, drawn, right=True))
        missing = int(ends[share]) - drawn
        present = int(counts[share]) - missing
        if present > 0:
            last = passes[-1][size - present :]
            other = order[~torch.isin(order, last)]
            rest = torch.cat([other[missing:], last])
            order = torch.cat([other[:missing], rest[torch.randperm(len(rest), generator=generator)]])
        passes.append(order)
        drawn += size
    return torch.cat(passes)[:total]
