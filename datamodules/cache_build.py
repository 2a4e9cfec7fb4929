"""Building an image cache where there is none: decode, order by split, write, and say so last."""

import math
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout
from pytorch_lightning.utilities import rank_zero_info, rank_zero_warn
from tqdm import tqdm

from datamodules.base import SPLITS
from datamodules.cache import (
    MANIFEST,
    Cache,
    CacheKey,
    StaleCacheError,
    checksum,
    column_key,
    load,
    manifest_digest,
)
from datamodules.decode_pool import DecodeJob, decode_files
from datamodules.listing import Listing
from ugvae.errors import DataError
from ugvae.files import free_space, save_arrays, save_json

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
