"""Crossed data: every content, such as an icon, is there once in every domain, such as a style.

Axes: D domains, S contents, N groups, B images per group.
"""

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


def find_crossing(table: ImageTable, column: str) -> Crossing | None:
    """The first column of contents that have one image in every domain; None if there is none.

    A column of which a value has two images of a domain is none, nor is one of fewer than 4 whole contents, or where
    more than half of the contents lack a domain; these are left out. Values below 0 are unknown.

    Args:
        table: the images and their columns.
        column: of the domains.

    Example:
        >>> columns = {"style": torch.arange(8) // 4, "icon": torch.tensor([0, 1, 2, 3, 3, 2, 1, 0])}
        >>> find_crossing(ImageTable(torch.zeros(8, 1, 2, 2, dtype=torch.uint8), columns), "style").rows.tolist()
        [[0, 1, 2, 3], [7, 6, 5, 4]]
    """
    domain = table.column(column)
    for content, values in table.columns.items():
        if content == column or values.is_floating_point():
            continue
        there = ((values >= 0) & (domain >= 0)).nonzero().flatten()
        domains, place = domain[there].unique(return_inverse=True)
        contents, position = values[there].unique(return_inverse=True)
        images = torch.zeros(len(domains), len(contents), dtype=torch.long)
        images.index_put_((place, position), torch.ones_like(place), accumulate=True)
        whole = (images == 1).all(0)
        if len(domains) > 1 and images.max() == 1 and whole.sum() >= max(LEAST, len(contents) / 2):
            rows = images.index_put((place, position), there)
            return Crossing(column, content, domains.tolist(), rows[:, whole])
    return None
