"""The image cache: what is in it, and when it is made anew."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.data.image_folder import write_image_folder
from tests.data.pictures import pixel_number, save_picture
from tests.helpers.cached_folder import cache_folder, contents, pictures_of
from ugvae.data import build, cache
from ugvae.data.cache import MANIFEST
from ugvae.data.listing import Listing
from ugvae.data.table import SPLITS, GroupDataset
from ugvae.datamodules import ImageFolderDataModule
from ugvae.errors import DataError

# -------------------------------------------------------------------------------------------------------------- content


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_every_image_is_in_its_row_with_its_label(
    picture_data: Callable, picture_root: Path, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "CHUNK_IMAGES", 3)
    data = picture_data(cache_workers=workers)
    numbers = []
    for pictures, labels in contents(data).values():
        assert [picture % 2 for picture in pictures] == labels
        assert labels == sorted(labels)  # in the order of the names
        numbers += pictures
    assert sorted(numbers) == list(range(40))
    assert data.names == {"label": ["cat", "dog"]}


def test_splits_are_views_of_one_mapped_file(picture_data: Callable) -> None:
    data = picture_data()
    pointers = [data.table(split).images.untyped_storage().data_ptr() for split in SPLITS]
    assert len(set(pointers)) == 1
    assert [len(data.table(split)) for split in SPLITS] == [32, 4, 4]
    maps = Path("/proc/self/maps")
    if maps.exists():
        assert str(cache_folder(data)) in maps.read_text()


def test_table_is_indexed_like_any_other_and_its_file_is_safe(picture_data: Callable) -> None:
    data = picture_data()
    table = data.table("train")
    batch = GroupDataset(table)[torch.tensor([[3, 1], [0, 31]])]
    assert batch["image"].shape == (2, 2, 3, 16, 16)
    assert torch.equal(batch["image"][0, 1], table.images[1])
    before = table.images[0].clone()
    table.images[0] = 99  # this process's own copy of the page
    assert torch.equal(picture_data().table("train").images[0], before)


@pytest.mark.parametrize("num_workers", [0, 1])
def test_loader_reads_the_mapped_file(picture_data: Callable, num_workers: int) -> None:
    data = picture_data(group_size=4, groups_per_batch=2, num_workers=num_workers)
    seen = []
    for batch in data.train_dataloader():
        images = batch["image"].flatten(0, 1)
        assert [number % 2 for number in pixel_number(images)] == batch["label"].flatten().tolist()
        seen += pixel_number(images)
    assert len(set(seen)) == len(seen) == 32


def test_nothing_is_left_but_the_cache(picture_data: Callable) -> None:
    data = picture_data()
    data.prepare_data()
    manifest = json.loads((cache_folder(data) / MANIFEST).read_text())
    files = {path.name: path.stat().st_size for path in cache_folder(data).iterdir() if path.name != "lock"}
    assert set(files) == {MANIFEST, manifest["images"], manifest["columns"]}
    assert files[manifest["images"]] == 40 * 3 * 16 * 16
    assert manifest["shape"] == [40, 3, 16, 16]
    assert manifest["splits"] == {"train": 32, "val": 4, "test": 4}
    assert manifest["transform"] == {"size": 16, "channels": 3, "centre": 0.0, "trim": False}
    assert manifest["images_per_second"] > 0
    assert manifest["skipped"] == []


@pytest.mark.parametrize(
    ("values", "kind"), [((0, 1), np.int8), ((-1, 300), np.int16), ((70_000, 0), np.int32), ((2**40, -1), np.int64)]
)
def test_columns_are_stored_narrow_and_read_whole(
    picture_data: Callable, monkeypatch: pytest.MonkeyPatch, values: tuple[int, int], kind: type
) -> None:
    describe = ImageFolderDataModule.describe

    def with_column(self: ImageFolderDataModule, files: list[str]) -> Listing:
        return replace(describe(self, files), columns={"label": np.resize(np.array(values), len(files))})

    monkeypatch.setattr(ImageFolderDataModule, "describe", with_column)
    data = picture_data()
    assert set(torch.cat([data.table(split).columns["label"] for split in SPLITS]).tolist()) == set(values)
    with np.load(next(cache_folder(data).glob("columns-*"))) as arrays:
        assert arrays["columns"].dtype == kind


# ------------------------------------------------------------------------------------------------------------- rebuilds


def test_second_time_nothing_is_decoded(picture_data: Callable, builds: list[int]) -> None:
    first = picture_data()
    first.prepare_data()
    first.prepare_data()
    assert contents(picture_data()) == contents(first)
    assert builds == [40]


def test_cache_that_cannot_be_written_any_more_is_still_read(
    picture_data: Callable, builds: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    picture_data().prepare_data()

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    monkeypatch.setattr(cache, "FileLock", refuse)
    assert len(picture_data().table("train")) == 32
    assert builds == [40]


@pytest.mark.parametrize("change", ["new file", "removed", "touched", "other content", "renamed", "version"])
def test_change_of_the_source_rebuilds(
    picture_data: Callable, picture_root: Path, builds: list[int], change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture_data().prepare_data()
    old = {path.name for path in cache_folder(picture_data()).iterdir()} - {"lock", MANIFEST}
    first = picture_root / "cat" / "0000.jpg"
    if change == "new file":
        save_picture(picture_root / "dog" / "0099.jpg", 99, 48, 40)
    elif change == "removed":
        first.unlink()
    elif change == "touched":
        os.utime(first, (1, 1))
    elif change == "other content":
        save_picture(first, 98, 50)
    elif change == "renamed":
        first.rename(picture_root / "cat" / "00000.jpg")
    else:
        monkeypatch.setattr("ugvae.data.cache.VERSION", 0)
    data = picture_data()
    numbers = pictures_of(data)
    wanted = {"new file": [*range(40), 99], "removed": list(range(1, 40)), "other content": [*range(1, 40), 98]}
    assert numbers == wanted.get(change, list(range(40)))
    assert builds == [40, len(numbers)]
    if change != "version":
        assert not old & {path.name for path in cache_folder(data).iterdir()}  # what was there takes no room


def test_stray_and_hidden_files_change_nothing(picture_data: Callable, picture_root: Path, builds: list[int]) -> None:
    picture_data().prepare_data()
    for name in ("notes.txt", ".DS_Store", "cat/._0000.jpg", "cat/Thumbs.db", ".hidden/0.jpg"):
        (picture_root / name).parent.mkdir(exist_ok=True)
        (picture_root / name).write_text("not an image")
    assert len(picture_data().table("train")) == 32
    assert builds == [40]


def test_other_settings_have_a_cache_of_their_own(picture_data: Callable, builds: list[int]) -> None:
    for _ in range(2):
        for settings in ({}, {"image_size": 8}, {"channels": 1}, {"split_by": "folder"}):
            if "split_by" in settings:
                with pytest.raises(DataError, match="2 folders"):
                    picture_data(**settings).prepare_data()
            else:
                data = picture_data(**settings)
                assert data.table("val").images.shape[1:] == data.image_shape
    assert builds == [40, 40, 40]


def test_one_cache_dir_for_many_roots(picture_data: Callable, tmp_path: Path, builds: list[int]) -> None:
    write_image_folder(tmp_path / "others", num_images=20)
    for _ in range(2):
        for name, size in (("images", 32), ("others", 16)):
            data = picture_data(root=str(tmp_path / name), cache_dir=str(tmp_path / "cache"))
            assert len(data.table("train")) == size
            assert not (tmp_path / name / ".cache").exists()
    assert builds == [40, 20]
