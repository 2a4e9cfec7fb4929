"""CelebA: attributes, the official partition, the crop, and text files that do not fit the images."""

from pathlib import Path

import pytest
from PIL import Image

from tests.data.celeba import NAMES, attribute, write_celeba
from tests.data.pictures import pixel_number
from ugvae.datamodules import CelebADataModule
from ugvae.datamodules.celeba import ATTRIBUTES, IMAGES, PARTITION
from ugvae.errors import DataError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_celeba(tmp_path, num_images=30)
    return tmp_path


def make(root: Path, **settings) -> CelebADataModule:
    return CelebADataModule(str(root), **{"image_size": 16, "cache_workers": 1, **settings})


def test_splits_and_attributes_are_the_official_ones(root: Path) -> None:
    data = make(root)
    for split, remainders in {"train": range(1, 9), "val": [9], "test": [0]}.items():
        table = data.table(split)
        numbers = pixel_number(table.images)
        assert numbers == [number for number in range(1, 31) if number % 10 in remainders]
        assert list(table.columns) == NAMES
        for column, name in enumerate(NAMES):
            assert table.columns[name].tolist() == [attribute(number, column) for number in numbers]


def test_no_other_file_is_needed_or_read(root: Path) -> None:
    (root / "identity_CelebA.txt").write_text("nonsense")
    (root / IMAGES / "readme.txt").write_text("nonsense")
    (root / IMAGES / "._000001.jpg").write_text("nonsense")
    assert len(make(root).table("train")) == 24


def test_crop_is_the_centre_square_and_has_its_own_cache(root: Path) -> None:
    path = root / IMAGES / "000001.jpg"
    framed = Image.new("RGB", (178, 218), "black")
    framed.paste("white", (15, 35, 163, 183))  # the 148×148 in the middle
    framed.save(path, quality=95, subsampling=0)
    whole, cropped = (make(root, crop=crop).table("train").images[0] for crop in (False, True))
    assert whole[:, 0, 0].max() < 20
    assert cropped.min() > 235
    assert len(list((root / ".cache").iterdir())) == 2


def test_wrong_folder_shows_what_is_there(root: Path) -> None:
    with pytest.raises(DataError, match=r"no list_attr_celeba.txt and no list_eval_partition.txt under .*/img_align"):
        make(root / IMAGES).prepare_data()
    for path in (root / IMAGES).iterdir():
        path.unlink()
    with pytest.raises(DataError, match=r"no img_align_celeba/\*\.jpg"):
        make(root).prepare_data()


@pytest.mark.parametrize("file", [ATTRIBUTES, PARTITION])
def test_images_and_rows_that_disagree_are_named_and_counted(root: Path, file: str) -> None:
    (root / IMAGES / "000007.jpg").unlink()
    (root / IMAGES / "000009.jpg").rename(root / IMAGES / "000031.jpg")
    if file == PARTITION:
        lines = (root / ATTRIBUTES).read_text().splitlines()
        kept = [line.replace("000009", "000031") for line in lines if not line.startswith("000007")]
        (root / ATTRIBUTES).write_text("\n".join(["29", *kept[1:]]))
    with pytest.raises(DataError) as caught:
        make(root).prepare_data()
    for part in [
        f"{root / file}: 30 rows and 29 images",
        "2 rows without an image: 000007.jpg, 000009.jpg",
        "1 images without a row: 000031.jpg",
    ]:
        assert part in str(caught.value)


def test_long_lists_of_names_are_cut_short(root: Path) -> None:
    for number in range(1, 9):
        (root / IMAGES / f"{number:06d}.jpg").unlink()
    with pytest.raises(DataError, match=r"8 rows without an image: 000001.jpg, .*, 000005.jpg and 3 more\."):
        make(root).prepare_data()


@pytest.mark.parametrize(
    ("file", "line", "content", "message"),
    [
        (ATTRIBUTES, 0, "31", "30 rows, and line 1 is not their number but '31'"),
        (ATTRIBUTES, 0, "Male Young", "30 rows, and line 1 is not their number but 'Male Young'"),
        (ATTRIBUTES, 2, "000001.jpg 1 -1", "the row of 000001.jpg does not have 40 values of -1 or 1"),
        (ATTRIBUTES, 2, "000001.jpg" + " 0" * 40, "the row of 000001.jpg does not have 40 values"),
        (PARTITION, 0, "000001.jpg 3", "the row of 000001.jpg does not have 1 values of 0 or 1 or 2"),
        (PARTITION, 0, "000001.jpg", "the row of 000001.jpg does not have 1 values of 0 or 1 or 2"),
        (ATTRIBUTES, 0, "nothing", "line 2 does not name each attribute once"),
        (PARTITION, 0, "nothing", "0 rows and 30 images"),
    ],
)
def test_text_in_another_format(root: Path, file: str, line: int, content: str, message: str) -> None:
    lines = (root / file).read_text().splitlines()
    lines[line] = content
    (root / file).write_text("\n".join(lines) * (content != "nothing"))
    with pytest.raises(DataError, match=f"^{root / file}: {message}"):
        make(root).prepare_data()
