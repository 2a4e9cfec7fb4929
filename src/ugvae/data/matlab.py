"""Reads one variable of a MATLAB file (version 5 to 7.2), after a check of its structure.

SciPy's reader trusts the types and counts in a file, and a damaged one can crash the process.
"""

import math
import struct
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
from scipy.io import loadmat, whosmat
from scipy.io.matlab import MatReadError

from ugvae.data.decoding import BROKEN, CorruptFileError
from ugvae.data.listing import read_bytes
from ugvae.errors import DataError

MAX_VALUES = 2**27  # of a variable, by its header: a bomb is refused before it is unpacked
MAX_BYTES = 2**30  # of one element, unpacked
MAX_DEPTH = 20  # of matrices within matrices
HEADER = 128  # bytes
NAME, DIMENSIONS, FLAGS, MATRIX, COMPRESSED = 1, 5, 6, 14, 15  # types of elements
VALUES = {1, 2, 3, 4, 5, 6, 7, 9, 12, 13, 16, 17, 18}  # types of elements of numbers and text
CELL, STRUCT, PLAIN = 1, 2, {4, *range(6, 16)}  # classes of matrices; plain ones hold text or numbers
COMPLEX = 0x0800  # flag of a matrix with a real and an imaginary part


def read_variable(path: Path, key: str) -> np.ndarray:
    """One variable of a MATLAB file, of at least one axis; axes of one entry are dropped.

    Raises:
        DataError: the file cannot be read, is no whole MATLAB file, or has no such variable.
    """
    try:
        return np.atleast_1d(matlab_variable(read_bytes(path), key, squeeze=True))
    except CorruptFileError as error:
        raise DataError(f"{path}: {error}") from error


def matlab_variable(data: bytes, key: str, squeeze: bool = False) -> np.ndarray:
    """One variable from the bytes of a MATLAB file; ``squeeze`` drops axes of one entry.

    Raises:
        CorruptFileError: no whole MATLAB file, version 7.3, no such variable, or one of too many values.
    """
    try:
        shapes = {name: shape for name, shape, _ in whosmat(BytesIO(data))}
        if math.prod(shapes.get(key, ())) > MAX_VALUES:
            raise CorruptFileError(f"{key!r} has shape {shapes[key]}, more than {MAX_VALUES:,} values")
        check_structure(data)
        content = loadmat(BytesIO(data), variable_names=[key], squeeze_me=squeeze)
    except NotImplementedError as error:
        raise CorruptFileError("a MATLAB 7.3 file; save it with -v7") from error
    except CorruptFileError:
        raise
    except (*BROKEN, AssertionError, MatReadError) as error:
        raise CorruptFileError(f"not a whole MATLAB file ({error or type(error).__name__})") from error
    if key not in content:
        raise CorruptFileError(f"no key {key!r} in this MATLAB file")
    return content[key]


def check_structure(data: bytes) -> None:
    """Checks that a file is a header and matrices of known types, each within its bounds.

    Raises:
        ValueError, IndexError, struct.error, zlib.error: it is not.
    """
    if len(data) < HEADER or data[126:128] not in (b"IM", b"MI"):
        raise ValueError("no header")
    order = "<" if data[126:128] == b"IM" else ">"
    for kind, content in elements(memoryview(data)[HEADER:], order, padding=1):
        if kind == COMPRESSED:
            unpacker = zlib.decompressobj()
            content = unpacker.decompress(content, MAX_BYTES)
            if not unpacker.eof:
                raise ValueError("a compressed element that is cut or too large")
            check_matrices(list(elements(memoryview(content), order)), order, MAX_DEPTH)
        else:
            check_matrices([(kind, content)], order, MAX_DEPTH)


def elements(view: memoryview, order: str, padding: int = 8) -> Iterator[tuple[int, memoryview]]:
    """Type and content of the elements that fill a part of a file. ``order`` is ``<`` or ``>``, as in ``struct``."""
    position = 0
    while position < len(view):
        kind, size = struct.unpack_from(f"{order}2I", view, position)
        start, end = position + 8, position + 8 + -(-size // padding) * padding
        if kind >> 16:  # a small element: type and size share four bytes, the content has the other four
            kind, size, start, end = kind & 0xFFFF, kind >> 16, position + 4, position + 8
        if start + size > min(end, len(view)):
            raise ValueError("an element longer than its place")
        yield kind, view[start : start + size]
        position = end


def check_matrices(matrices: list[tuple[int, memoryview]], order: str, depth: int) -> None:
    """Checks that every element is a matrix with the parts of its class; raises as ``check_structure`` does."""
    for kind, content in matrices:
        if kind != MATRIX or not depth:
            raise ValueError(f"an element of type {kind} in the place of a matrix, or too deep a matrix")
        if not len(content):
            continue
        (types, parts) = zip(*elements(content, order), strict=True)
        if types[:3] != (FLAGS, DIMENSIONS, NAME) or len(parts[0]) != 8 or len(parts[1]) % 4:
            raise ValueError("a matrix without flags, dimensions and name")
        (flags,) = struct.unpack_from(f"{order}I", parts[0])
        matrix_class, is_complex = flags & 0xFF, bool(flags & COMPLEX)
        shape = struct.unpack(f"{order}{len(parts[1]) // 4}i", parts[1])
        if len(shape) < 2 or min(shape) < 0:
            raise ValueError(f"a matrix of shape {shape}")
        if matrix_class in PLAIN:
            if len(types) != 4 + is_complex or not VALUES.issuperset(types[3:]):
                raise ValueError(f"values of the types {types[3:]}")
            continue
        skipped, fields = 3, 1
        if matrix_class == STRUCT:  # its fourth part is the length of a field's name, the fifth has the names
            (length,) = struct.unpack(f"{order}i", parts[3])
            if length <= 0 or len(parts[4]) % length:
                raise ValueError("names of fields that do not fill their length")
            skipped, fields = 5, len(parts[4]) // length
        elif matrix_class != CELL:
            raise ValueError(f"a matrix of class {matrix_class}, neither numbers, text, cells nor structs")
        if len(parts) - skipped != math.prod(shape) * fields:
            raise ValueError(f"{len(parts) - skipped} matrices for shape {shape} and {fields} fields")
        check_matrices(list(zip(types[skipped:], parts[skipped:], strict=True)), order, depth - 1)
