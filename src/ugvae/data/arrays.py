"""Arrays of images as users have them, in NumPy files, tensors and datasets: their layout, range and columns.

Axes: N images, C channels, H and W pixels.
"""

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from ugvae.data.decoding import RESIZE_CHUNK, Transform, fit, resized, to_mode
from ugvae.data.metadata import coded
from ugvae.errors import ConfigError, DataError

MAX_CHANNELS = 16
Layout = Literal["auto", "nhw", "nhwc", "nchw"]
WHITE = {"b": 1.0, "u1": 255.0, "u2": 65535.0, "f": 1.0}  # the largest value by the type of an array
IMAGE_KEYS = ("image", "img", "pixel_values")


def layout_of(shape: Sequence[int], layout: Layout, where: str) -> Layout:
    """How an array of images is laid out; ``auto`` finds it.

    Three axes are grey images. Of four axes the channels are the second or the last, whichever has at most 16 entries;
    if both have, H and W are the two that are equal.

    Raises:
        ConfigError: both are possible, or ``layout`` does not fit.
        DataError: no images, or not 1 to 16 channels.
    """
    if len(shape) not in (3, 4) or 0 in shape:
        raise DataError(f"{where}: expected images (N, H, W), (N, H, W, C) or (N, C, H, W), got shape {tuple(shape)}")
    if layout != "auto" and len(layout) != len(shape):
        raise ConfigError(f"layout: {layout} does not fit the shape {tuple(shape)} of {where}")
    if len(shape) == 3:
        return "nhw"
    possible = [name for name, axis in (("nhwc", 3), ("nchw", 1)) if shape[axis] <= MAX_CHANNELS]
    if not possible or layout not in ("auto", *possible):
        raise DataError(f"{where}: expected 1 to {MAX_CHANNELS} channels, got shape {tuple(shape)}")
    if layout != "auto":
        return layout
    if len(possible) == 2:
        square = {"nhwc": shape[1] == shape[2], "nchw": shape[2] == shape[3]}
        possible = [name for name in possible if square[name]]
    if len(possible) != 1:
        raise ConfigError(f"layout: the shape {tuple(shape)} of {where} can be read in two ways; set nhwc or nchw")
    return possible[0]


def channels_first(images: np.ndarray, layout: Layout) -> np.ndarray:
    """A view ``(N, C, H, W)`` of images of a known layout."""
    if layout == "nhw":
        return images[:, None]
    return images.transpose(0, 3, 1, 2) if layout == "nhwc" else images


def to_bytes(images: np.ndarray, size: int, maximum: float | None, where: str) -> Tensor:
    """Images ``(N, C, H, W)`` of any type as uint8 of ``size``; what need not change is not copied.

    A value v becomes ``round(255 v / maximum)``.

    Args:
        images: numbers.
        size: H = W of the result.
        maximum: the value that becomes 255; by default 255 for uint8, 65,535 for uint16, and 1 for floats.
        where: what the images are, for messages.

    Raises:
        DataError: values outside 0 to ``maximum``, with the range found; a type that needs a ``maximum``.
    """
    kind = images.dtype.kind
    white = WHITE.get(kind, WHITE.get(f"{kind}{images.dtype.itemsize}")) if maximum is None else float(maximum)
    if kind not in "buif" or white is None:
        raise DataError(
            f"{where}: images of type {images.dtype}; expected uint8, uint16 or floats, or set data.maximum"
        )
    if images.dtype == np.uint8 and white == 255:
        return resized(torch.from_numpy(images), size)
    parts = []
    for start in range(0, len(images), RESIZE_CHUNK):
        part = images[start : start + RESIZE_CHUNK].astype(np.float32)
        low, high = float(part.min()), float(part.max())
        if not (low >= 0 and high <= white):  # NaN too
            raise DataError(f"{where}: values from {low:.6g} to {high:.6g}, expected 0 to {white:.6g} ({images.dtype})")
        parts.append(resized(torch.from_numpy((part * (255 / white)).round().astype(np.uint8)), size))
    return torch.cat(parts)


def column_of(values: Any, name: str, count: int) -> dict[str, tuple[np.ndarray, list[str] | None]]:
    """Columns from an array, list or tensor of ``count`` values: numbers, and names of text; see ``coded``.

    ``(N, 1)`` is one column, ``(N, k)`` are k columns ``name_0``, ….

    Raises:
        DataError: another length, or values that are neither numbers nor text.
    """
    values = values.cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)
    if len(values.shape) not in (1, 2) or len(values) != count:
        raise DataError(f"column {name!r} has shape {values.shape} for {count} images")
    if values.ndim == 2:
        parts = values.T if values.shape[1] > 1 else [values[:, 0]]
        names = [f"{name}_{number}" if len(parts) > 1 else name for number in range(len(parts))]
        return {key: column_of(part, key, count)[key] for key, part in zip(names, parts, strict=True)}
    if values.dtype.kind == "U":
        return {name: coded(values.tolist())}
    if values.dtype.kind not in "buif":
        raise DataError(f"column {name!r} holds neither numbers nor text ({values.dtype})")
    whole = values.dtype.kind in "bui" and values.min(initial=0) >= -1
    return {name: (values.astype(np.int64 if whole else np.float64), None)}


def load_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an ``.npz``; or that of an ``.npy``, memory-mapped, as ``images``. Nothing is unpickled.

    Raises:
        DataError: the file cannot be read.
    """
    try:
        if path.suffix.lower() == ".npy":
            return {"images": np.load(path, mmap_mode="c", allow_pickle=False)}  # writing would not change the file
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: cannot be read as a NumPy file ({error})") from error


def shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """The shapes of the arrays in a NumPy file, without their values; nothing if it cannot be read."""
    try:
        if path.suffix.lower() == ".npy":
            return {"images": np.load(path, mmap_mode="r", allow_pickle=False).shape}
        with zipfile.ZipFile(path) as archive:
            shape_of = {}
            for member in archive.namelist():
                with archive.open(member) as file:
                    version = np.lib.format.read_magic(file)
                    read = (
                        np.lib.format.read_array_header_1_0
                        if version == (1, 0)
                        else np.lib.format.read_array_header_2_0
                    )
                    shape_of[member.removesuffix(".npy")] = read(file)[0]
            return shape_of
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return {}


def read_dataset(dataset: Any, size: int | None) -> tuple[np.ndarray, dict[str, Sequence], dict[str, list[str]]]:
    """Images, columns and names of classes of a map-style dataset, read once.

    Items are ``(image, label)``, or dicts with the image under ``image``, ``img`` or ``pixel_values``. Images are of
    PIL, arrays or tensors. Entries of a dict that are neither a number nor text are left out.

    Raises:
        DataError: other items, or images of different sizes where ``size`` is None.
    """
    images, rows = [], []
    for number in tqdm(range(len(dataset)), desc="reading the dataset", unit=" images", disable=None):
        item = dataset[number]
        if isinstance(item, dict):
            key = next((name for name in IMAGE_KEYS if name in item), None)
            values = {name: value for name, value in item.items() if name != key and _is_value(value)}
        elif isinstance(item, tuple | list) and len(item) == 2:
            key, values = 0, {"label": item[1]} if _is_value(item[1]) else {}
        else:
            key, values = None, {}
        if key is None:
            raise DataError(f"item {number} of the dataset is neither (image, label) nor a dict with an image")
        images.append(_pixels(item[key], size))
        rows.append(values)
    if len({(image.shape, image.dtype) for image in images}) != 1:
        raise DataError("the images of the dataset differ in size or type; set image_size, or make them alike")
    shared = [name for name in rows[0] if all(name in row for row in rows)]
    features = getattr(dataset, "features", None) or {}
    names = {name: list(features[name].names) for name in shared if hasattr(features.get(name), "names")}
    if "label" in shared and "label" not in names and hasattr(dataset, "classes"):
        names["label"] = list(map(str, dataset.classes))
    return np.stack(images), {name: [_plain(row[name]) for row in rows] for name in shared}, names


def _is_value(value: Any) -> bool:
    return isinstance(value, bool | int | float | str | np.generic) or (
        isinstance(value, Tensor) and value.numel() == 1
    )


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, Tensor | np.generic) else value


def _pixels(image: Any, size: int | None) -> np.ndarray:
    """An image as an array; one of PIL in 8-bit grey or RGB, and in ``size``."""
    if isinstance(image, Image.Image):
        channels = 1 if image.mode in ("1", "L", "I;16", "I") else 3
        image = to_mode(image, channels)
        return np.asarray(image) if size is None else fit(image, Transform(size, channels))[0]
    return image.cpu().numpy() if isinstance(image, Tensor) else np.asarray(image)
