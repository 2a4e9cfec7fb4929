"""Which data are crossed, and groups of their contents."""

import pytest
import torch
from torch import Tensor

from ugvae.data.crossing import find_crossing
from ugvae.data.table import ImageTable
from ugvae.errors import ConfigError


def table(**columns: Tensor) -> ImageTable:
    rows = len(next(iter(columns.values())))
    return ImageTable(torch.zeros(rows, 1, 2, 2, dtype=torch.uint8), columns)


def crossed(domains: int = 3, contents: int = 6) -> tuple[Tensor, Tensor]:
    """Domain and content of every combination, once, in a random order."""
    pairs = torch.cartesian_prod(torch.arange(domains), torch.arange(contents))
    return pairs[torch.randperm(len(pairs))].unbind(1)


def test_rows_of_crossed_data() -> None:
    style, icon = crossed()
    data = table(copy=style, weight=torch.rand(18).double(), icon=icon + 10, style=style * 2)
    crossing = find_crossing(data, "style", [0, 2, 4])
    assert (crossing.column, crossing.content, crossing.domains) == ("style", "icon", [0, 2, 4])
    assert torch.equal(style[crossing.rows], torch.arange(3).unsqueeze(1).expand(3, 6))
    assert torch.equal(icon[crossing.rows], torch.arange(6).expand(3, 6))
    assert torch.equal(find_crossing(data, "style", [0, 4]).rows, crossing.rows[[0, 2]])


def test_contents_that_lack_a_domain_are_left_out() -> None:
    style, icon = crossed(contents=9)
    first_three = (style == 1) & (icon < 3)
    crossing = find_crossing(table(style=style[~first_three], icon=icon[~first_three]), "style", range(3))
    assert crossing.rows.shape == (3, 6)
    unknown = find_crossing(table(style=style, icon=torch.where(first_three, -1, icon)), "style", range(3))
    assert torch.equal(icon[unknown.rows], torch.arange(3, 9).expand(3, 6))


def test_data_that_are_not_crossed() -> None:
    style, icon = crossed()
    twice = table(style=torch.cat([style, style[:1]]), icon=torch.cat([icon, icon[:1]]))
    sparse = style == icon % 3  # every content in one domain
    for data in (
        twice,
        table(style=style),
        table(style=style[sparse], icon=icon[sparse]),
        table(style=style * 0, icon=torch.arange(18)),  # nothing of two domains
        table(style=style[icon < 3], icon=icon[icon < 3]),  # three contents
        table(style=style, icon=torch.full((18,), -1)),
    ):
        assert find_crossing(data, "style", range(3)) is None
    with pytest.raises(ConfigError, match="no column 'domain'"):
        find_crossing(table(style=style, icon=icon), "domain", [0, 1])


@pytest.mark.parametrize(("asked", "size", "count"), [(2, 2, 4), (3, 3, 3), (4, 4, 2), (128, 4, 2)])
def test_groups_share_no_content(asked: int, size: int, count: int) -> None:
    style, icon = crossed(contents=9)
    groups = find_crossing(table(style=style, icon=icon), "style", range(3)).groups(asked, seed=1)
    assert groups.shape == (count, size)
    assert len(groups.unique()) == count * size
    assert not torch.equal(
        groups, find_crossing(table(style=style, icon=icon), "style", range(3)).groups(asked, seed=2)
    )
