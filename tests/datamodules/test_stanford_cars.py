"""Stanford Cars: the official tree, with and without labels, and a flat folder."""

from pathlib import Path

import pytest

from tests.data.pictures import pixel_number, save_picture
from tests.data.stanford_cars import (
    CLASSES,
    as_the_copies_have_it,
    label,
    save_annotations,
    write_flat_cars,
    write_stanford_cars,
)
from ugvae.datamodules import StanfordCarsDataModule
from ugvae.errors import DataError


def make(root: Path) -> StanfordCarsDataModule:
    return StanfordCarsDataModule(str(root), image_size=16, cache_workers=1)


@pytest.mark.parametrize("above", [".", "stanford_cars"])
def test_official_splits_and_labels(tmp_path: Path, above: str) -> None:
    write_stanford_cars(tmp_path / above, num_train=20, num_test=9)
    data = make(tmp_path)
    train, val = (pixel_number(data.table(split).images) for split in ("train", "val"))
    assert len(val) == 2
    assert sorted(train + val) == list(range(1, 21))
    assert pixel_number(data.table("test").images) == list(range(101, 110))
    for split, offset in (("train", 0), ("val", 0), ("test", 100)):
        table = data.table(split)
        numbers = [number - offset for number in pixel_number(table.images)]
        assert table.columns["label"].tolist() == [label(number) for number in numbers]
    assert data.names == {"label": CLASSES}


def test_test_images_without_labels(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    write_stanford_cars(tmp_path, num_train=20, num_test=6, test_labels=False)
    data = make(tmp_path)
    assert data.table("test").columns["label"].tolist() == [-1] * 6
    assert data.table("train").columns["label"].min() == 0
    missing = "no labels of the images in cars_test, which cars_test_annos_withlabels.mat has; their label is -1"
    assert [str(warning.message) for warning in recwarn if "no labels" in str(warning.message)] == [
        f"Stanford Cars: {missing}"
    ]


@pytest.mark.parametrize("above", [".", "archive", "stanford_cars"])
@pytest.mark.parametrize("with_labels", [".", "car_devkit/devkit", "car_devkit"])
def test_trees_of_copies(tmp_path: Path, above: str, with_labels: str, recwarn: pytest.WarningsRecorder) -> None:
    write_stanford_cars(tmp_path / above, num_train=20, num_test=6)
    as_the_copies_have_it(tmp_path / above, with_labels)
    data = make(tmp_path)
    assert pixel_number(data.table("test").images) == list(range(101, 107))
    for split, offset in (("train", 0), ("val", 0), ("test", 100)):
        table = data.table(split)
        numbers = [number - offset for number in pixel_number(table.images)]
        assert table.columns["label"].tolist() == [label(number) for number in numbers]
    assert data.names == {"label": CLASSES}
    assert not [warning for warning in recwarn if "no labels" in str(warning.message)]


@pytest.mark.parametrize("folder", [".", "cars_train", "stanford_cars/cars_train"])
def test_flat_folder_is_cut_with_a_fixed_seed(tmp_path: Path, folder: str) -> None:
    write_flat_cars(tmp_path / folder)
    data = make(tmp_path)
    assert [len(data.table(split)) for split in ("train", "val", "test")] == [24, 3, 3]
    numbers = sorted(n for split in ("train", "val", "test") for n in pixel_number(data.table(split).images))
    assert numbers == list(range(1, 31))
    assert data.table("train").columns == {}
    assert data.names == {}


def test_annotations_of_other_images(tmp_path: Path) -> None:
    write_stanford_cars(tmp_path, num_train=20, num_test=6)
    save_picture(tmp_path / "cars_train" / "00021.jpg", 21, 40)
    with pytest.raises(DataError, match=r"cars_train_annos.mat: .* 1 images without a row: 00021.jpg\."):
        make(tmp_path).prepare_data()


def test_one_annotated_image(tmp_path: Path) -> None:
    save_annotations(tmp_path / "devkit" / "cars_test_annos.mat", ["00001.jpg"])
    for number in range(1, 6):
        save_picture(tmp_path / "cars_train" / f"{number:05d}.jpg", number, 40)
    save_picture(tmp_path / "cars_test" / "00001.jpg", 101, 40)
    assert make(tmp_path).table("test").columns["label"].tolist() == [label(1)]
