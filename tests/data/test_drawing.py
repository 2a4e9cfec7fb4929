"""Rows for groups whose images' values are given. Axes: N groups, B images."""

from itertools import combinations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers.group_tables import make_table
from ugvae.data.drawing import distinct_numbers, draw_rows, in_turns, rows_by_value
from ugvae.errors import ConfigError


@settings(max_examples=60, deadline=None)
@given(
    wanted=st.lists(st.lists(st.integers(0, 2), min_size=5, max_size=5), min_size=1, max_size=12),
    sizes=st.lists(st.integers(5, 9), min_size=3, max_size=3),
    seed=st.integers(0, 1000),
)
def test_rows_are_those_of_the_values_in_whole_passes(wanted: list[list[int]], sizes: list[int], seed: int) -> None:
    column = make_table(sizes).columns["domain"]
    values = torch.tensor(wanted)
    drawn = draw_rows(values, rows_by_value(column), torch.Generator().manual_seed(seed))
    assert torch.equal(column[drawn], values)
    assert all(len(set(group)) == 5 for group in drawn.tolist())
    for value, size in enumerate(sizes):
        stream = drawn[values == value].tolist()  # in the order of the groups
        for start in range(0, len(stream), size):
            assert len(set(stream[start : start + size])) == len(stream[start : start + size])


def test_images_are_equally_likely_at_the_seam_of_two_passes() -> None:
    values, rows = torch.zeros(3, 2, dtype=torch.long), {0: torch.arange(3)}  # the second group has the seam
    generator = torch.Generator().manual_seed(0)
    seen = torch.stack([draw_rows(values, rows, generator) for _ in range(3000)])
    assert (seen[:, 1, 0] != seen[:, 1, 1]).all()
    assert torch.allclose(torch.bincount(seen[:, 1, 1]) / 3000, torch.full((3,), 1 / 3), atol=0.04)
    pairs = torch.bincount(seen[:, 2, 0] * 3 + seen[:, 2, 1], minlength=9) / 3000
    assert torch.allclose(pairs[[1, 2, 3, 5, 6, 7]], torch.full((6,), 1 / 6), atol=0.04)


def test_rows_by_value_of_some_rows() -> None:
    column = torch.tensor([5, -1, 5, 2, 5])
    assert {v: r.tolist() for v, r in rows_by_value(column).items()} == {-1: [1], 2: [3], 5: [0, 2, 4]}
    assert {v: r.tolist() for v, r in rows_by_value(column, torch.tensor([4, 1, 0])).items()} == {-1: [1], 5: [4, 0]}


def test_distinct_numbers_are_any_set_equally_likely() -> None:
    limits = torch.tensor([3, 5]).repeat(6000)
    drawn = distinct_numbers(limits, 3, torch.Generator().manual_seed(0))
    assert (drawn[::2].sort(1).values == torch.arange(3)).all()  # all that there are
    sets = drawn[1::2].sort(1).values @ torch.tensor([25, 5, 1])
    wanted = torch.tensor([25 * a + 5 * b + c for a, b, c in combinations(range(5), 3)])
    assert torch.equal(sets.unique(), wanted)
    assert torch.allclose(torch.bincount(sets)[wanted] / 6000, torch.full((10,), 0.1), atol=0.02)
    with pytest.raises(ConfigError, match=r"^group_size: 3 images cannot be drawn from 2"):
        distinct_numbers(torch.tensor([4, 2]), 3, torch.Generator())


def test_numbers_in_turns_are_spread_evenly() -> None:
    assert in_turns(torch.tensor([4, 2]), None).tolist() == [0, 1, 0, 0, 1, 0]
    assert in_turns(torch.tensor([0, 3]), torch.Generator()).tolist() == [1, 1, 1]
    drawn = in_turns(torch.tensor([60, 30]), torch.Generator().manual_seed(1))
    assert (drawn.view(30, 3).sum(1) == 1).all()
