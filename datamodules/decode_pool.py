"""Many image files into one array file, by several processes.

A worker writes its rows straight into the file, so no process ever holds more than a chunk of images.
"""

import itertools
import multiprocessing
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from datamodules.decoding import CorruptFileError, Transform
from ugvae.errors import ConfigError, DataError

CHUNK_IMAGES = 128  # images that a worker decodes before it writes and reports: some ms of work, some MB of memory


@dataclass(frozen=True)
class DecodeJob:
    """What every worker knows.

    Attributes:
        root: folder that the names of files start from.
        array: the file to write; of its full size already.
        decode: bytes of a file to uint8 ``(images_per_file, C, H, W)``.
        images_per_file: rows that each file fills.
        transform: handed to ``decode``.
    """

    root: Path
    array: Path
    decode: Callable[[bytes, Transform], np.ndarray]
    images_per_file: int
    transform: Transform


@dataclass(frozen=True)
class Decoded:
    """What a worker reports of a chunk: the number of images, and the corrupt files as (position, reason)."""

    images: int
    corrupt: list[tuple[int, str]]


def default_workers() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def decode_files(job: DecodeJob, files: list[str], workers: int) -> Iterator[Decoded]:
    """Decodes ``files``, file i into rows from ``i * images_per_file`` on; yields a report per chunk, in any order.

    Args:
        job: what to do, and where.
        files: names relative to ``job.root``.
        workers: number of processes; 1 decodes in this one.

    Raises:
        DataError: a file cannot be read at all; a worker died.
        OSError: the array cannot be written.
        ConfigError: ``workers`` is not a number of processes.
    """
    if workers < 1:
        raise ConfigError(f"cache_workers: expected a whole number > 0, got {workers}")
    length = max(1, CHUNK_IMAGES // job.images_per_file)
    chunks = [(start, files[start : start + length]) for start in range(0, len(files), length)]
    if min(workers, len(chunks)) == 1:
        yield from itertools.starmap(lambda start, names: decode_chunk(job, start, names), chunks)
        return
    # fork, where it is safe: a worker needs nothing but PIL, and starts without importing torch once more
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else None)
    pool = ProcessPoolExecutor(min(workers, len(chunks)), context, initializer=enlist, initargs=(os.getpid(),))
    try:
        for future in as_completed([pool.submit(decode_chunk, job, *chunk) for chunk in chunks]):
            yield future.result()
    except BrokenProcessPool as error:
        raise DataError(
            "a process that decoded images was killed, most often for want of memory; "
            "set cache_workers to a smaller number"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def enlist(parent: int) -> None:
    """Prepares a worker: it leaves Ctrl-C to its parent, and does not outlive it.

    A worker that outlived a killed parent would wait for ever, and hold the lock that it inherited.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.2)
        os._exit(1)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=watch, daemon=True).start()


def decode_chunk(job: DecodeJob, start: int, files: list[str]) -> Decoded:
    """Decodes neighbouring files and writes their rows; rows of a corrupt file are left black.

    Raises:
        DataError: a file cannot be read.
        OSError: the array cannot be written.
    """
    count, size = job.images_per_file, job.transform.size
    rows = np.zeros((len(files) * count, job.transform.channels, size, size), np.uint8)
    corrupt = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # `decode` has its own limit, an error
        warnings.simplefilter("ignore", UserWarning)  # odd EXIF data and the like, which do not touch the pixels
        for position, name in enumerate(files):
            try:
                rows[position * count : (position + 1) * count] = job.decode(read(job.root / name), job.transform)
            except CorruptFileError as error:
                corrupt.append((start + position, str(error)))
    with job.array.open("r+b") as file:
        file.seek(start * count * rows[0].nbytes)
        file.write(rows)
    return Decoded(len(rows), corrupt)


def read(path: Path) -> bytes:
    """The bytes of a file.

    Raises:
        DataError: it cannot be opened or read, which is not the file's own fault.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
