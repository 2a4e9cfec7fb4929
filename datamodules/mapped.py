"""Files mapped into memory, and whether they are still what was mapped.

A mapped file that is removed stays readable until the process ends. One that is cut short does not: reading behind
its end kills the process with SIGBUS, and no message. So sizes are checked from time to time.
"""

from pathlib import Path

import torch
from pytorch_lightning.utilities import rank_zero_warn
from torch import Tensor

from ugvae.errors import DataError

_mapped: dict[Path, int] = {}
_warned: set[Path] = set()


def map_bytes(path: Path, size: int) -> Tensor:
    """The first ``size`` bytes of a file, uint8 ``(size,)``; nothing that is done to them gets back to the file."""
    flat = torch.from_file(str(path), shared=False, size=size, dtype=torch.uint8)
    _mapped[path.absolute()] = size
    return flat


def check_mapped() -> None:
    """Checks all files that this process has mapped; warns, once, of one that was removed.

    Raises:
        DataError: a file is shorter than what was mapped of it.
    """
    for path, size in _mapped.items():
        try:
            found = path.stat().st_size
        except OSError:
            if path not in _warned:
                rank_zero_warn(
                    f"{path}: removed while it is in use. This process keeps its images to the end; another one, or "
                    "a resumed run, will need them again"
                )
            _warned.add(path)
            continue
        if found < size:
            raise DataError(
                f"{path}: cut from {size:,} to {found:,} bytes while it is in use; delete it, it is rebuilt"
            )
