"""Image files that are damaged, odd or hostile: refused by name, or read as they are meant."""

import io
import struct
import tempfile
import zlib
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.data.image_folder import write_formats
from tests.helpers.bad_input import attempt, damaged
from ugvae.data.decoding import IMAGE_SUFFIXES, CorruptFileError, Transform, decode_image

SIZE = 8
pytestmark = [pytest.mark.filterwarnings("ignore::UserWarning"), pytest.mark.filterwarnings("ignore::RuntimeWarning")]


@cache
def whole_files() -> dict[str, bytes]:
    """Files of all formats, animated, progressive and compressed ones among them."""
    with tempfile.TemporaryDirectory() as folder:
        files = {name: path.read_bytes() for name, path in write_formats(Path(folder), size=24).items()}
    for name, options in {"gif": {}, "webp": {"lossless": True}, "png": {}}.items():
        files[f"animated.{name}"] = encode(noise(), name, save_all=True, append_images=[noise(1)], **options)
    files["progressive.jpg"] = encode(noise(), "jpeg", progressive=True)
    files["lzw.tiff"] = encode(noise(), "tiff", compression="tiff_lzw")
    files["picture.ppm"] = encode(noise(), "ppm")
    return files


def noise(seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (24, 20, 3), dtype=np.uint8))


def encode(image: Image.Image, name: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, name, **options)
    return buffer.getvalue()


def decoded(data: bytes, channels: int = 3, size: int = SIZE) -> np.ndarray | None:
    """The image, or None if the file was refused."""
    images = attempt("image files", lambda: decode_image(data, Transform(size, channels)))
    if images is None:
        return None
    assert images.shape == (1, channels, size, size)
    assert images.dtype == np.uint8
    return images[0]


@given(data=st.data(), name=st.sampled_from(sorted(whole_files())), channels=st.sampled_from([1, 3]))
def test_damaged_files(data: st.DataObject, name: str, channels: int) -> None:
    decoded(data.draw(damaged(whole_files()[name])), channels)


@given(
    st.binary(max_size=200), st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"II*\0", b"P6"])
)
def test_noise_after_the_first_bytes_of_a_format(content: bytes, magic: bytes) -> None:
    decoded(magic + content)


@pytest.mark.parametrize("name", ["gif", "webp", "png"])
def test_first_frame_of_an_animation(name: str) -> None:
    shown = decoded(whole_files()[f"animated.{name}"]).astype(int)
    first, second = (decode_image(encode(noise(seed), "png"), Transform(SIZE))[0] for seed in (0, 1))
    assert np.abs(shown - first).mean() < 8  # a GIF has few colours
    assert np.abs(shown - second).mean() > 12


@given(st.sampled_from(["jpeg", "png", "webp", "tiff"]), st.integers(1, 8))
def test_every_exif_orientation(name: str, orientation: int) -> None:
    """A white and a grey quarter, which end up where the tag says."""
    shown = np.zeros((32, 32), np.uint8)
    shown[:16, :16], shown[:16, 16:] = 255, 128
    turns = [lambda a: a, np.fliplr, lambda a: np.rot90(a, 2), np.flipud, np.transpose]
    turns += [lambda a: np.rot90(a, 1), lambda a: np.rot90(np.transpose(a), 2), lambda a: np.rot90(a, -1)]
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(turns[orientation - 1](shown))).convert("RGB")
    image = decoded(encode(stored, name, exif=exif))
    np.testing.assert_allclose(image[0][1::5, 1::5], shown[4::24, 4::24], atol=12)


# ------------------------------------------------------------------------------------------------- numbers that mislead


def png(depth: int, colour: int, row: bytes, transparent: bytes = b"", width: int = 4, height: int = 4) -> bytes:
    """A PNG whose rows are all alike, with a transparent value if there is one."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    key = chunk(b"tRNS", transparent) if transparent else b""
    pixels = chunk(b"IDAT", zlib.compress((b"\0" + row) * min(height, 4)))
    return b"\x89PNG\r\n\x1a\n" + header + key + pixels + chunk(b"IEND", b"")


def tiff(bits: int, pixels: bytes, kind: int = 1, photometric: int = 1, order: str = "<") -> bytes:
    """A grey 4×4 TIFF; ``kind``: 1 unsigned, 2 signed, 3 floating point."""
    tags = {256: 4, 257: 4, 258: bits, 259: 1, 262: photometric, 273: 0, 277: 1, 278: 4, 279: len(pixels), 339: kind}
    tags[273] = 14 + 12 * len(tags)
    entries = b"".join(struct.pack(f"{order}HHIHH", tag, 3, 1, value, 0) for tag, value in tags.items())  # shorts
    magic = b"II*\0" if order == "<" else b"MM\0*"
    return magic + struct.pack(f"{order}IH", 8, len(tags)) + entries + struct.pack(f"{order}I", 0) + pixels


@given(st.integers(0, 65535), st.sampled_from(["png", "tiff", "big-endian tiff", "ppm"]))
def test_16_bits_are_scaled(value: int, name: str) -> None:
    pixels = np.full((4, 4), value, np.uint16)
    if name == "big-endian tiff":
        image = decoded(tiff(16, pixels.astype(">u2").tobytes(), order=">"))
    else:
        image = decoded(encode(Image.fromarray(pixels), name))
    assert (image == value >> 8).all()


@given(st.integers(0, 65535), st.integers(0, 65535))
def test_transparent_value_of_16_bits(value: int, transparent: int) -> None:
    image = decoded(png(16, 0, struct.pack(">H", value) * 4, struct.pack(">H", transparent)))
    assert (image == (255 if value == transparent else value >> 8)).all()


@given(st.sampled_from([1, 2, 4, 8]), st.data())
def test_transparent_value_of_few_bits(depth: int, data: st.DataObject) -> None:
    value, transparent = (data.draw(st.integers(0, 2**depth - 1)) for _ in range(2))
    packed = sum(value << depth * place for place in range(8 // depth))
    image = decoded(png(depth, 0, bytes([packed]) * -(-4 * depth // 8), struct.pack(">H", transparent)))
    assert (image == (255 if value == transparent else value * 255 // (2**depth - 1))).all()


@pytest.mark.parametrize(
    "data",
    {
        "signed 16": tiff(16, np.full(16, -5, "<i2").tobytes(), kind=2),
        "signed 8": tiff(8, b"\x90" * 16, kind=2),
        "32": tiff(32, np.full(16, 0x80000000, "<u4").tobytes()),
        "signed 32": tiff(32, np.full(16, 200, "<i4").tobytes(), kind=2),
        "12": tiff(12, b"\x80\x08\x00" * 8),
        "white at 0": tiff(16, np.full(16, 0x2000, "<u2").tobytes(), photometric=0),
        "float": tiff(32, np.full(16, 0.5, "<f4").tobytes(), kind=3),
        "double": tiff(64, np.full(16, 0.5, "<f8").tobytes(), kind=3),
        "transparent colour of 16 bits": png(16, 2, struct.pack(">3H", 0x8040, 0x4080, 0x2010) * 4, b"\x80\x40" * 3),
    }.items(),
    ids=lambda item: item[0],
)
def test_numbers_without_a_stated_range_are_refused(data: tuple[str, bytes]) -> None:
    with pytest.raises(CorruptFileError, match=r"16 bits|floating-point|not a whole image"):  # and what to save instead
        decode_image(data[1], Transform(SIZE))


# ------------------------------------------------------------------------------------------------------------- hostile


@pytest.mark.parametrize("size", [(60_000, 60_000), (1, 2**31 - 1), (2**31 - 1, 1), (9_460, 9_460)])
def test_huge_dimensions_in_the_header(size: tuple[int, int]) -> None:
    assert decoded(png(8, 0, b"\0" * 4, width=size[0], height=size[1])) is None


@pytest.mark.parametrize("suffix", sorted(IMAGE_SUFFIXES))
def test_postscript_under_another_name_starts_no_program(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def started(*_: object, **__: object) -> None:
        raise AssertionError("a program was started")

    monkeypatch.setattr("subprocess.Popen", started)
    monkeypatch.setattr("subprocess.check_call", started)
    path = tmp_path / f"picture{suffix}"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n")
    assert decoded(path.read_bytes()) is None


@pytest.mark.parametrize("name", ["bmp", "tga", "pcx", "ico", "sgi", "im", "jpeg2000", "dds"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_only_the_known_formats_are_read(name: str) -> None:
    try:
        data = encode(noise(), name)
    except (KeyError, OSError) as error:
        pytest.skip(f"this PIL cannot write it: {error}")
    assert (decoded(data) is None) == (name != "bmp")


def test_bomb_of_text_in_a_png() -> None:
    whole = png(8, 0, b"\x40" * 4)
    text = b"zTXtcomment\0\0" + zlib.compress(b"a" * 2**27, 9)
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    assert decoded(whole[:33] + chunk + whole[33:]) is None
