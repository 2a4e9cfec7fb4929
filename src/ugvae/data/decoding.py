"""Decodes an image file to uint8 pixels of one size, by the same rules for every format.

Axes: C channels, H = W pixels.
"""

import struct
import zlib
from dataclasses import dataclass, replace
from io import BytesIO

import numpy as np
import torch
from PIL import Image, ImageChops, ImageOps, UnidentifiedImageError
from torch import Tensor
from torchvision.transforms.v2 import functional

from ugvae.errors import ConfigError, DataError

# formats that PIL may read, whatever the suffix is; one of the others starts a program (EPS: Ghostscript)
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "PPM", "TIFF", "WEBP")
IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif", ".ppm", ".pgm", ".tif", ".tiff", ".webp"})
MAX_PIXELS = 89_478_485  # PIL's threshold of a decompression bomb: a quarter of a gigabyte of RGB
DRAFT_MARGIN = 2  # a JPEG is decoded at a reduced scale if its sides are still this many times as long as needed
WHITE = 250  # of 255: the border of a rendering has at least this value, with the noise of JPEG
TRIM_MARGIN = 0.04  # share of the side that is left around the object
RESIZE_CHUNK = 4096  # images that are resized together, which bounds the memory of the float copy
BITS_PER_SAMPLE, PHOTOMETRIC, SAMPLE_FORMAT = 258, 262, 339  # tags of TIFF
GREY_STEPS = {"1": 255, "L;2": 85, "L;4": 17}  # step between two greys in PNGs of fewer than 8 bits
BROKEN = (  # errors that PIL raises on damaged files
    OSError, SyntaxError, ValueError, TypeError, AttributeError, LookupError, ArithmeticError, EOFError, MemoryError,
    RuntimeError, struct.error, zlib.error,
)  # fmt: skip


class CorruptFileError(DataError):
    """A file that can be read and is not a whole image; ``skip_corrupt`` leaves it out."""


@dataclass(frozen=True)
class Transform:
    """How an image is changed: EXIF rotation, transparent parts over white, colour, a cut, the size.

    Without a cut the whole image is squeezed to a square, as in the paper.

    Attributes:
        size: H = W of the result; reduced and enlarged by antialiased bilinear interpolation.
        channels: 3 (RGB) or 1 (grey, Rec. 601 luma).
        centre: side of a centre square as a fraction of the image's width; 0 keeps all.
        trim: cut the white border: keep the smallest centre square that contains all pixels that are not white.
    """

    size: int
    channels: int = 3
    centre: float = 0.0
    trim: bool = False


def decode_image(data: bytes, transform: Transform) -> np.ndarray:
    """Decodes the bytes of an image file to uint8 ``(1, C, H, W)``; of several frames the first is taken.

    Raises:
        CorruptFileError: no image, a truncated one, one of more than ``MAX_PIXELS``, or pixels of an unknown range.
    """
    try:
        with Image.open(BytesIO(data), formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise CorruptFileError(f"{image.width}×{image.height} pixels are more than {MAX_PIXELS:,}")
            if not transform.centre and not transform.trim:
                image.draft(None, (DRAFT_MARGIN * transform.size,) * 2)
            check_samples(image)
            scale_transparent_value(image)
            whole = to_mode(ImageOps.exif_transpose(image), transform.channels)
    except CorruptFileError:
        raise
    except Image.DecompressionBombError as error:
        raise CorruptFileError(f"more than {MAX_PIXELS:,} pixels") from error
    except UnidentifiedImageError as error:  # its message would name a buffer, not the file
        raise CorruptFileError("not a whole image (no known format)") from error
    except BROKEN as error:
        raise CorruptFileError(f"not a whole image ({error or type(error).__name__})") from error
    return fit(whole, transform)


def decode_framed(data: bytes, transform: Transform, margin: int) -> np.ndarray:
    """As ``decode_image``, with ``margin`` black pixels on every side, within the size of the transform."""
    images = decode_image(data, replace(transform, size=transform.size - 2 * margin))
    return np.pad(images, ((0, 0), (0, 0), (margin, margin), (margin, margin)))


def check_margin(margin: int, image_size: int) -> None:
    """Raises a ConfigError if black pixels on every side would leave no room for the image."""
    if not 0 <= 2 * margin < image_size:
        raise ConfigError(f"margin: expected 0 to {(image_size - 1) // 2}, got {margin}")


def decode_svg(data: bytes, transform: Transform) -> np.ndarray:
    """Draws an SVG in white on black: the brightness of a pixel is its opacity, whatever its colour.

    Args:
        data: the whole file.
        transform: of one channel.

    Returns:
        uint8 ``(1, 1, H, W)``.

    Raises:
        CorruptFileError: no SVG.
        DataError: there is no resvg-py.
    """
    try:
        from resvg_py import svg_to_bytes
    except ImportError as error:
        raise DataError("SVGs are drawn by resvg-py, which is missing; run: pip install resvg_py") from error
    try:
        png = svg_to_bytes(data.decode(), width=transform.size, height=transform.size, skip_system_fonts=True)
    except ValueError as error:
        raise CorruptFileError(f"not a whole SVG ({error})") from error
    return fit(Image.open(BytesIO(png)).getchannel("A"), transform)


def check_samples(image: Image.Image) -> None:
    """Checks that PIL reads the numbers of a TIFF correctly.

    Raises:
        CorruptFileError: signed, 12-bit or 32-bit numbers, or 16 bits with white at 0: PIL would give another image.
    """
    tags = getattr(image, "tag_v2", {})
    bits, kinds = set(tags.get(BITS_PER_SAMPLE, (8,))), set(tags.get(SAMPLE_FORMAT, (1,)))
    floating = image.mode == "F"  # `to_mode` refuses it with a message of its own
    white_is_zero = bits == {16} and tags.get(PHOTOMETRIC) == 0
    if not floating and (not bits <= {1, 2, 4, 8, 16} or 2 in kinds or white_is_zero):
        raise CorruptFileError(
            f"a TIFF of {'signed ' if 2 in kinds else ''}{max(bits)}-bit numbers{', white at 0' * white_is_zero}; "
            "save the image with 8 or 16 bits"
        )


def scale_transparent_value(image: Image.Image) -> None:
    """Scales the transparent value of a PNG as its pixels are scaled; PIL does not do so for all depths.

    Raises:
        CorruptFileError: a transparent colour of 16 bits, which 8 bits cannot distinguish from similar colours.
    """
    value = image.info.get("transparency")
    if image.format != "PNG" or not isinstance(value, int | tuple):
        return
    if isinstance(value, tuple) and max(value) > 255:
        raise CorruptFileError("a transparent colour of 16 bits; save the image with 8 bits or an alpha channel")
    if isinstance(value, int):
        image.info["transparency"] = value * GREY_STEPS.get(image.tile[0].args, 1)


def to_mode(image: Image.Image, channels: int) -> Image.Image:
    """The image in 8-bit RGB or grey, loaded.

    16 bits keep the upper 8. Transparent parts are laid over white. PIL converts palettes, CMYK and the rest.

    Raises:
        CorruptFileError: floating-point pixels, whose range is unknown.
    """
    if image.mode == "F":
        raise CorruptFileError("floating-point pixels; save the image with 8 or 16 bits")
    if image.mode.startswith("I"):  # 16 bits, for which PIL has several modes
        pixels = np.asarray(image).clip(0, 65535)
        transparent = pixels == image.info.get("transparency", -1)
        image = Image.fromarray((np.where(transparent, 65535, pixels) >> 8).astype(np.uint8))
    if "A" in image.getbands() or "a" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    mode = "RGB" if channels == 3 else "L"
    if image.mode == mode:
        image.load()
        return image
    return image.convert("RGB").convert(mode)  # through RGB: PIL does not convert every mode directly


def fit(image: Image.Image, transform: Transform) -> np.ndarray:
    """Cuts and resizes an RGB or grey image; returns uint8 ``(1, C, H, W)``."""
    if transform.centre:
        image = image.crop(centre_square(image.size, min(round(transform.centre * image.width), *image.size)))
    elif transform.trim:
        image = image.crop(trimmed(image))
    size = (transform.size, transform.size)
    if image.size != size:
        image = image.resize(size, Image.Resampling.BILINEAR)
    pixels = np.asarray(image)
    return pixels[None, None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)[None]


def resized(images: Tensor, size: int) -> Tensor:
    """uint8 images ``(N, C, H, W)`` at ``size`` × ``size`` pixels, by antialiased bilinear interpolation."""
    if images.shape[-2:] == (size, size):
        return images
    return torch.cat([functional.resize(chunk, [size, size], antialias=True) for chunk in images.split(RESIZE_CHUNK)])


def centre_square(size: tuple[int, int], side: int) -> tuple[int, int, int, int]:
    """(left, upper, right, lower) of the square of that side about the centre."""
    left, upper = (size[0] - side) // 2, (size[1] - side) // 2
    return left, upper, left + side, upper + side


def trimmed(image: Image.Image) -> tuple[int, int, int, int]:
    """The smallest centre square that contains all pixels that are not white, with a margin; a white image whole.

    The centre is that of the image, so that an object keeps its place relative to the camera.
    """
    drawn = ImageChops.invert(image.convert("L")).point(lambda value: 255 if value > 255 - WHITE else 0).getbbox()
    if drawn is None:
        return 0, 0, *image.size
    (width, height), (left, upper, right, lower) = image.size, drawn
    reach = max(abs(2 * left - width), abs(2 * right - width), abs(2 * upper - height), abs(2 * lower - height))
    return centre_square(image.size, min(round(reach * (1 + TRIM_MARGIN)), width, height))
