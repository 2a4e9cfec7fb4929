"""How a command of ``ugvae`` fails: an error that the user can mend is one message and exit status 2."""

import errno
import sys
import time
from pathlib import Path
from typing import NoReturn

from pytorch_lightning.utilities.exceptions import MisconfigurationException

from ugvae.callbacks.ranks import ADVICE, is_lost_rank, reason
from ugvae.distributed import distributed_rank
from ugvae.errors import ConfigError, DataError, LostRankError, NonFiniteLossError, OutputError
from ugvae.runs.files import output_error
from ugvae.runs.folder import ROOT

LAST_WORDS = 8.0  # seconds for the first rank to write its own message: Lightning ends all ranks when one has failed
MENDABLE = (ConfigError, DataError, MisconfigurationException, NonFiniteLossError, OutputError)
DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
TRAINERS = ("pytorch_lightning", "lightning_fabric", "lightning_utilities")  # packages of Lightning


def mendable(error: BaseException) -> Exception | None:
    """The error behind ``error`` that the user can mend; None if there is none, which is a bug."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, MENDABLE):  # the parser wraps what a constructor raises
        cause = cause.__cause__
    if cause is not None:
        return cause
    if isinstance(error, OSError) and error.errno in DISK_FULL:
        return output_error(Path(error.filename or ROOT), error)
    if isinstance(error, RuntimeError) and is_lost_rank(error):
        return LostRankError(f"lost the connection to another rank ({reason(error)}): {ADVICE}")
    if isinstance(error, RuntimeError | ValueError) and _raised_in(error).startswith(TRAINERS):
        return ConfigError(f"trainer: {' '.join(str(error).split())}")  # Lightning itself refuses what it was asked
    return None


def _raised_in(error: BaseException) -> str:
    """The module whose own line raised an error."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return str(trace.tb_frame.f_globals.get("__name__", "")) if trace else ""


def fail(error: Exception) -> NoReturn:
    """Says what is wrong and ends the process with status 2."""
    rank, _ = distributed_rank()
    sys.stderr.write(f"error{f' on rank {rank}' if rank else ''}: {error}\n")
    sys.stderr.flush()
    if rank:
        time.sleep(LAST_WORDS)
    sys.exit(2)
