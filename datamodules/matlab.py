"""MATLAB files up to version 7, in which some owners keep images and labels."""

import zlib
from io import BytesIO

import numpy as np
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from datamodules.decoding import CorruptFileError

BROKEN = (OSError, ValueError, TypeError, LookupError, EOFError, zlib.error, MatReadError)  # of damaged files


def matlab_variable(data: bytes, key: str, squeeze: bool = False) -> np.ndarray:
    """One variable out of the bytes of a .mat file; ``squeeze`` drops axes of one entry, MATLAB's scalars among them.

    Raises:
        CorruptFileError: no whole MATLAB file, a 7.3 one, or no such variable.
    """
    try:
        content = loadmat(BytesIO(data), variable_names=[key], squeeze_me=squeeze)
    except NotImplementedError as error:
        raise CorruptFileError("a MATLAB 7.3 file; save it with -v7") from error
    except BROKEN as error:
        raise CorruptFileError(f"not a whole MATLAB file ({error})") from error
    if key not in content:
        raise CorruptFileError(f"no key {key!r} in this MATLAB file")
    return content[key]
