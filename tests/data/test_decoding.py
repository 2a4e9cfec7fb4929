"""One image file to pixels: formats, colours, rotation, cuts, sizes, and files that are no image."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision.transforms.v2 import functional as transforms

from tests.data.image_folder import write_formats
from tests.data.pictures import colour
from ugvae.data import decoding
from ugvae.data.decoding import CorruptFileError, Transform, decode_image

GREY = round(np.dot(colour(7), [0.299, 0.587, 0.114]))
WANTED = {
    **{name: colour(7) for name in ("rgb.png", "rgb.bmp", "rgb.webp", "rgb.tiff", "RGB.JPG", "cmyk.jpg", "opaque.png")},
    **{name: colour(7) for name in ("palette.png", "palette.gif")},
    "transparent.png": (255, 255, 255),
    "grey_alpha.png": (255, 255, 255),
    "grey.png": (GREY, GREY, GREY),
    "grey16.png": (128, 128, 128),
}


def random_image(width: int, height: int) -> Image.Image:
    """Smooth colours, so that sizes can be compared after JPEG."""
    small = np.random.default_rng(0).integers(0, 256, (6, 5, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


def decode(path: Path, *settings, **more) -> np.ndarray:
    (image,) = decode_image(path.read_bytes(), Transform(*settings, **more))
    assert image.dtype == np.uint8
    return image


@pytest.mark.parametrize("name", sorted(WANTED))
@pytest.mark.parametrize("size", [32, 8])
def test_formats_and_modes(tmp_path: Path, name: str, size: int) -> None:
    image = decode(write_formats(tmp_path)[name], size)
    assert image.shape == (3, size, size)
    np.testing.assert_allclose(image.mean((1, 2)), WANTED[name], atol=3)
    assert image.std((1, 2)).max() < 3


@pytest.mark.parametrize(("name", "grey"), [("rgb.png", GREY), ("grey16.png", 128), ("transparent.png", 255)])
def test_one_channel(tmp_path: Path, name: str, grey: int) -> None:
    image = decode(write_formats(tmp_path)[name], 16, channels=1)
    assert image.shape == (1, 16, 16)
    assert abs(int(image[0, 8, 8]) - grey) <= 1


def test_black_and_white(tmp_path: Path) -> None:
    assert set(np.unique(decode(write_formats(tmp_path)["bits.png"], 32))) <= {0, 255}


@pytest.mark.parametrize("shape", [(178, 218), (64, 64), (30, 50)])
@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_whole_image_as_torchvision_resizes_it(tmp_path: Path, shape: tuple[int, int], suffix: str) -> None:
    path = tmp_path / f"image{suffix}"
    random_image(*shape).save(path)
    with Image.open(path) as image:
        want = np.asarray(transforms.resize(image.convert("RGB"), [64, 64])).transpose(2, 0, 1)
    assert np.array_equal(decode(path, 64), want)


def test_large_jpeg_by_way_of_a_reduced_scale(tmp_path: Path) -> None:
    path = tmp_path / "image.jpg"
    random_image(1200, 900).save(path, quality=95)
    with Image.open(path) as image:
        want = np.asarray(image.resize((64, 64), Image.Resampling.BILINEAR)).transpose(2, 0, 1).astype(int)
    assert np.abs(decode(path, 64) - want).mean() < 1


@pytest.mark.parametrize(("shape", "side"), [((178, 218), 148), ((64, 64), 53), ((200, 100), 100)])
def test_centre_square(tmp_path: Path, shape: tuple[int, int], side: int) -> None:
    image = random_image(*shape)
    image.save(tmp_path / "image.png")
    left, upper = (shape[0] - side) // 2, (shape[1] - side) // 2
    want = np.asarray(image)[upper : upper + side, left : left + side].transpose(2, 0, 1)
    assert np.array_equal(decode(tmp_path / "image.png", side, centre=148 / 178), want)


def test_trim_keeps_the_centre_square_around_what_is_drawn(tmp_path: Path) -> None:
    image = Image.new("RGB", (600, 600), "white")
    image.paste((200, 30, 30), (200, 250, 400, 500))  # reaches 200 pixels from the centre
    image.save(tmp_path / "image.png")
    side = round(400 * 1.04)
    want = np.asarray(image)[300 - side // 2 : 300 + side // 2, 300 - side // 2 : 300 + side // 2].transpose(2, 0, 1)
    assert np.array_equal(decode(tmp_path / "image.png", side, trim=True), want)


@pytest.mark.parametrize("box", [None, (0, 0, 600, 600), (590, 0, 600, 10)])
def test_trim_leaves_a_white_or_a_full_image_whole(tmp_path: Path, box: tuple | None) -> None:
    image = Image.new("RGB", (600, 600), "white")
    if box:
        image.paste("black", box)
    image.save(tmp_path / "image.png")
    assert np.array_equal(decode(tmp_path / "image.png", 64, trim=True), decode(tmp_path / "image.png", 64))


@pytest.mark.parametrize("name", ["RGB.JPG", "rgb.png", "palette.gif", "rgb.webp", "rgb.bmp", "rgb.tiff"])
@pytest.mark.parametrize("kept", [0.0, 0.3, 0.7])
def test_truncated_file_is_corrupt(tmp_path: Path, name: str, kept: float) -> None:
    path = write_formats(tmp_path, size=64)[name]
    if name == "RGB.JPG":
        random_image(64, 64).save(path)
    data = path.read_bytes()
    with pytest.raises(CorruptFileError, match="not a whole image"):
        decode_image(data[: int(kept * len(data))], Transform(32))


@pytest.mark.parametrize("data", [b"<html>404</html>", b"\xff\xd8\xff\xe0" + b"\0" * 200])
def test_other_content_is_corrupt(data: bytes) -> None:
    with pytest.raises(CorruptFileError, match="not a whole image"):
        decode_image(data, Transform(32))


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("limit", [2_999, 1_000])  # of PIL: it warns, or refuses itself
def test_decompression_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    random_image(60, 50).save(tmp_path / "image.png")
    monkeypatch.setattr(decoding, "MAX_PIXELS", 2_999)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    with pytest.raises(CorruptFileError, match="more than 2,999"):
        decode(tmp_path / "image.png", 32)
