"""Arrays of images as users have them, in NumPy files, tensors and datasets: their layout, range and columns.

Axes: N images, C channels, H and W pixels.
"""

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from ugvae.data.decoding import RESIZE_CHUNK, Transform, fit, resized, to_mode
from ugvae.data.metadata import coded
from ugvae.data.table import SPLITS
from ugvae.errors import ConfigError, DataError

MAX_CHANNELS = 16
Layout = Literal["auto", "nhw", "nhwc", "nchw"]
WHITE = {"b": 1.0, "u1": 255.0, "u2": 65535.0, "f": 1.0}  # the largest value by the type of an array
IMAGE_KEYS = ("image", "img", "pixel_values")
FACTORS = ("color", "shape", "scale", "orientation", "posX", "posY")  # the columns of ``latents_classes`` of dSprites


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


def to_bytes(images: np.ndarray, size: int, maximum: float | None, where: str) -> Tensor:
    """Images ``(N, C, H, W)`` of any type as uint8 of ``size``; what need not change is not copied.

    A value v becomes ``round(255 v / maximum)``; by default the maximum is 255 for uint8, 65,535 for uint16, and 1 for
    floats.

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


def prepared(
    images: np.ndarray,
    layout: Layout,
    shape: tuple[int, int, int],
    first: Sequence[int] | None,
    maximum: float | None,
    where: str,
) -> Tensor:
    """Images of any layout and type as uint8 ``(N, C, H, W)`` of ``shape (C, H, W)``, the ``first`` channels first.

    Raises:
        ConfigError: see ``layout_of``.
        DataError: see ``layout_of`` and ``to_bytes``; or another number of channels.
    """
    layout = layout_of(images.shape, layout, where)
    images = images[..., None] if layout == "nhw" else images
    images = images if layout == "nchw" else images.transpose(0, 3, 1, 2)
    if images.shape[1] != shape[0]:
        raise DataError(f"{where}: images of {images.shape[1]} channels, expected {shape[0]}")
    if first is not None and [*first] != [0, 1, 2]:
        images = images[:, [*first, *(channel for channel in range(shape[0]) if channel not in first)]]
    return to_bytes(images, shape[1], maximum, where)


def columns_of(values: Mapping[str, Any], count: int) -> tuple[dict[str, Tensor], dict[str, list[str]]]:
    """Columns ``(N,)`` from arrays, lists or tensors of ``count`` values; text as numbers and names, see ``coded``.

    ``(N, 1)`` is one column, ``(N, k)`` are k columns ``name_0``, ….

    Raises:
        DataError: another length, or values that are neither numbers nor text.
    """
    columns, names = {}, {}
    for name, column in values.items():
        column = column.cpu().numpy() if isinstance(column, Tensor) else np.asarray(column)
        if column.ndim not in (1, 2) or len(column) != count or not column.size:
            raise DataError(f"column {name!r} has shape {column.shape} for {count} images")
        parts = column.reshape(count, -1).T
        for number, part in enumerate(parts):
            key = f"{name}_{number}" if len(parts) > 1 else name
            if part.dtype.kind == "U":
                numbers, value_names = coded(part.tolist())
                if value_names is not None:
                    names[key] = value_names
            elif part.dtype.kind in "buif":
                whole = part.dtype.kind != "f" and part.min(initial=0) >= -1
                numbers = part.astype(np.int64 if whole else np.float64)
            else:
                raise DataError(f"column {key!r} holds neither numbers nor text ({part.dtype})")
            columns[key] = torch.from_numpy(numbers)
    return columns, names


def load_arrays(path: Path) -> dict[str, np.ndarray]:
    """The ``images`` and columns of a NumPy file; an ``.npy`` stays memory-mapped. Nothing is unpickled.

    The parts of a file as MedMNIST has them, ``train_images``, ``train_labels``, ``val_images``, …, are put together,
    with the columns that all of them have, and with a column ``split``. A file as dSprites has it, ``imgs`` and
    ``latents_classes``, gives its factors as columns; its pickled ``metadata`` are not read.

    Raises:
        DataError: the file cannot be read, or holds no images.
    """
    try:
        if path.suffix.lower() == ".npy":
            return {"images": np.load(path, mmap_mode="c", allow_pickle=False)}  # writing would not change the file
        with np.load(path, allow_pickle=False) as file:
            if {"imgs", "latents_classes"} <= set(file.files):
                return _dsprites(file["imgs"], file["latents_classes"])
            arrays = dict(file)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: cannot be read as a NumPy file ({error})") from error
    if "images" in arrays:
        return arrays
    if "train_images" not in arrays:
        raise DataError(f"{path}: no array 'images' or 'train_images'; it has {', '.join(sorted(arrays)) or 'none'}")
    parts = [name for name in SPLITS if f"{name}_images" in arrays]
    keys = [name.removeprefix("train_") for name in arrays if name.startswith("train_")]
    joined = {"split": np.repeat(parts, [len(arrays[f"{part}_images"]) for part in parts])}
    for key in keys:
        if all(f"{part}_{key}" in arrays for part in parts):
            values = np.concatenate([arrays[f"{part}_{key}"] for part in parts])
            joined["label" if key == "labels" else key] = values
    return joined


def _dsprites(images: np.ndarray, classes: np.ndarray) -> dict[str, np.ndarray]:
    """Images of 0 and 1 ``(N, H, W)`` as 0 and 255, in place, and their factors ``(N, F)`` as columns."""
    if images.dtype == np.uint8 and images.max(initial=0) <= 1:
        images *= 255
    named = classes.ndim == 2 and classes.shape[1] == len(FACTORS)
    return {"images": images, **(dict(zip(FACTORS, classes.T, strict=True)) if named else {"factor": classes})}


def shape_of_images(path: Path) -> tuple[int, ...] | None:
    """The shape of the images in a NumPy file, without their values; None if it cannot be read."""
    try:
        if path.suffix.lower() == ".npy":
            return np.load(path, mmap_mode="r", allow_pickle=False).shape
        with zipfile.ZipFile(path) as archive:
            members = [name for name in ("images.npy", "train_images.npy", "imgs.npy") if name in archive.namelist()]
            if not members:
                return None
            with archive.open(members[0]) as file:
                old = np.lib.format.read_magic(file) == (1, 0)
                read = np.lib.format.read_array_header_1_0 if old else np.lib.format.read_array_header_2_0
                return read(file)[0]
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return None


def read_dataset(dataset: Any, size: int | None) -> tuple[np.ndarray, dict[str, Sequence], dict[str, list[str]]]:
    """Images, columns and names of classes of a map-style dataset, read once.

    Items are ``(image, label)``, or dicts with the image under ``image``, ``img`` or ``pixel_values``. Images are of
    PIL, arrays or tensors. Entries of a dict that are neither a number nor text are left out.

    Raises:
        DataError: other items, or images of different sizes where ``size`` is None.
    """
    images, rows = [], []
    for number in tqdm(range(len(dataset)), desc="reading the dataset", unit=" images", disable=None):
        item, key, entries = dataset[number], None, {}
        if isinstance(item, dict):
            key, entries = next((name for name in IMAGE_KEYS if name in item), None), item
        elif isinstance(item, tuple | list) and len(item) == 2:
            key, entries = 0, {"label": item[1]}
        if key is None:
            raise DataError(f"item {number} of the dataset is neither (image, label) nor a dict with an image")
        images.append(_pixels(item[key], size))
        values = {name: _value(entry) for name, entry in entries.items() if name != key}
        rows.append({name: value for name, value in values.items() if value is not None})
    if len({(image.shape, image.dtype) for image in images}) != 1:
        raise DataError("the images of the dataset differ in size or type; set image_size, or make them alike")
    shared = [name for name in rows[0] if all(name in row for row in rows)]
    features = getattr(dataset, "features", None) or {}
    names = {name: list(features[name].names) for name in shared if hasattr(features.get(name), "names")}
    if "label" in shared and "label" not in names and hasattr(dataset, "classes"):
        names["label"] = list(map(str, dataset.classes))
    return np.stack(images), {name: [row[name] for row in rows] for name in shared}, names


def _value(entry: Any) -> bool | int | float | str | None:
    """A number or text; None for anything else."""
    if isinstance(entry, np.generic) or (isinstance(entry, Tensor) and entry.numel() == 1):
        entry = entry.item()
    return entry if isinstance(entry, bool | int | float | str) else None


def _pixels(image: Any, size: int | None) -> np.ndarray:
    """An image as an array; one of PIL in 8-bit grey or RGB, and in ``size``."""
    if isinstance(image, Image.Image):
        channels = 1 if image.mode in ("1", "L", "I;16", "I") else 3
        image = to_mode(image, channels)
        return np.asarray(image) if size is None else fit(image, Transform(size, channels))[0]
    return image.cpu().numpy() if isinstance(image, Tensor) else np.asarray(image)
