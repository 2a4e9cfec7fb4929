"""Arrays of images from files and from Python: layouts, ranges, columns, splits, and what is refused by name."""

from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.data.arrays import array_of_pictures, write_arrays
from tests.data.pictures import pixel_number
from tests.helpers.small_models import quiet_trainer
from ugvae.data.table import SPLITS, ConcatImages
from ugvae.datamodules import ArrayDataModule
from ugvae.errors import ConfigError, DataError
from ugvae.models import UGVAE

PICTURES = array_of_pictures(40)


def everything(data: ArrayDataModule) -> torch.Tensor:
    """The images of all splits, uint8 ``(N, C, H, W)``."""
    return torch.cat([data.table(split).images[torch.arange(len(data.table(split)))] for split in SPLITS])


def test_folder_with_a_file_and_a_table(tmp_path: Path) -> None:
    write_arrays(tmp_path, num_images=100)
    for root in (tmp_path, tmp_path / "images.npy"):
        data = ArrayDataModule(str(root))
        assert data.image_shape == (3, 20, 20)
        for split in SPLITS:
            table = data.table(split)
            assert isinstance(table.images, ConcatImages)  # still the mapped file
            numbers = pixel_number(table.images[:])
            assert table.columns["plate"].tolist() == [number % 5 for number in numbers]
    assert sorted(pixel_number(everything(data))) == list(range(100))
    small = ArrayDataModule(str(tmp_path), image_size=8)
    assert small.table("test").images.shape[1:] == (3, 8, 8)
    assert pixel_number(small.table("test").images) == pixel_number(data.table("test").images[:])


@pytest.mark.parametrize(
    "images",
    [
        PICTURES,
        PICTURES.transpose(0, 3, 1, 2),
        (PICTURES.astype(np.uint16) * 257),
        (PICTURES / 255).astype(np.float32),
        torch.from_numpy(PICTURES / 255).permute(0, 3, 1, 2),
    ],
    ids=["NHWC", "NCHW", "uint16", "float32", "tensor of float64"],
)
def test_layouts_and_types_give_the_same_images(images: np.ndarray | torch.Tensor) -> None:
    want = everything(ArrayDataModule.from_arrays(PICTURES))
    assert torch.equal(everything(ArrayDataModule.from_arrays(images)), want)


def test_maximum_and_grey() -> None:
    images = np.array([0, 1024, 4095], np.uint16).repeat(20)[:, None, None] * np.ones((1, 9, 9), np.uint16)
    data = ArrayDataModule.from_arrays(images, maximum=4095)
    assert data.image_shape == (1, 9, 9)
    assert everything(data).unique().tolist() == [0, 64, 255]


def test_shown_channels_come_first() -> None:
    images = np.arange(6, dtype=np.uint8) * np.ones((30, 20, 20, 1), np.uint8)
    data = ArrayDataModule.from_arrays(images, show_channels=[4, 0, 2])
    assert data.table("train").images[0, :, 0, 0].tolist() == [4, 0, 2, 1, 3, 5]


def test_dsprites(tmp_path: Path) -> None:
    classes = np.array([(0, shape, 0, 0, x, y) for shape in range(3) for x in range(6) for y in range(6)])
    images = np.zeros((len(classes), 16, 16), np.uint8)
    for image, (*_, x, y) in zip(images, classes, strict=True):
        image[2 * y : 2 * y + 4, 2 * x : 2 * x + 4] = 1
    metadata = np.array({"author": "whoever"}, dtype=object)  # pickled, as in the file of its authors
    values = classes.astype(float)
    np.savez_compressed(
        tmp_path / "d.npz", imgs=images, latents_classes=classes, latents_values=values, metadata=metadata
    )
    data = ArrayDataModule(str(tmp_path))
    assert data.image_shape == (1, 16, 16)
    assert everything(data).unique().tolist() == [0, 255]
    table = data.table("train")
    assert list(table.columns) == ["color", "shape", "scale", "orientation", "posX", "posY"]
    for image, x, y in zip(table.images[:], table.columns["posX"], table.columns["posY"], strict=True):
        assert image[0].nonzero().min(0).values.tolist() == [2 * y, 2 * x]
    np.savez(tmp_path / "d.npz", imgs=images, latents_classes=classes[:, 1:4])
    assert list(ArrayDataModule(str(tmp_path)).table("test").columns) == ["factor_0", "factor_1", "factor_2"]


def test_medmnist(tmp_path: Path) -> None:
    arrays = {}
    for number, split in enumerate(SPLITS):
        arrays[f"{split}_images"] = PICTURES[number * 10 : number * 10 + 10]
        arrays[f"{split}_labels"] = np.arange(10, dtype=np.uint8)[:, None] % 3
    np.savez(tmp_path / "pathmnist.npz", **arrays, train_site=np.zeros(10))
    data = ArrayDataModule(str(tmp_path / "pathmnist.npz"))
    assert data.image_shape == (3, 20, 20)
    for number, split in enumerate(SPLITS):
        assert pixel_number(data.table(split).images) == list(range(number * 10, number * 10 + 10))
        assert data.table(split).columns.keys() == {"label"}  # not all parts have a site
        assert data.table(split).columns["label"].tolist() == [row % 3 for row in range(10)]


def test_npz_with_columns_and_given_groups(tmp_path: Path) -> None:
    patients = np.array([f"p{number // 3}" for number in range(40)])
    ages = np.linspace(0, 1, 40)
    np.savez(tmp_path / "a.npz", images=PICTURES, patient=patients, age=ages)
    data = ArrayDataModule(str(tmp_path / "a.npz"), grouping="given", group_column="patient", group_size=2)
    seen = [set(data.table(split).columns["patient"].tolist()) for split in SPLITS]
    assert sum(map(len, seen)) == 14
    batches = [batch["patient"] for batch in data.train_dataloader()]
    assert all(((batch == batch[:, :1]) | (batch < 0)).all() for batch in batches)
    assert {batch.shape[1] for batch in batches} <= {1, 2}
    assert data.table("train").columns["age"].dtype == torch.float64


def test_one_image_more_moves_no_other_if_it_has_a_name() -> None:
    files = [f"{number}.tif" for number in range(40)]

    def splits(order: list[int]) -> dict[str, str]:
        data = ArrayDataModule.from_arrays(PICTURES[order], {"file": [files[row] for row in order]})
        return {file: split for split in SPLITS for file in data.table(split).files}

    fewer = splits(list(range(39)))
    assert splits(list(range(40))[::-1]) == fewer | {"39.tif": splits(list(range(40)))["39.tif"]}


class Dataset(torch.utils.data.Dataset):
    """Map-style; ``classes`` and the kinds of items are as in torchvision and Hugging Face."""

    classes = ("cat", "dog")

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def __len__(self) -> int:
        return 40

    def __getitem__(self, index: int) -> object:
        image, label = Image.fromarray(PICTURES[index]), torch.tensor(index % 2)
        if self.kind == "tuple":
            return torch.from_numpy(PICTURES[index]).permute(2, 0, 1) / 255, index % 2
        if self.kind == "PIL":
            return image.resize((index + 1, 30)), label
        return {"img": image, "label": label, "site": "ab"[index % 2], "boxes": [1, 2]}


@pytest.mark.parametrize("kind", ["tuple", "PIL", "dict"])
def test_datasets(kind: str) -> None:
    data = ArrayDataModule.from_dataset(Dataset(kind), image_size=20)
    numbers = [pixel_number(data.table(split).images) for split in SPLITS]
    assert sorted(chain(*numbers)) == list(range(40))
    for split, own in zip(SPLITS, numbers, strict=True):
        assert data.table(split).columns["label"].tolist() == [number % 2 for number in own]
    assert data.names == {"label": ["cat", "dog"]} | ({"site": ["a", "b"]} if kind == "dict" else {})
    if kind == "PIL":
        with pytest.raises(DataError, match="differ in size or type; set image_size"):
            ArrayDataModule.from_dataset(Dataset(kind))


def test_sixteen_channels_of_16_bits_train(tmp_path: Path) -> None:
    np.save(tmp_path / "wells.npy", np.random.default_rng(0).integers(0, 65536, (60, 20, 20, 16), np.uint16))
    data = ArrayDataModule(str(tmp_path / "wells.npy"), image_size=16, group_size=4, groups_per_batch=4)
    model = UGVAE(data.image_shape, backbone="mlp", z_dim=2, beta_dim=2, num_components=2)
    trainer = quiet_trainer(max_epochs=1)
    trainer.fit(model, data)
    assert trainer.global_step == len(data.train_dataloader()) > 0
    assert all(parameter.isfinite().all() for parameter in model.parameters())


@pytest.mark.parametrize(
    ("images", "settings", "error", "message"),
    [
        (PICTURES / 100, {}, DataError, r"images: values from 0 to 2.55, expected 0 to 1 \(float64\)"),
        (PICTURES / 255 - 0.5, {}, DataError, "images: values from -0.5 to 0.5, expected 0 to 1"),
        (np.full((9, 20, 20), np.nan), {}, DataError, "images: values from nan to nan"),
        (PICTURES.astype(np.uint16), {"maximum": 100}, DataError, "images: values from 0 to 255, expected 0 to 100"),
        (PICTURES.astype(np.int64), {}, DataError, "images: images of type int64; expected uint8, uint16 or floats"),
        (np.zeros((9, 20, 20, 17), np.uint8), {}, DataError, "images: expected 1 to 16 channels, got shape"),
        (np.zeros((9, 20), np.uint8), {}, DataError, "images: expected images "),
        (np.zeros((9, 8, 8, 8), np.uint8), {}, ConfigError, "layout: the shape .* in two ways; set nhwc or nchw"),
        (np.zeros((9, 8, 8), np.uint8), {"layout": "nchw"}, ConfigError, "layout: nchw does not fit the shape"),
        (PICTURES, {"show_channels": [0, 1, 3]}, ConfigError, r"show_channels: expected three of the channels 0 to 2"),
        (PICTURES, {"layout": "chw"}, ConfigError, "layout: expected auto"),
        (PICTURES, {"maximum": 0.0}, ConfigError, "maximum: expected a number > 0"),
        (PICTURES[:2], {}, DataError, "2 images of images cannot be divided"),
    ],
)
def test_what_cannot_be_read_is_named(images: np.ndarray, settings: dict, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"^{message}"):
        ArrayDataModule.from_arrays(images, **settings).prepare_data()


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"age": [1, 2]}, r"column 'age' has shape \(2,\) for 40 images"),
        ({"age": [object()] * 40}, "column 'age' holds neither numbers nor text"),
        ({"split": ["train"] * 39 + ["b"]}, "images: 1 images have an unknown split: 'b'"),
    ],
)
def test_bad_columns_are_named(columns: dict, message: str) -> None:
    with pytest.raises(DataError, match=message):
        ArrayDataModule.from_arrays(PICTURES, columns).prepare_data()


def test_bad_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "text.npy").write_text("no array")
    np.save(tmp_path / "pickle.npy", np.array([{}] * 3), allow_pickle=True)
    np.savez(tmp_path / "other.npz", pictures=PICTURES)
    np.save(tmp_path / "good.npy", PICTURES)
    (tmp_path / "metadata.csv").write_text("plate\n1\n2\n")
    for name, message in {
        "nowhere": "Array: no file .npy or .npz, or more than one, under .*nowhere",
        "text.npy": "text.npy: cannot be read as a NumPy file",
        "pickle.npy": "pickle.npy: cannot be read as a NumPy file",
        "other.npz": "no array 'images' or 'train_images'; it has pictures",
        "good.npy": "metadata.csv: 2 rows for 40 images",
    }.items():
        with pytest.raises(DataError, match=message):
            ArrayDataModule(str(tmp_path / name)).prepare_data()
    with pytest.raises(ConfigError, match=r"^metadata: no such file: none.csv"):
        ArrayDataModule(str(tmp_path / "good.npy"), metadata="none.csv").prepare_data()
