"""Renderings: what the names of 3D FACES, 3D Cars and 3D Chairs say, Reed's .mat files, and files that are damaged."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import savemat

from tests.data.cars3d import write_car_folders, write_cars3d
from tests.data.chairs3d import write_chairs3d
from tests.data.faces3d import write_faces3d, write_factors
from tests.data.pictures import NUM_COLOURS, pixel_number, save_picture
from ugvae.data.image_files import ImageFilesDataModule
from ugvae.datamodules import Cars3DDataModule, Chairs3DDataModule, Faces3DDataModule
from ugvae.errors import ConfigError, DataError


def make(cls: type[ImageFilesDataModule], root: Path, **settings) -> ImageFilesDataModule:
    return cls(str(root), **{"image_size": 16, "cache_workers": 1, **settings})


def rows(data: ImageFilesDataModule) -> list[dict[str, int]]:
    """All images of all splits: the picture's number and the columns."""
    all_rows = []
    for split in ("train", "val", "test"):
        table = data.table(split)
        columns = {"picture": pixel_number(table.images)} | {n: c.tolist() for n, c in table.columns.items()}
        all_rows += [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    return all_rows


# --------------------------------------------------------------------------------------------------------------- faces


def test_scans_of_the_basel_face_model(tmp_path: Path) -> None:
    write_faces3d(tmp_path, views=9)
    data = make(Faces3DDataModule, tmp_path)
    assert data.names["scan"][:4] == ["00001", "00002", "00014", "00017"]
    for row in rows(data):
        assert set(row) == {"picture", "scan", "view"}
        assert row["picture"] == row["scan"] * 9 + row["view"]
    assert [len(data.table(split)) for split in ("train", "val", "test")] == [72, 9, 9]  # whole scans


def test_factors_in_the_names(tmp_path: Path) -> None:
    write_factors(tmp_path)
    for row in rows(make(Faces3DDataModule, tmp_path)):
        scan, view = divmod(row.pop("picture"), 6)
        factors = {"azimuth": view, "elevation": 9 - view, "light": view % 3, "expression": view % 2}
        assert row == {"scan": scan, "view": view, **factors}


@pytest.mark.parametrize(
    "form", ["{scan}/{view}.png", "{scan}_{view}.png", "{scan}-v{view}.png", "faces/{scan}/{view}.jpg"]
)
def test_other_names(tmp_path: Path, form: str) -> None:
    for scan in range(4):
        for view in range(3):
            save_picture(tmp_path / form.format(scan="abcd"[scan], view=view), scan * 3 + view, 20)
    for row in rows(make(Faces3DDataModule, tmp_path)):
        assert divmod(row["picture"], 3) == (row["scan"], row["view"])


def test_pattern_of_the_user(tmp_path: Path) -> None:
    for number in range(12):
        save_picture(tmp_path / f"render{number % 3}_of_person{number // 3}_{'LR'[number % 2]}.png", number, 20)
    pattern = r"render(?P<pose>\d)_of_person(?P<scan>\d)_(?P<side>[LR])"
    data = make(Faces3DDataModule, tmp_path, pattern=pattern)
    for row in rows(data):
        assert (row["scan"], row["pose"], row["side"]) == (row["picture"] // 3, row["picture"] % 3, row["picture"] % 2)
    assert data.names == {"scan": ["0", "1", "2", "3"], "side": ["L", "R"]}
    save_picture(tmp_path / "stranger.png", 0, 20)
    with pytest.raises(DataError, match=r"stranger.png: .*does not fit this name"):
        make(Faces3DDataModule, tmp_path, pattern=pattern).prepare_data()


@pytest.mark.parametrize(
    ("pattern", "message"), [("(", "not a regular expression"), (r"(\d)", r"no group \(\?P<scan>")]
)
def test_bad_pattern(pattern: str, message: str) -> None:
    with pytest.raises(ConfigError, match=f"^pattern: .*{message}"):
        Faces3DDataModule(pattern=pattern)


def test_too_few_scans(tmp_path: Path) -> None:
    write_faces3d(tmp_path, num_scans=2, views=3)
    with pytest.raises(DataError, match=r"^2 scans under .* \(00001, 00002\) cannot be divided"):
        make(Faces3DDataModule, tmp_path).prepare_data()


# ---------------------------------------------------------------------------------------------------------------- cars


def test_views_in_the_mat_files(tmp_path: Path) -> None:
    write_cars3d(tmp_path, num_cars=3)
    data = make(Cars3DDataModule, tmp_path)
    assert data.names == {"car": ["car_001", "car_002", "car_003"]}
    for row in rows(data):
        assert row["picture"] == (row["car"] * 96 + row["azimuth"] * 4 + row["elevation"]) % NUM_COLOURS


def test_axes_of_the_mat_files(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (128, 128, 3, 24, 4), dtype=np.uint8)
    for car in range(3):
        savemat(tmp_path / f"car_{car}_mesh.mat", {"im": images})
    table = make(Cars3DDataModule, tmp_path, image_size=128).table("val")
    for row in (0, 5, 95):
        azimuth, elevation = (table.columns[name][row] for name in ("azimuth", "elevation"))
        want = torch.from_numpy(images[:, :, :, azimuth, elevation].copy()).permute(2, 0, 1)
        assert torch.equal(table.images[row], want)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"image": np.zeros(3)}, "no key 'im' in this MATLAB file"),
        ({"im": np.zeros((64, 64, 3, 24, 4), np.uint8)}, r"'im' has shape \(64, 64, 3, 24, 4\)"),
        ({"im": np.zeros((128, 128, 3, 96), np.uint8)}, r"'im' has shape \(128, 128, 3, 96\)"),
        ({"im": "text"}, "'im' has shape"),
        (b"\x89HDF", "not a whole MATLAB file"),
        (b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + bytes(400), "a MATLAB 7.3 file"),
        (b"", "not a whole MATLAB file"),
        ("cut", "not a whole MATLAB file"),
    ],
)
def test_damaged_mat_file(tmp_path: Path, content: dict | bytes | str, message: str) -> None:
    write_cars3d(tmp_path, num_cars=4)
    path = tmp_path / "data" / "cars" / "car_002_mesh.mat"
    if isinstance(content, dict):
        savemat(path, content)
    else:
        path.write_bytes(path.read_bytes()[:5000] if content == "cut" else content)
    with pytest.raises(DataError, match=f"^{path}: {message}"):
        make(Cars3DDataModule, tmp_path).prepare_data()
    with pytest.warns(UserWarning, match="1 corrupt files"):
        cars = {row["car"] for row in rows(make(Cars3DDataModule, tmp_path, skip_corrupt=True))} - {"picture"}
    assert cars == {0, 2, 3}


def test_folder_of_renderings(tmp_path: Path) -> None:
    write_car_folders(tmp_path)
    data = make(Cars3DDataModule, tmp_path)
    for row in rows(data):
        assert row["picture"] == row["car"] * 4 + row["view"]
    assert data.names["car"][3] == "model03"


# -------------------------------------------------------------------------------------------------------------- chairs


@pytest.mark.parametrize("above", [".", "rendered_chairs"])
def test_chairs(tmp_path: Path, above: str) -> None:
    write_chairs3d(tmp_path / above, num_chairs=4, views=4)
    data = make(Chairs3DDataModule, tmp_path)
    for row in rows(data):
        assert row["picture"] == row["chair"] * 4 + row["view"]
        assert (row["elevation"], row["azimuth"]) == ((20, 30)[row["view"] % 2], row["view"] // 2 * 12)
    assert data.names["chair"] == sorted(f"{chair * 7919:032x}" for chair in range(4))


def test_chairs_on_a_grid_as_jpeg(tmp_path: Path) -> None:
    for number in range(12):
        name = f"image_chair{number // 4:03d}_az{number % 4:02d}_el{number % 2}.jpg"
        save_picture(tmp_path / str(number // 4) / "renders" / name, number, 64)
    for row in rows(make(Chairs3DDataModule, tmp_path)):
        assert (row["chair"], row["azimuth"], row["elevation"]) == (*divmod(row["picture"], 4), row["picture"] % 2)


def test_chairs_with_other_names_have_no_angles(tmp_path: Path) -> None:
    for number in range(6):
        save_picture(tmp_path / f"chair{number // 2}" / "renders" / f"{number}.png", number, 32)
    assert all(row.keys() == {"picture", "chair", "view"} for row in rows(make(Chairs3DDataModule, tmp_path)))


def test_trim_cuts_the_white_border(tmp_path: Path) -> None:
    write_chairs3d(tmp_path, num_chairs=3, views=2)
    whole, trimmed = (make(Chairs3DDataModule, tmp_path, trim=trim).table("train").images for trim in (False, True))
    white = [(images == 255).all(1).float().mean().item() for images in (whole, trimmed)]
    assert white[0] > 0.6
    assert white[1] < 0.3
    assert pixel_number(whole) == pixel_number(trimmed)


def test_images_that_are_not_in_renders(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "image.png")
    with pytest.raises(DataError, match=r"3D Chairs: no images in folders <model>/renders under"):
        make(Chairs3DDataModule, tmp_path).prepare_data()
