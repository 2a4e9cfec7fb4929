"""Groups with a known structure. Axes: N groups, B images."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ugvae.data.known_groups import (
    SERIES,
    SERIES_LENGTH,
    draw_groups,
    groups_by_value,
    groups_where,
    largest_series_group,
    mixed_groups,
    series_digits,
    series_groups,
)
from ugvae.data.table import ImageTable, split_rows
from ugvae.errors import ConfigError

# typed by hand from the numbers of OEIS A005843, A005408, A000045, A000040 (its digits: A033308)
EVEN = "0 2 4 6 8 10 12 14 16 18 20 22 24 26 28 30 32 34 36 38 40 42 44 46 48 50 52 54 56 58 60"
ODD = "1 3 5 7 9 11 13 15 17 19 21 23 25 27 29 31 33 35 37 39 41 43 45 47 49 51 53 55 57 59 61"
FIBONACCI = "0 1 1 2 3 5 8 13 21 34 55 89 144 233 377 610 987 1597 2584 4181 6765 10946 17711 28657 46368"
PRIMES = "2 3 5 7 11 13 17 19 23 29 31 37 41 43 47 53 59 61 67 71 73 79 83 89 97 101 103 107 109 113 127"
NUMBERS = {"even": EVEN, "odd": ODD, "fibonacci": FIBONACCI, "primes": PRIMES}


def make_table(num_images: int = 600) -> ImageTable:
    """Digits 0-9 in turn, 60 of each; two attributes, Male a third and Black_Hair a quarter of the images."""
    rows = torch.arange(num_images)
    columns = {"label": rows % 10, "Male": (rows % 3 == 0).long(), "Black_Hair": (rows % 4 == 0).long()}
    return ImageTable(torch.zeros(num_images, 1, 1, 1, dtype=torch.uint8), columns)


@pytest.mark.parametrize("name", list(SERIES))
def test_series_are_the_digits_of_the_numbers(name: str) -> None:
    want = [int(digit) for digit in NUMBERS[name].replace(" ", "")]
    assert series_digits(name, len(want)).tolist() == want
    assert series_digits(name).shape == (SERIES_LENGTH,)


def test_series_groups_write_their_series_from_any_place() -> None:
    table = make_table()
    groups, labels, names = series_groups(table, group_size=30, groups_per_series=40)
    assert names == {0: "even", 1: "odd", 2: "fibonacci", 3: "primes"}
    assert torch.bincount(labels).tolist() == [40] * 4
    starts = set()
    for group, label in zip(groups, labels.tolist(), strict=True):
        text = "".join(map(str, series_digits(names[label]).tolist()))
        written = "".join(map(str, table.columns["label"][group].tolist()))
        assert written in text + text  # round the end
        starts.add(text.find(written))
        assert group.unique().numel() == 30
    assert len(starts) > 60  # not one start for all


def test_series_groups_use_every_image_before_any_twice() -> None:
    table = make_table(10_000)
    groups = series_groups(table, group_size=30, groups_per_series=5).groups
    assert groups.unique().numel() == groups.numel()
    many = series_groups(make_table(), group_size=30, groups_per_series=100).groups
    uses = torch.bincount(many.flatten(), minlength=600).view(60, 10)  # by digit
    assert (uses.amax(0) - uses.amin(0) <= 1).all()


@pytest.mark.parametrize("available", [[12] * 10, [3, 4, 5, 6, 7, 8, 9, 10, 11, 12], [40] * 9 + [2], [0] * 10])
def test_largest_group_that_writes_any_part_of_any_series(available: list[int]) -> None:
    texts = ["".join(map(str, series_digits(name).tolist())) * 2 for name in SERIES]

    def can_write(size: int) -> bool:
        parts = [text[start : start + size] for text in texts for start in range(SERIES_LENGTH)]
        return all(part.count(str(digit)) <= available[digit] for part in parts for digit in range(10))

    largest = largest_series_group(torch.tensor(available), 40)
    assert can_write(largest)
    assert largest == 40 or not can_write(largest + 1)
    assert largest_series_group(torch.tensor(available), 1) == min(largest, 1)


def test_series_take_random_groups_along() -> None:
    groups, labels, names = series_groups(make_table(), 20, 3, num_random=5)
    assert labels.tolist() == [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3 + [-1] * 5
    assert groups.shape == (17, 20)
    assert -1 not in names


def test_groups_meet_their_conditions() -> None:
    table = make_table()
    conditions = [{"Male": 1, "Black_Hair": 1}, {"Male": 0}, {"label": 3}]
    groups, labels, names = groups_where(table, conditions, 16, 6, num_random=4)
    assert names == {0: "Male = 1 and Black_Hair = 1", 1: "Male = 0", 2: "label = 3"}
    assert labels.tolist() == [-1] * 4 + [0] * 6 + [1] * 6 + [2] * 6
    for group, label in zip(groups, labels.tolist(), strict=True):
        assert group.unique().numel() == 16
        if label >= 0:
            for column, value in conditions[label].items():
                assert (table.columns[column][group] == value).all()
    suitable = groups[labels == 0].flatten()  # 50 images: all come before any comes twice
    assert suitable[:50].unique().numel() == 50
    assert torch.bincount(suitable).max() == 2
    assert groups[labels == -1].unique().numel() == 64


def test_groups_of_every_value_have_one_size() -> None:
    table = make_table()
    domain = torch.full((600,), 2)
    domain[:9] = 5
    table.columns["domain"] = domain
    groups, labels, names = groups_by_value(table, "domain", 16, 3, names={2: "photos"})
    assert groups.shape == (12, 9)  # of the rarest value
    assert labels.tolist() == [-1] * 6 + [0] * 3 + [1] * 3
    assert names == {0: "photos", 1: "5"}
    assert (domain[groups[labels == 0]] == 2).all()
    assert (domain[groups[labels == 1]] == 5).all()
    assert groups_by_value(table, "label", 16, 3).groups.shape == (60, 16)
    unknown = ImageTable(table.images, {"label": domain - 3})  # -1 and 2
    assert groups_by_value(unknown, "label", 16, 3).names == {0: "2"}


@pytest.mark.parametrize("kind", ["where", "value", "series"])
def test_groups_of_disjoint_rows_are_disjoint(kind: str) -> None:
    table = make_table()
    draw = {
        "where": lambda rows: groups_where(table, [{"Male": 1}, {"Male": 0}], 16, 20, 5, rows=rows),
        "value": lambda rows: groups_by_value(table, "label", 8, 9, rows=rows),
        "series": lambda rows: series_groups(table, 16, 10, num_random=5, rows=rows),
    }[kind]
    seen = []
    for rows in split_rows(len(table), 200, seed=0):
        groups = draw(rows).groups
        assert set(groups.flatten().tolist()) <= set(rows.tolist())
        seen.append(set(groups.flatten().tolist()))
    assert not seen[0] & seen[1]


def test_mixed_groups_have_about_as_many_images_of_each_kind() -> None:
    table = make_table()
    conditions = [{"label": 2}, {"label": 7}]
    groups = mixed_groups(table, conditions, 20, 50, seed=3)
    assert groups.shape == (50, 20)
    assert set(table.columns["label"][groups].unique().tolist()) == {2, 7}
    shares = (table.columns["label"][groups] == 7).float().mean(1)
    assert 0.45 < shares.mean() < 0.55
    assert len(shares.unique()) > 5, "the share is random"
    assert all(len(group.unique()) == 20 for group in groups)
    assert torch.equal(groups, mixed_groups(table, conditions, 20, 50, seed=3))
    assert not torch.equal(groups, mixed_groups(table, conditions, 20, 50, seed=4))


def test_groups_are_a_function_of_their_seed() -> None:
    table = make_table()
    for draw in (
        lambda seed: groups_where(table, [{"Male": 1}], 8, 5, 5, seed),
        lambda seed: groups_by_value(table, "label", 8, 5, seed),
        lambda seed: series_groups(table, 8, 5, 5, seed),
    ):
        first = draw(1).groups
        torch.manual_seed(5)
        assert torch.equal(first, draw(1).groups)
        assert not torch.equal(first, draw(2).groups)


@settings(max_examples=60, deadline=None)
@given(num_rows=st.integers(1, 40), num_groups=st.integers(1, 20), group_size=st.integers(1, 20))
def test_groups_repeat_an_image_only_when_all_were_used(num_rows: int, num_groups: int, group_size: int) -> None:
    generator = torch.Generator().manual_seed(0)
    rows = torch.arange(num_rows) * 3 + 1
    if group_size > num_rows:
        with pytest.raises(ConfigError, match=f"^group_size: a group of {group_size} .* from {num_rows} images"):
            draw_groups(rows, num_groups, group_size, generator)
        return
    groups = draw_groups(rows, num_groups, group_size, generator)
    assert groups.shape == (num_groups, group_size)
    assert set(groups.flatten().tolist()) <= set(rows.tolist())
    assert all(len(set(group)) == group_size for group in groups.tolist())
    uses = torch.bincount(groups.flatten(), minlength=rows.max() + 1)[rows]
    assert uses.max() - uses.min() <= 1


def test_what_cannot_be_drawn_is_named() -> None:
    table = make_table()
    with pytest.raises(ConfigError, match=r"^group_column: no column 'Smiling'; .* Black_Hair, Male, label$"):
        groups_where(table, [{"Smiling": 1}], 8, 2)
    with pytest.raises(ConfigError, match=r"^group_column: no column 'domain'"):
        groups_by_value(table, "domain", 8, 2)
    with pytest.raises(ConfigError, match=r"^group_column: no image has a value of 'label'"):
        groups_by_value(ImageTable(table.images, {"label": torch.full((600,), -1)}), "label", 8, 2)
    with pytest.raises(ConfigError, match=r"^group_size: 60 images with label = 3, a group takes 61"):
        groups_where(table, [{"label": 3}], 61, 2)
    with pytest.raises(ConfigError, match=r"^group_size: 0 images with label = 11"):
        groups_where(table, [{"label": 11}], 8, 2)
    with pytest.raises(ConfigError, match=r"^group_size: a group takes \d+ images of value \d, there are 3"):
        series_groups(table, 30, 5, rows=torch.arange(30))
    with pytest.raises(ConfigError, match=r"^group_column: no column 'label'"):
        series_groups(ImageTable(table.images), 8, 2)
