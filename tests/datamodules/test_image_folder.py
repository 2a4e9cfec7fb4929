"""Anyone's folder: classes, splits, colours, formats, links, and what is refused."""

import itertools
from pathlib import Path

import pytest
import torch
from torch.nn.functional import pad

from tests.data.image_folder import write_formats, write_image_folder, write_split_folders
from tests.data.pictures import pixel_number, save_picture
from tests.helpers.cached_folder import contents, make
from ugvae.data.table import SPLITS
from ugvae.datamodules import ImageFolderDataModule
from ugvae.errors import ConfigError, DataError


def pictures(data: ImageFolderDataModule) -> dict[str, list[int]]:
    return {split: pixel_number(data.table(split).images) for split in SPLITS}


@pytest.mark.parametrize("classes", [False, True])
def test_without_folders_of_splits(tmp_path: Path, classes: bool) -> None:
    write_image_folder(tmp_path, num_images=20, classes=classes)
    data = make(tmp_path)
    assert [len(data.table(split)) for split in SPLITS] == ([17, 2, 1] if classes else [15, 3, 2])
    assert [len(make(tmp_path, split_by="image").table(split)) for split in SPLITS] == [16, 2, 2]
    assert sorted(itertools.chain(*pictures(data).values())) == list(range(20))
    assert data.names == ({"label": ["cat", "dog"]} if classes else {})
    for split, numbers in pictures(data).items():
        columns = {"label": [number % 2 for number in numbers]} if classes else {}
        assert {name: column.tolist() for name, column in data.table(split).columns.items()} == columns


def test_images_outside_of_the_classes(tmp_path: Path) -> None:
    write_image_folder(tmp_path, num_images=12)
    save_picture(tmp_path / "loose.png", 99, 20)
    save_picture(tmp_path / "cat" / "deeper" / "still" / "100.png", 100, 20)
    labels = {}
    for numbers, values in contents(make(tmp_path)).values():
        labels |= dict(zip(numbers, values, strict=True))
    assert labels == {number: number % 2 for number in range(12)} | {99: -1, 100: 0}


def test_margin_frames_the_same_images(tmp_path: Path) -> None:
    write_image_folder(tmp_path, num_images=20)
    plain, framed = make(tmp_path, image_size=10).table("train"), make(tmp_path, image_size=16, margin=3).table("train")
    assert torch.equal(framed.images, pad(plain.images, [3] * 4))
    assert framed.columns.keys() == plain.columns.keys()
    assert len({path.name for path in (tmp_path / ".cache").iterdir()}) == 2
    assert not torch.equal(make(tmp_path, image_size=16).table("train").images, framed.images), "a cache of its own"


def test_margin_without_room_for_the_image(tmp_path: Path) -> None:
    for margin in (-1, 4):
        with pytest.raises(ConfigError, match=f"^margin: expected 0 to 3, got {margin}$"):
            make(tmp_path, image_size=8, margin=margin)
    with pytest.raises(ConfigError, match=r"^margin: expected 0 to 3, got 4$"):
        make(tmp_path, image_size=16, margin=4).relocate(str(tmp_path), 8)


@pytest.mark.parametrize("classes", [False, True])
@pytest.mark.parametrize("val", ["val", "valid", "validation"])
def test_folders_of_splits(tmp_path: Path, classes: bool, val: str) -> None:
    write_split_folders(tmp_path, {"train": 8, val: 3, "test": 4}, classes)
    data = make(tmp_path)
    numbers = pictures(data)
    assert {split: sorted(shown) for split, shown in numbers.items()} == {
        "train": list(range(8)),
        "val": list(range(50, 53)),
        "test": list(range(100, 104)),
    }
    if classes:
        assert all(values == [number % 2 for number in shown] for shown, values in contents(data).values())
        assert data.names == {"label": ["cat", "dog"]}


@pytest.mark.parametrize("there", [("train",), ("train", "test"), ("train", "val")])
def test_missing_folders_of_splits_are_cut_from_train(tmp_path: Path, there: tuple[str, ...]) -> None:
    write_split_folders(tmp_path, dict.fromkeys(there, 20))
    data = make(tmp_path)
    numbers = pictures(data)
    for split in SPLITS:
        assert (min(numbers[split]) >= 50) == (split in there[1:])
    assert sorted(itertools.chain(*numbers.values())) == [50 * i + j for i in range(len(there)) for j in range(20)]


def test_one_image_cannot_be_cut(tmp_path: Path) -> None:
    write_split_folders(tmp_path, {"train": 1, "test": 3})
    with pytest.raises(DataError, match=r"1 training images under .* cannot be divided into train, val; at least 2"):
        make(tmp_path).prepare_data()


def test_split_by_folder_keeps_folders_whole(tmp_path: Path) -> None:
    for number in range(20):
        save_picture(tmp_path / f"object{number // 2}" / f"{number % 2}.png", number, 20)
    data = make(tmp_path, split_by="folder")
    for numbers in pictures(data).values():
        assert all(number ^ 1 in numbers for number in numbers)
    assert [len(data.table(split)) for split in SPLITS] == [12, 6, 2]


def test_grey(tmp_path: Path) -> None:
    write_image_folder(tmp_path, num_images=6)
    data = make(tmp_path, channels=1)
    assert data.image_shape == data.table("train").images.shape[1:] == (1, 8, 8)


def test_all_formats_in_one_folder(tmp_path: Path) -> None:
    files = write_formats(tmp_path)
    files.pop("float.tiff").unlink()
    data = make(tmp_path)
    assert sum(len(data.table(split)) for split in SPLITS) == len(files)


def test_linked_folders_and_a_circle(tmp_path: Path) -> None:
    write_image_folder(tmp_path / "elsewhere", num_images=8)
    root = tmp_path / "images"
    root.mkdir()
    (root / "animals").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "circle").symlink_to(root)
    data = make(root)
    assert sum(len(data.table(split)) for split in SPLITS) == 8


def test_split_that_lost_all_its_images(tmp_path: Path) -> None:
    write_split_folders(tmp_path, {"train": 8, "val": 3, "test": 1})
    for path in (tmp_path / "test").rglob("*.png"):
        path.write_bytes(b"")
    data = make(tmp_path, skip_corrupt=True)
    with pytest.warns(UserWarning, match="1 corrupt files"):
        assert len(data.table("train")) == 8
    with pytest.raises(DataError, match=r"no image under .* is in the test split"):
        data.table("test")
