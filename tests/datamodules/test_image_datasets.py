"""What holds for every dataset of image files, each as tests/data writes it in its owner's format."""

import runpy
import sys
from pathlib import Path

import pytest
import torch
import yaml

from tests.data.icons import icon_number
from tests.data.pictures import NUM_COLOURS, pixel_number
from tests.data.samples import SAMPLES, write_samples
from tests.helpers import EXPERIMENTS
from tests.helpers.package_index import pip_finds_nothing
from ugvae import datamodules
from ugvae.data.image_files import ImageFilesDataModule
from ugvae.data.table import SPLITS
from ugvae.errors import ConfigError, DataError

SIZES = {  # train, val, test; and what is never in two splits, if there is such a column
    "CelebADataModule": ((160, 20, 20), None),
    "Faces3DDataModule": ((216, 27, 27), "scan"),
    "Cars3DDataModule": ((768, 96, 96), "car"),
    "Chairs3DDataModule": ((160, 20, 20), "chair"),
    "StanfordCarsDataModule": ((162, 18, 40), None),
    "IconsDataModule": ((168, 24, 24), "icon"),
    "ImageFolderDataModule": ((170, 26, 24), None),
}
NUMBER = {"IconsDataModule": icon_number}  # what says which picture an image is, if not its colour
YAML = {"rendered_chairs": "chairs3d"}  # where it is not the name of the folder
GREY = {"IconsDataModule"}
OBJECTS_IN_ALL = {"IconsDataModule": 36}  # 10 in the others
DIFFERENT = {"StanfordCarsDataModule": 180}  # pictures: some of its test images are also training images here
every_dataset = pytest.mark.parametrize("name", sorted(SAMPLES))


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All tiny trees, with the caches that the tests leave in them."""
    target = tmp_path_factory.mktemp("samples")
    write_samples(target)
    return target


def make(name: str, root: Path, **settings) -> ImageFilesDataModule:
    return getattr(datamodules, name)(str(root), **{"image_size": 16, "cache_workers": 1, **settings})


@pytest.fixture
def data(samples: Path, name: str) -> ImageFilesDataModule:
    return make(name, samples / SAMPLES[name][0], group_size=6, groups_per_batch=2)


def test_every_dataset_is_here() -> None:
    assert set(SAMPLES) == set(SIZES)
    for name in SAMPLES:
        assert issubclass(getattr(datamodules, name), ImageFilesDataModule)


@every_dataset
def test_counts_shapes_and_types(data: ImageFilesDataModule, name: str) -> None:
    assert data.image_shape == (data.channels, 16, 16)
    for split, count in zip(SPLITS, SIZES[name][0], strict=True):
        table = data.table(split)
        assert table.images.shape == (count, data.channels, 16, 16)
        assert table.images.dtype == torch.uint8
        for column in table.columns.values():
            assert column.dtype == torch.int64
            assert column.shape == (count,)


@every_dataset
def test_default_size_is_that_of_the_paper(samples: Path, name: str) -> None:
    assert getattr(datamodules, name)(str(samples)).image_shape == (1 if name in GREY else 3, 64, 64)
    assert getattr(datamodules, name)().root == f"data/{SAMPLES[name][0]}"


@every_dataset
def test_splits_keep_objects_apart_and_lose_no_image(data: ImageFilesDataModule, name: str) -> None:
    numbers = sorted(number for split in SPLITS for number in NUMBER.get(name, pixel_number)(data.table(split).images))
    assert len(numbers) == sum(SIZES[name][0])
    assert len(set(numbers)) == DIFFERENT.get(name, min(len(numbers), NUM_COLOURS))
    if column := SIZES[name][1]:
        objects = [set(data.table(split).columns[column].tolist()) for split in SPLITS]
        assert not objects[0] & objects[1] | objects[0] & objects[2] | objects[1] & objects[2]
        assert set.union(*objects) == set(range(OBJECTS_IN_ALL.get(name, 10)))
        assert len(data.names[column]) == OBJECTS_IN_ALL.get(name, 10)


@every_dataset
def test_seed_moves_the_groups_and_not_the_splits(samples: Path, name: str) -> None:
    first, second = (make(name, samples / SAMPLES[name][0], seed=seed) for seed in (1, 2))
    for split in SPLITS:
        assert torch.equal(first.table(split).images, second.table(split).images)
    batches = [next(iter(data.train_dataloader()))["index"] for data in (first, second)]
    assert not torch.equal(*batches)


@every_dataset
def test_loaders_yield_groups_of_their_split(data: ImageFilesDataModule, name: str) -> None:
    for split, loader in (("train", data.train_dataloader()), ("test", data.test_dataloader())):
        batch = next(iter(loader))
        assert batch["image"].shape == (2, 6, data.channels, 16, 16)
        assert set(batch) == {"image", "index", *data.table(split).columns}
        assert torch.equal(batch["image"], data.table(split).images[batch["index"]])


@every_dataset
def test_names_belong_to_columns(data: ImageFilesDataModule, name: str) -> None:
    columns = data.table("train").columns
    for column, names in data.names.items():
        assert columns[column].max() < len(names)


@every_dataset
@pytest.mark.parametrize("there", ["nothing", "empty", "other files"])
def test_missing_data_say_what_to_do(tmp_path: Path, name: str, there: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pip_finds_nothing(monkeypatch)
    root = tmp_path / "data"
    if there != "nothing":
        root.mkdir()
    if there == "other files":
        (root / "notes.txt").write_text("")
        (root / "archive.zip").write_text("")
    with pytest.raises(DataError) as caught:
        make(name, root).prepare_data()
    listed = {"nothing": "no such folder", "empty": "an empty folder", "other files": "archive.zip, notes.txt"}[there]
    cls = getattr(datamodules, name)
    for part in [cls.title, f"under {root}", "Expected:", f"{root}/", f"There: {listed}", cls.source, cls.licence]:
        assert part in str(caught.value)
    assert str(caught.value).endswith("make train DATA=digits")
    assert not (root / ".cache").exists()


@every_dataset
@pytest.mark.parametrize(("setting", "value"), [("image_size", 0), ("cache_workers", 0), ("group_size", -1)])
def test_bad_setting_is_named(name: str, setting: str, value: int) -> None:
    with pytest.raises(ConfigError, match=f"^{setting}: "):
        getattr(datamodules, name)(**{setting: value})


@every_dataset
def test_moving_to_another_folder_reads_that_one(samples: Path, name: str) -> None:
    data = make(name, samples / "nowhere", image_size=8)
    data.relocate(str(samples / SAMPLES[name][0]), 16)
    assert data.table("val").images.shape == (SIZES[name][0][1], data.channels, 16, 16)
    data.relocate(data.root, 8)
    assert data.table("val").images.shape == (SIZES[name][0][1], data.channels, 8, 8)


@every_dataset
def test_yaml_of_the_dataset_takes_its_sample(samples: Path, name: str) -> None:
    folder = SAMPLES[name][0]
    settings = yaml.safe_load((EXPERIMENTS / f"{YAML.get(folder, folder)}.yaml").read_text())["data"]
    assert name == (settings if isinstance(settings, str) else settings["class_path"])
    data = make(name, samples / folder)  # with the groups that the YAML leaves at their defaults
    assert len(data.train_dataloader()) > 0
    assert len(data.val_dataloader()) > 0


def test_sample_data_are_written_on_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: object) -> None:
    monkeypatch.setattr(sys, "argv", ["tests.data", str(tmp_path)])
    monkeypatch.setitem(SAMPLES, "Cars3DDataModule", ("cars3d", lambda root: root.mkdir()))  # the slow one
    runpy.run_module("tests.data", run_name="__main__")
    assert {path.name for path in tmp_path.iterdir()} == {folder for folder, _ in SAMPLES.values()}
    assert f"202 files in {tmp_path / 'celeba'}" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["tests.data"])
    with pytest.raises(SystemExit, match="tiny data sets"):
        runpy.run_module("tests.data", run_name="__main__")
