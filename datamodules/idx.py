"""IDX, the file format of MNIST: two zero bytes, a type, the number of axes, big-endian sizes, then the data."""

import gzip
import math
import os
import struct
import tempfile
import zlib
from io import BytesIO
from pathlib import Path

import torch
from torch import Tensor

from ugvae.errors import DataError

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
