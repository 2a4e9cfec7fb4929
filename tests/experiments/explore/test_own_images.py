"""Images of one's own in the explorer: what can be read, and what is refused by name."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.helpers.small_models import make
from tests.helpers.tiny_runs import write_run
from ugvae.errors import ConfigError, DataError
from ugvae.experiments.explore.app import page
from ugvae.experiments.explore.group import MOST_FILES, group
from ugvae.experiments.explore.source import Explored, load
from ugvae.models import UGVAE


def write_images(folder: Path, count: int, size: tuple[int, int] = (9, 11)) -> list[str]:
    paths = [folder / f"own_{number}.png" for number in range(count)]
    for number, path in enumerate(paths):
        Image.new("L", size, 10 * number).save(path)
    return list(map(str, paths))


def test_images_of_ones_own(explored: Explored, tmp_path: Path) -> None:
    files = write_images(tmp_path, 3)
    picture = group(explored, files=files)
    greys = sorted(picture.images.flatten(0, 1).mean((1, 2, 3)).tolist())
    assert greys == pytest.approx([0, 10 / 255, 20 / 255])
    one = group(explored, files=files[:1])
    assert one.images.shape == (1, 1, 1, 8, 8)
    assert one.rows == ["100.0% to 100.0%"]


def test_a_huge_image_is_made_small(explored: Explored, tmp_path: Path) -> None:
    assert group(explored, files=write_images(tmp_path, 1, (6000, 4000))).images.shape[2:] == (1, 8, 8)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("notes.txt", b"no image at all", "notes.txt: not a whole image"),
        ("cut.png", b"\x89PNG\r\n\x1a\n\0\0", "cut.png: not a whole image"),
        ("empty.jpg", b"", "empty.jpg: not a whole image"),
    ],
)
def test_files_that_are_no_images(explored: Explored, tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=re.escape(message)):
        group(explored, files=[*write_images(tmp_path, 1), str(tmp_path / name)])


def test_a_file_too_large_to_be_read(explored: Explored, tmp_path: Path) -> None:
    with (tmp_path / "large.tif").open("wb") as file:
        file.truncate(65 * 2**20)
    with pytest.raises(DataError, match=r"large\.tif: 65 MB are more than 64 MB"):
        group(explored, files=[str(tmp_path / "large.tif")])


def test_too_many_files_and_files_that_are_gone(explored: Explored, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"files: 5,000 are too many; choose up to 1,000"):
        group(explored, files=[str(tmp_path / "a.png")] * (5 * MOST_FILES))
    with pytest.raises(DataError, match=r"a\.png: cannot be read"):
        group(explored, files=[str(tmp_path / "a.png")])


def test_images_of_sixteen_channels(tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", np.random.default_rng(0).integers(0, 256, (200, 8, 8, 16), np.uint8))
    data = {
        "class_path": "ugvae.datamodules.ArrayDataModule",
        "init_args": {"root": str(tmp_path), "image_size": 8, "group_size": 4},
    }
    explored = load(write_run(tmp_path / "run", make(UGVAE, (16, 8, 8), double=False), data))
    config = json.dumps(page(explored).get_config_file(), default=str)
    assert config.count("data:image/png") == 4
    with pytest.raises(ConfigError, match="files: the model has images of 16×8×8, which no image file holds"):
        group(explored, files=write_images(tmp_path, 1))
