"""MATLAB files up to version 7, in which some owners keep images and labels."""

import math
from io import BytesIO

import numpy as np
from scipy.io import loadmat, whosmat
from scipy.io.matlab import MatReadError

from datamodules import decoding
from datamodules.decoding import CorruptFileError
from datamodules.matlab_structure import check_structure

MAX_VALUES = 2**27  # of a variable, as its header states them: a bomb is refused before it is unpacked
BROKEN = (*decoding.BROKEN, AssertionError, MatReadError)  # what scipy raises on damaged files


def matlab_variable(data: bytes, key: str, squeeze: bool = False) -> np.ndarray:
    """One variable out of the bytes of a .mat file; ``squeeze`` drops axes of one entry, MATLAB's scalars among them.

    Raises:
        CorruptFileError: no whole MATLAB file, a 7.3 one, no such variable, or one of too many values.
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
    except BROKEN as error:
        raise CorruptFileError(f"not a whole MATLAB file ({error or type(error).__name__})") from error
    if key not in content:
        raise CorruptFileError(f"no key {key!r} in this MATLAB file")
    return content[key]
