"""Whether a MATLAB file (level 5) is made as its format says: SciPy, which reads it, crashes on some that are not.

MAT-File Format, The MathWorks: a header of 128 bytes, then elements of a tag (type, number of bytes) and data. The
data of a matrix are elements in turn: flags, dimensions, name, and numbers, or further matrices.
"""

import math
import struct
import zlib
from typing import NamedTuple

HEADER = 128
MATRIX, COMPRESSED = 14, 15
FLAGS, DIMENSIONS, NAME = 6, 5, 1  # types of a matrix's first three elements
ITEM_SIZE = {1: 1, 2: 1, 3: 2, 4: 2, 5: 4, 6: 4, 7: 4, 9: 8, 12: 8, 13: 8, 16: 1, 17: 2, 18: 4}  # bytes, by type
CELL, STRUCT, CHAR = 1, 2, 4  # classes of matrices
NUMERIC = range(6, 16)
COMPLEX = 0x08
DEEPEST = 20
MOST_BYTES = 2**30  # unpacked


class Element(NamedTuple):
    """An element: its type, its data, and where the next one begins."""

    type: int
    data: memoryview
    end: int


def check_structure(data: bytes) -> None:
    """Raises a ValueError that says what is not as the format has it."""
    if len(data) < HEADER or data[126:128] not in (b"IM", b"MI"):
        raise ValueError("no header")
    order = "<" if data[126:128] == b"IM" else ">"
    view, position = memoryview(data), HEADER
    while position < len(view):
        element = _element(view, position, order, padded=False)
        position = element.end
        if element.type == COMPRESSED:
            unpacker = zlib.decompressobj()
            content = memoryview(unpacker.decompress(element.data, MOST_BYTES))
            if not unpacker.eof:
                raise ValueError("a compressed element that is cut or too large")
            element = _element(content, 0, order)
        if element.type != MATRIX:
            raise ValueError(f"an element of type {element.type} in the place of a matrix")
        _check_matrix(element.data, order, DEEPEST)


def _element(view: memoryview, position: int, order: str, padded: bool = True) -> Element:
    if position + 8 > len(view):
        raise ValueError("ends within a tag")
    first, size = struct.unpack_from(f"{order}2I", view, position)
    if first >> 16:  # a small one: size and type in one word, the data in the other
        kind, size, start = first & 0xFFFF, first >> 16, position + 4
        if size > 4:
            raise ValueError("a small element of more than 4 bytes")
        return Element(kind, view[start : start + size], position + 8)
    start = position + 8
    if start + size > len(view):
        raise ValueError("an element longer than the file")
    return Element(first, view[start : start + size], start + (-(-size // 8) * 8 if padded else size))


def _check_matrix(data: memoryview, order: str, depth: int) -> None:
    if not len(data):
        return  # an empty one
    if not depth:
        raise ValueError("matrices within matrices without end")
    flags = _element(data, 0, order)
    dimensions = _element(data, flags.end, order)
    name = _element(data, dimensions.end, order)
    if (flags.type, dimensions.type, name.type) != (FLAGS, DIMENSIONS, NAME) or len(flags.data) != 8:
        raise ValueError("a matrix without flags, dimensions and name")
    word = struct.unpack_from(f"{order}I", flags.data)[0]
    if len(dimensions.data) % 4:
        raise ValueError("dimensions that are no whole numbers")
    shape = struct.unpack(f"{order}{len(dimensions.data) // 4}i", dimensions.data)
    if len(shape) < 2 or min(shape) < 0:
        raise ValueError(f"a matrix of shape {shape}")
    kind, count, position = word & 0xFF, math.prod(shape), name.end
    if kind == CHAR or kind in NUMERIC:
        for _ in range(2 if word >> 8 & COMPLEX else 1):
            part = _element(data, position, order)
            position = part.end
            if part.type not in ITEM_SIZE or (kind != CHAR and len(part.data) != count * ITEM_SIZE[part.type]):
                raise ValueError(f"{len(part.data)} bytes of type {part.type} for {count} values")
    elif kind in (CELL, STRUCT):
        fields = 1
        if kind == STRUCT:
            length = _element(data, position, order)
            names = _element(data, length.end, order)
            if len(length.data) != 4 or not (size := struct.unpack(f"{order}i", length.data)[0]) or size < 0:
                raise ValueError("a struct without the length of its fields' names")
            if len(names.data) % size:
                raise ValueError("names of fields that do not fill their length")
            fields, position = len(names.data) // size, names.end
        for _ in range(count * fields):
            part = _element(data, position, order)
            if part.type != MATRIX:
                raise ValueError(f"an element of type {part.type} in the place of a matrix")
            _check_matrix(part.data, order, depth - 1)
            position = part.end
    else:
        raise ValueError(f"a matrix of class {kind}, neither numbers, text, cells nor structs")
