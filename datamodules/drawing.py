"""Rows of a table for groups whose images' values are given: in reshuffled passes, never an image twice in a group.

Axes: N groups, B images per group, M rows.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

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
