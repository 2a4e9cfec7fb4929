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
