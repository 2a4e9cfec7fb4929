"""Splits of a user's own images: they follow the names, and stay when images come."""

from collections import Counter

import numpy as np
import pytest

from ugvae.data.splits import check_whole, split_by_name, split_of_folders, split_of_texts
from ugvae.errors import DataError


def test_one_name_more_moves_no_other() -> None:
    names = [f"scan {number}.png" for number in range(1000)]
    split = split_by_name(names, "images")
    assert [int((split == number).sum()) for number in range(3)] == [783, 105, 112]  # they do not move with a version
    for more in ("0.png", "scan 500b.png", "é字.png"):
        assert split_by_name([more, *names], "images")[1:].tolist() == split.tolist()
    assert split_by_name(names[::-1], "images")[::-1].tolist() == split.tolist()


@pytest.mark.parametrize("count", range(3, 12))
def test_no_split_is_empty_however_few_the_names(count: int) -> None:
    for version in range(20):
        split = split_by_name([f"{version} {number}" for number in range(count)], "images")
        assert set(split.tolist()) == {0, 1, 2}
        assert set(split_by_name([f"{version} {number}" for number in range(count)], "x", [1]).tolist()) == {0, 1}


def test_images_of_one_name_stay_together() -> None:
    names = [f"patient {number // 7}" for number in range(300)]
    split = split_by_name(names, "patients")
    assert all(len(set(split[start : start + 7].tolist())) == 1 for start in range(0, 300, 7))
    check_whole(names, split, "patient")
    split[[0, 8]] = (split[[0, 8]] + 1) % 3
    with pytest.raises(DataError, match=r"2 groups by 'patient' are in more than one split: patient 0, patient 1;"):
        check_whole(names, split, "patient")


def test_too_few_names() -> None:
    with pytest.raises(DataError, match="2 images cannot be divided into train, val, test; at least 3 are needed"):
        split_by_name(["a", "b", "a"], "images")


def test_column_of_splits_in_any_spelling() -> None:
    assert split_of_texts(["Train", "valid", "TEST", "dev", "Validation"], "t.csv").tolist() == [0, 1, 2, 1, 1]
    with pytest.raises(DataError, match=r"t.csv: 3 images have an unknown split: '', 'b'; expected train, val or test"):
        split_of_texts(["train", "b", "", "b"], "t.csv")


@pytest.mark.parametrize(
    ("images", "splits", "others"),
    [
        (["train/a/1", "val/b/1", "test/2"], [0, 1, 2], [("a",), ("b",), ()]),
        (["Train/1", "Validation/1", "Testing/1"], [0, 1, 2], [(), (), ()]),
        (["set/train/a/1", "set/valid/b/1"], [0, 1], [("a",), ("b",)]),
        (["a/train/1", "a/test/1", "b/train/1"], [0, 2, 0], [("a",), ("a",), ("b",)]),
        (["a/1", "b/1", "2"], None, [("a",), ("b",), ()]),
    ],
    ids=["plain", "spelling", "one level deeper", "below the classes", "no splits"],
)
def test_folders_of_splits(images: list[str], splits: list[int] | None, others: list[tuple[str, ...]]) -> None:
    split, other_folders = split_of_folders(images, "root")
    assert (None if split is None else split.tolist()) == splits
    assert other_folders == others


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (["Train/1", "test/1", "extra/1", "2"], "root: 2 images beside the folders train, val and test: extra/1, 2"),
        (["set/train/1", "set/notes/1"], "root: 1 images beside the folders train, val and test: set/notes/1"),
        (["val/1", "Test/1"], "root: the folders Test, val have names of splits, but there is no folder train"),
    ],
)
def test_folders_of_splits_are_never_classes(images: list[str], message: str) -> None:
    with pytest.raises(DataError, match=f"^{message}"):
        split_of_folders(images, "root")


def test_shares() -> None:
    counts = Counter(split_by_name([str(number) for number in range(20_000)], "images").tolist())
    np.testing.assert_allclose([counts[number] / 20_000 for number in range(3)], [0.8, 0.1, 0.1], atol=0.007)
