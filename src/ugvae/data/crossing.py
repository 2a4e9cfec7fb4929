"""Crossed data: every content, such as an icon, is there once in every domain, such as a style.

Axes: D domains, S contents, N groups, B images per group.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ugvae.data.table import ImageTable

LEAST = 4  # contents: two groups of two


class Crossing(NamedTuple):
    """Which images of a table are one content in all domains.

    Attributes:
        column: of the domains.
        content: the column of the contents.
        domains: the D values of the column.
        rows: the image of every content in every domain, ``(D, S)``.
    """

    column: str
    content: str
    domains: list[int]
    rows: Tensor

    def groups(self, group_size: int, seed: int) -> Tensor:
        """Contents of groups ``(N, B)``, no content in two; B is at most half of them, so that there are two groups."""
        contents = self.rows.shape[1]
        size = min(group_size, contents // 2)
        order = torch.randperm(contents, generator=torch.Generator().manual_seed(seed))
        return order[: contents // size * size].view(-1, size)


def find_crossing(table: ImageTable, column: str, domains: Sequence[int]) -> Crossing | None:
    """The first column of contents that have one image in every domain; None if there is none.

    A column of which a value has two images of a domain is none, nor is one of fewer than 4 whole contents, or where
    more than half of the contents lack a domain; these are left out. Values below 0 are unknown.

    Args:
        table: the images and their columns.
        column: of the domains.
        domains: its values, two or more, in ascending order.

    Example:
        >>> columns = {"style": torch.arange(8) // 4, "icon": torch.tensor([0, 1, 2, 3, 3, 2, 1, 0])}
        >>> table = ImageTable(torch.zeros(8, 1, 2, 2, dtype=torch.uint8), columns)
        >>> find_crossing(table, "style", [0, 1]).rows.tolist()
        [[0, 1, 2, 3], [7, 6, 5, 4]]
    """
    values = torch.tensor(domains)
    for content, contents in table.columns.items():
        if content == column or contents.is_floating_point():
            continue
        there = (torch.isin(table.column(column), values) & (contents >= 0)).nonzero().flatten()
        place = torch.searchsorted(values, table.column(column)[there])
        distinct, position = contents[there].unique(return_inverse=True)
        rows = torch.zeros(len(domains), len(distinct), dtype=torch.long)
        counts = rows.index_put((place, position), torch.ones_like(place), accumulate=True)
        whole = (counts == 1).all(0)
        if (counts <= 1).all() and whole.sum() >= max(LEAST, len(distinct) / 2):
            rows = rows.index_put((place, position), there)
            return Crossing(column, content, list(domains), rows[:, whole])
    return None
