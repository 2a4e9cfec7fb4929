"""The structure of MATLAB files: what SciPy writes passes, what would mislead its reader does not."""

import struct

import numpy as np
import pytest

from tests.data.cars3d import mat_bytes
from ugvae.data.decoding import BROKEN
from ugvae.data.matlab import check_structure

CONTENT = {
    "images": np.arange(24, dtype=np.uint8).reshape(2, 3, 4),
    "numbers": np.array([[1.5, -2.0]]),
    "complex": np.array([[1 + 2j]]),
    "text": "a word",
    "names": np.array(["a", "bcd"], dtype=object),
    "rows": np.array([(1, "x"), (2, "y")], dtype=[("class", object), ("fname", object)]),
    "nested": {"a": {"b": [1, 2]}, "empty": np.zeros((0, 0))},
}


@pytest.mark.parametrize("compress", [False, True])
def test_what_is_written_passes(compress: bool) -> None:
    check_structure(mat_bytes(compress, **CONTENT))
    for name, value in CONTENT.items():
        check_structure(mat_bytes(compress, **{name: value}))


def changed(data: bytes, offset: int, value: int) -> bytes:
    return data[:offset] + struct.pack("<I", value) + data[offset + 4 :]


@pytest.mark.parametrize(
    ("offset", "value", "message"),
    [
        (128, 9, "an element of type 9 in the place of a matrix"),
        (132, 10**6, "longer than its place"),
        (144, 5, "a matrix of class 5"),  # sparse
        (156, 7, "without flags, dimensions and name"),
        (160, 2**31 + 5, "a matrix of shape"),
        (152, 1, "without flags, dimensions and name"),
    ],
)
def test_what_is_changed_is_named(offset: int, value: int, message: str) -> None:
    data = mat_bytes(x=np.arange(12.0).reshape(3, 4))
    with pytest.raises(ValueError, match=message):
        check_structure(changed(data, offset, value))


def test_what_is_cut_is_named() -> None:
    for compress in (False, True):
        data = mat_bytes(compress, **CONTENT)
        for length in (0, 100, 130, 150, len(data) // 2, len(data) - 9):
            with pytest.raises(BROKEN):
                check_structure(data[:length])
