"""Decodes all files of a dataset into a cache, with the workers of a ``DataLoader``."""

import math
import os
import shutil
import signal
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from pytorch_lightning.utilities import rank_zero_info
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from ugvae.data.cache import LOCK, MANIFEST, CacheKey, checksum, corrupt_error, manifest_digest
from ugvae.data.decoding import CorruptFileError, Transform
from ugvae.data.listing import Listing, read_bytes
from ugvae.data.table import SPLITS
from ugvae.errors import DataError
from ugvae.runs.files import atomic_path, save_arrays, save_json

CHUNK_IMAGES = 128  # images that a worker decodes before it writes and reports: some ms of work, some MB of memory
INTEGERS = (np.int8, np.int16, np.int32, np.int64)
WORKER_LOST = "DataLoader worker (pid"  # how the DataLoader's message of a dead worker begins


def build_cache(folder: Path, key: CacheKey, listing: Listing, workers: int, skip_corrupt: bool) -> None:
    """Decodes all images into ``folder``. The caller holds the lock.

    Raises:
        DataError: a corrupt file without ``skip_corrupt``; nothing but corrupt files; a file that cannot be read; a
            worker that died.
        OSError: the folder cannot be written, or has too little room.
    """
    for leftover in folder.iterdir():
        if leftover.name != LOCK:
            leftover.unlink()
    listing = listing.subset(np.argsort(listing.split, kind="stable"))  # each split becomes one range of rows
    shape = (key.transform.channels, key.transform.size, key.transform.size)
    count, file_bytes = listing.images_per_file, listing.images_per_file * math.prod(shape)
    images, columns = folder / f"images-{key.source[:12]}.bin", folder / f"columns-{key.source[:12]}.npz"
    started = time.perf_counter()
    with atomic_path(images) as partial:
        needed = len(listing.files) * file_bytes
        if shutil.disk_usage(folder).free < needed:
            raise OSError(f"{needed / 1e9:.2f} GB needed")
        with partial.open("wb") as file:
            file.truncate(needed)
        corrupt = decode_files(DecodedFiles(key.root, listing, key.transform, partial), key, workers, skip_corrupt)
        kept = np.setdiff1d(np.arange(len(listing.files)), list(corrupt))
        close_gaps(partial, kept, file_bytes)
    rate = len(listing.files) * count / (time.perf_counter() - started)
    skipped = [{"file": listing.files[position], "reason": reason} for position, reason in sorted(corrupt.items())]
    listing = listing.subset(kept)
    num_images = len(listing.files) * count
    fractions = {name: column for name, column in listing.columns.items() if column.dtype.kind == "f"}
    integers = {name: column for name, column in listing.columns.items() if name not in fractions}
    values = np.array([*integers.values()], np.int64).reshape(len(integers), num_images)
    low, high = values.min(initial=0), values.max(initial=0)
    narrow = next(kind for kind in INTEGERS if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max)
    arrays = {
        "columns": values.astype(narrow),
        "fractions": np.array([*fractions.values()], np.float64).reshape(len(fractions), num_images),
        "files": np.frombuffer("\0".join(listing.files).encode(errors="surrogateescape"), np.uint8),
    }
    save_arrays(arrays, columns)
    manifest = {
        "title": key.title,
        **key.description,
        "images": images.name,
        "columns": columns.name,
        "shape": [num_images, *shape],
        "splits": {name: int((listing.split == number).sum()) * count for number, name in enumerate(SPLITS)},
        "names": listing.names,
        "skipped": skipped,
        "images_per_second": round(rate, 1),
        "column_names": [*integers, *fractions],
        "images_per_file": count,
        "modified": images.stat().st_mtime_ns,
        "checksums": {"images": checksum(images), "columns": checksum(columns)},
    }
    save_json({**manifest, "digest": manifest_digest(manifest)}, folder / MANIFEST)
    rank_zero_info(
        f"{key.title}: {num_images:,} images decoded, {rate:,.0f} images/s with {workers} process(es); "
        f"{num_images * math.prod(shape) / 1e6:,.1f} MB in {folder}"
    )


class DecodedFiles(Dataset):
    """The files of a listing in chunks. Item i decodes chunk i and writes its rows; those of corrupt files stay black.

    It is the number of images of the chunk, and the reasons of its corrupt files by position in the listing. Another
    error is returned, since a ``DataLoader`` rewrites the message of what is raised.

    File i of the listing, below ``root``, fills rows of ``array`` from ``i * images_per_file`` on. The array is a file
    already of its full size.
    """

    def __init__(self, root: Path, listing: Listing, transform: Transform, array: Path) -> None:
        self.root, self.listing, self.transform, self.array = root, listing, transform, array
        self.length = max(1, CHUNK_IMAGES // listing.images_per_file)  # files of a chunk

    def __len__(self) -> int:
        return -(-len(self.listing.files) // self.length)

    def __getitem__(self, chunk: int) -> tuple[int, dict[int, str]] | Exception:
        if chunk >= len(self):
            raise IndexError(chunk)
        start, size = chunk * self.length, self.transform.size
        names = self.listing.files[start : start + self.length]
        rows = np.zeros((len(names), self.listing.images_per_file, self.transform.channels, size, size), np.uint8)
        corrupt = {}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # decoding has a limit of its own
                warnings.simplefilter("ignore", UserWarning)  # odd EXIF data and the like, which change no pixel
                for place, name in enumerate(names):
                    try:
                        inside = self.listing.contents.get(name)
                        data = read_bytes(self.root / name) if inside is None else inside
                        rows[place] = self.listing.decode(data, self.transform)
                    except CorruptFileError as error:
                        corrupt[start + place] = str(error)
            with self.array.open("r+b") as file:
                file.seek(start * rows[0].nbytes)
                file.write(rows)
        except (DataError, OSError) as error:
            return error
        return rows.shape[0] * rows.shape[1], corrupt


def decode_files(files: DecodedFiles, key: CacheKey, workers: int, skip_corrupt: bool) -> dict[int, str]:
    """Decodes all files with a progress bar; gives the reasons of the corrupt files, by position.

    One worker is this process; ``key`` is for messages.

    Raises:
        DataError, OSError: as ``build_cache`` says.
    """
    names, corrupt = files.listing.files, {}
    workers = min(workers, len(files))
    several = workers > 1
    loader = DataLoader(
        files,
        batch_size=None,
        num_workers=workers if several else 0,
        # fork, where it is safe: a worker then starts without importing torch once more
        multiprocessing_context="fork" if several and sys.platform == "linux" else None,
        worker_init_fn=leave_with_parent,
        generator=torch.Generator(),  # the loader draws a number, which must not move the model's noise
        in_order=False,
    )
    reports = iter(loader)
    try:
        with tqdm(total=len(names) * files.listing.images_per_file, desc=f"{key.title}: decoding", unit=" images",
                  disable=None) as bar:  # fmt: skip
            for report in reports:
                if isinstance(report, Exception):
                    raise report
                bar.update(report[0])
                corrupt |= report[1]
                if corrupt and (not skip_corrupt or len(corrupt) == len(names)):
                    position, reason = min(corrupt.items())
                    raise corrupt_error(f"{key.root / names[position]}: {reason}", len(corrupt))
    except RuntimeError as error:
        if isinstance(error, DataError) or WORKER_LOST not in str(error):
            raise
        raise DataError(
            "a process that decoded images was killed, most often for want of memory; "
            "set cache_workers to a smaller number"
        ) from error
    finally:
        del reports  # ends the workers before the caller removes their file
    return corrupt


def leave_with_parent(_: int) -> None:
    """Prepares a worker: it leaves Ctrl-C to its parent, and ends with it, even while it decodes.

    A worker that outlived a killed parent would hold the lock that it inherited.
    """
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.2)
        os._exit(1)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=watch, daemon=True).start()


def close_gaps(array: Path, kept: np.ndarray, file_bytes: int) -> None:
    """Moves the rows of the ``kept`` files, ascending positions, to the front of the array, and cuts off the rest."""
    with array.open("rb+") as file:
        for target, position in enumerate(kept.tolist()):
            if target != position:
                file.seek(position * file_bytes)
                rows = file.read(file_bytes)
                file.seek(target * file_bytes)
                file.write(rows)
        file.truncate(len(kept) * file_bytes)
