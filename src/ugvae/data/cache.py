"""Images decoded once into one memory-mapped file, which all processes then share.

A cache is a folder with three files: ``images-*.bin``, uint8 ``(N, C, H, W)`` ordered by split; ``columns-*.npz``; and
``manifest.json``, which is written last and says what the others must be. Without a manifest that fits there is no
cache, so a build that was cut off at any moment is never mistaken for one. It has a digest of its own and checksums of
the others, so neither is one that was changed later.
"""

import hashlib
import itertools
import json
import math
import multiprocessing
import os
import shutil
import signal
import sys
import threading
import time
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock, Timeout
from PIL import Image
from pytorch_lightning.utilities import rank_zero_info, rank_zero_warn
from torch import Tensor
from tqdm import tqdm

from ugvae.data.decoding import CorruptFileError, Transform
from ugvae.data.listing import Listing
from ugvae.data.module import SPLITS
from ugvae.data.table import ImageTable
from ugvae.errors import ConfigError, DataError
from ugvae.runs.files import free_space, save_arrays, save_json

VERSION = 2  # of the format and of what decoding does: another one rebuilds
MANIFEST = "manifest.json"
CHECKED_BYTES = 2**22  # at a time


@dataclass(frozen=True)
class CacheKey:
    """What a cache is of. Another ``source`` or ``transform`` makes another cache.

    Attributes:
        title: of the dataset, for messages.
        root: folder that the names of files start from.
        source: digest of the names, sizes and times of all files that the dataset is read from.
        transform: what is done to each image.
    """

    title: str
    root: Path
    source: str
    transform: Transform

    @property
    def description(self) -> dict:
        """What the manifest must repeat; the root is not part of it, so that data can move together with the cache."""
        return {"version": VERSION, "source": self.source, "transform": asdict(self.transform)}


@dataclass(frozen=True)
class Cache:
    """An opened cache: ``images`` uint8 ``(N, C, H, W)``, memory-mapped; ``columns`` int64 ``(N,)``; the manifest."""

    images: Tensor
    columns: dict[str, Tensor]
    manifest: dict

    def split(self, split: str) -> ImageTable:
        """The table of one split, a view of the memory-mapped file."""
        counts = [self.manifest["splits"][name] for name in SPLITS]
        start = sum(counts[: SPLITS.index(split)])
        rows = slice(start, start + self.manifest["splits"][split])
        return ImageTable(self.images[rows], {name: column[rows] for name, column in self.columns.items()})


class StaleCacheError(Exception):
    """There is no cache that can be used; the message says why."""


def load(folder: Path, key: CacheKey) -> Cache:
    """Opens a cache.

    Raises:
        StaleCacheError: there is none, or it is of something else, or its files are not whole.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
    except FileNotFoundError as error:
        raise StaleCacheError("there is no cache yet") from error
    except (OSError, ValueError, RecursionError) as error:
        raise StaleCacheError(f"the manifest cannot be read ({error})") from error
    for name, wanted in key.description.items():
        if not isinstance(manifest, dict) or manifest.get(name) != wanted:
            raise StaleCacheError(f"the {name} changed")
    if manifest.get("digest") != manifest_digest(manifest):
        raise StaleCacheError("the manifest was changed after it was written")
    shape, images = manifest["shape"], folder / manifest["images"]
    try:
        status = images.stat()
        if status.st_size != math.prod(shape):
            raise StaleCacheError("the file of images has another size than its manifest says")
        # copies and files that someone wrote to have another time; reading gigabytes at each start would cost seconds
        if status.st_mtime_ns != manifest["modified"] and checksum(images) != manifest["checksums"]["images"]:
            raise StaleCacheError("the file of images was changed after it was written")
        if checksum(folder / manifest["columns"]) != manifest["checksums"]["columns"]:
            raise StaleCacheError("the file of columns was changed after it was written")
        with np.load(folder / manifest["columns"], allow_pickle=False) as arrays:
            columns = {
                name: torch.from_numpy(arrays[column_key(number)].astype(np.int64))
                for number, name in enumerate(manifest["column_names"])
            }
        flat = map_bytes(images, math.prod(shape))
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, RuntimeError) as error:
        raise StaleCacheError(f"its files cannot be read ({error})") from error
    if any(len(column) != shape[0] for column in columns.values()):
        raise StaleCacheError("its columns are of another number of images")
    return Cache(flat.view(shape), columns, manifest)


def column_key(number: int) -> str:
    """What a column is called in the ``.npz``: its own name could be a keyword of NumPy's, or no name of a file."""
    return f"column_{number}"


def checksum(path: Path) -> int:
    """CRC-32 of a file: against damage, not against malice.

    Raises:
        OSError: the file cannot be read.
    """
    value = 0
    with path.open("rb") as file:
        while part := file.read(CHECKED_BYTES):
            value = zlib.crc32(part, value)
    return value


def manifest_digest(manifest: dict) -> str:
    """SHA-256 of all that a manifest says, but for its ``digest``."""
    content = {name: value for name, value in manifest.items() if name != "digest"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


LOCK = "lock"
INTEGERS = (np.int8, np.int16, np.int32, np.int64)


def open_cache(
    folder: Path, key: CacheKey, listing: Callable[[], Listing], workers: int, skip_corrupt: bool = False
) -> Cache:
    """Opens the cache in ``folder``, after building it if there is none for ``key``. One process builds, others wait.

    Args:
        folder: of this cache alone.
        key: what it must be of.
        listing: called when there is something to build.
        workers: processes that decode.
        skip_corrupt: leave corrupt files out, and list them in the manifest, instead of stopping.

    Raises:
        DataError: a corrupt file, or no image that is not; the folder cannot be written.
    """
    try:
        try:
            cache = load(folder, key)
        except StaleCacheError:
            with locked(folder, key):
                try:
                    cache = load(folder, key)  # built by the process that we waited for
                except StaleCacheError as stale:
                    rank_zero_info(f"{key.title}: decoding the images, because {stale}")
                    build(folder, key, listing(), workers, skip_corrupt)
                    cache = load(folder, key)
    except (OSError, StaleCacheError) as error:
        raise DataError(
            f"{folder}: the image cache cannot be written ({error}, {free_space(folder)}); "
            "set cache_dir to a folder with room that you may write to"
        ) from error
    if skipped := cache.manifest["skipped"]:
        first = f"{key.root / skipped[0]['file']}: {skipped[0]['reason']}"
        if not skip_corrupt:
            raise corrupt_error(first, len(skipped))
        rank_zero_warn(f"{len(skipped)} corrupt files are left out, listed in {folder / 'manifest.json'}: {first}")
    return cache


@contextmanager
def locked(folder: Path, key: CacheKey) -> Iterator[None]:
    """Holds the cache's lock, which the system releases when a process dies.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        rank_zero_info(f"{key.title}: another process is building the cache in {folder}; waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def build(folder: Path, key: CacheKey, listing: Listing, workers: int, skip_corrupt: bool) -> None:
    """Decodes all images into ``folder``; to be called with the lock.

    Raises:
        DataError: a corrupt file without ``skip_corrupt``; nothing but corrupt files; a worker died.
        OSError: the folder cannot be written, or has too little room.
    """
    for leftover in folder.iterdir():
        if leftover.name != LOCK:
            leftover.unlink()
    listing = listing.subset(np.argsort(listing.split, kind="stable"))  # each split a contiguous range
    shape = (key.transform.channels, key.transform.size, key.transform.size)
    num_images = len(listing.files) * listing.images_per_file
    if shutil.disk_usage(folder).free < (needed := num_images * math.prod(shape)):
        raise OSError(f"{needed / 1e9:.2f} GB needed")
    started = time.perf_counter()
    partial = folder / "partial.bin"
    try:
        with partial.open("wb") as file:
            file.truncate(needed)
        corrupt = decode_into(partial, key, listing, workers, skip_corrupt)
        rate = num_images / (time.perf_counter() - started)
        skipped = [{"file": listing.files[position], "reason": reason} for position, reason in sorted(corrupt.items())]
        if corrupt:
            kept = np.setdiff1d(np.arange(len(listing.files)), list(corrupt))
            close_gaps(partial, kept, listing.images_per_file * math.prod(shape))
            listing = listing.subset(kept)
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(partial, folder / f"images-{key.source[:12]}.bin")
    finally:
        partial.unlink(missing_ok=True)
    manifest = {
        "title": key.title,
        **key.description,
        "images": f"images-{key.source[:12]}.bin",
        "columns": f"columns-{key.source[:12]}.npz",
        "shape": [len(listing.files) * listing.images_per_file, *shape],
        "splits": {
            name: int((listing.split == number).sum()) * listing.images_per_file for number, name in enumerate(SPLITS)
        },
        "names": listing.names,
        "skipped": skipped,
        "images_per_second": round(rate, 1),
        "column_names": list(listing.columns),
    }
    images, columns = folder / manifest["images"], folder / manifest["columns"]
    save_arrays(
        {column_key(number): smallest(column) for number, column in enumerate(listing.columns.values())}, columns
    )
    manifest["modified"] = images.stat().st_mtime_ns
    manifest["checksums"] = {"images": checksum(images), "columns": checksum(columns)}
    save_json({**manifest, "digest": manifest_digest(manifest)}, folder / MANIFEST)
    rank_zero_info(
        f"{key.title}: {num_images:,} images decoded, {rate:,.0f} images/s with {workers} process(es); "
        f"{math.prod(manifest['shape']) / 1e6:,.1f} MB in {folder}"
    )


def decode_into(array: Path, key: CacheKey, listing: Listing, workers: int, skip_corrupt: bool) -> dict[int, str]:
    """Decodes all files of a listing with a progress bar; returns the reasons of the corrupt ones by position.

    Raises:
        DataError: a corrupt file without ``skip_corrupt``; nothing but corrupt files; a worker died.
        OSError: the array cannot be written.
    """
    corrupt: dict[int, str] = {}
    job = DecodeJob(key.root, array, listing.decode, listing.images_per_file, key.transform)
    total = len(listing.files) * listing.images_per_file
    with (
        closing(decode_files(job, listing.files, workers)) as reports,
        tqdm(total=total, desc=f"{key.title}: decoding", unit=" images", disable=None) as bar,
    ):
        for report in reports:
            bar.update(report.images)
            corrupt.update(report.corrupt)
            if corrupt and (not skip_corrupt or len(corrupt) == len(listing.files)):
                position, reason = min(corrupt.items())
                raise corrupt_error(f"{key.root / listing.files[position]}: {reason}", len(corrupt))
    return corrupt


def corrupt_error(first: str, count: int) -> DataError:
    """The error of one or more corrupt files, the first of them in full."""
    more = f", the first of {count} corrupt files" if count > 1 else ""
    return DataError(f"{first}{more}. Replace the file, or leave such files out with skip_corrupt: true")


def close_gaps(array: Path, kept: np.ndarray, file_bytes: int) -> None:
    """Moves the rows of the ``kept`` files, ascending positions, to the front of the array, and cuts the rest off."""
    with array.open("rb+") as file:
        for target, position in enumerate(kept.tolist()):
            if target != position:
                file.seek(position * file_bytes)
                rows = file.read(file_bytes)
                file.seek(target * file_bytes)
                file.write(rows)
        file.truncate(len(kept) * file_bytes)


def smallest(column: np.ndarray) -> np.ndarray:
    """The same integers in the narrowest type that holds them."""
    low, high = (int(column.min()), int(column.max())) if len(column) else (0, 0)
    fitting = (kind for kind in INTEGERS if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max)
    return column.astype(next(fitting))


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
