"""Images decoded once into one memory-mapped file, which all processes share: what it is, and how it is opened.

A cache is a folder of three files. ``images-*.bin`` holds uint8 ``(N, C, H, W)``, ordered by split. ``columns-*.npz``
holds columns of integers ``(V, N)``, columns of fractions ``(W, N)`` and the names of the files. ``manifest.json``
describes both. It is written last, so a build that was cut off at any moment is never taken for a cache. A digest of
the manifest and checksums of the other files show later changes.
"""

import hashlib
import json
import math
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from filelock import AcquireReturnProxy, FileLock, Timeout
from pytorch_lightning.utilities import rank_zero_info, rank_zero_warn
from torch import Tensor

from ugvae.data.decoding import Transform
from ugvae.data.table import SPLITS, ImageTable
from ugvae.errors import DataError

VERSION = 4  # of the format and of the decoding; a cache of another version is rebuilt
MANIFEST = "manifest.json"
LOCK = "lock"


@dataclass(frozen=True)
class CacheKey:
    """What a cache contains: files below ``root``, of names, sizes and times with the digest ``source``, transformed.

    Another ``source`` or ``transform`` needs another cache. ``title``, the name of the dataset, is for messages.
    """

    title: str
    root: Path
    source: str
    transform: Transform

    @property
    def description(self) -> dict:
        """What the manifest must repeat. The root is not part of it, so data can move together with their cache."""
        return {"version": VERSION, "source": self.source, "transform": asdict(self.transform)}


@dataclass(frozen=True)
class Cache:
    """An open cache: images uint8 ``(N, C, H, W)``, mapped; columns int64 or float64 ``(N,)``; files of the images."""

    images: Tensor
    columns: dict[str, Tensor]
    files: list[str]
    manifest: dict

    def split(self, split: str) -> ImageTable:
        """The table of one split, a view of the memory-mapped file."""
        sizes = self.manifest["splits"]
        start = sum(sizes[name] for name in SPLITS[: SPLITS.index(split)])
        rows = slice(start, start + sizes[split])
        columns = {name: column[rows] for name, column in self.columns.items()}
        return ImageTable(self.images[rows], columns, self.files[rows])


class StaleCacheError(Exception):
    """There is no cache that can be used; the message says why."""


def open_cache(folder: Path, key: CacheKey, build: Callable[[], None], skip_corrupt: bool = False) -> Cache:
    """Opens the cache in ``folder``; has it built first if there is none for ``key``. One process builds, others wait.

    With ``skip_corrupt``, it may be one from which corrupt files were left out.

    Raises:
        DataError: from ``build``; a cache without its corrupt files where ``skip_corrupt`` is False; the folder cannot
            be written.
    """
    try:
        try:
            cache = load(folder, key)
        except StaleCacheError:
            with locked(folder, key.title):
                try:
                    cache = load(folder, key)  # the process that we waited for has built it
                except StaleCacheError as stale:
                    rank_zero_info(f"{key.title}: decoding the images, because {stale}")
                    build()
                    cache = load(folder, key)
    except (OSError, StaleCacheError) as error:
        raise DataError(
            f"{folder}: the image cache cannot be written ({error}); set cache_dir to a folder with room that you may "
            "write to"
        ) from error
    if skipped := cache.manifest["skipped"]:
        first = f"{key.root / skipped[0]['file']}: {skipped[0]['reason']}"
        if not skip_corrupt:
            raise corrupt_error(first, len(skipped))
        rank_zero_warn(f"{len(skipped)} corrupt files are left out, listed in {folder / MANIFEST}: {first}")
    return cache


def load(folder: Path, key: CacheKey) -> Cache:
    """Opens a cache that is there.

    Raises:
        StaleCacheError: there is none, it contains something else, or its files are damaged.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
    except FileNotFoundError as error:
        raise StaleCacheError("there is no cache yet") from error
    except (OSError, ValueError, RecursionError) as error:
        raise StaleCacheError(f"the manifest cannot be read ({error})") from error
    for name, value in key.description.items():
        if not isinstance(manifest, dict) or manifest.get(name) != value:
            raise StaleCacheError(f"the {name} changed")
    if manifest.get("digest") != manifest_digest(manifest):
        raise StaleCacheError("the manifest was changed after it was written")
    shape, images, columns = manifest["shape"], folder / manifest["images"], folder / manifest["columns"]
    try:
        status = images.stat()
        if status.st_size != math.prod(shape):
            raise StaleCacheError("the file of images has another size than its manifest says")
        # a file that was copied or written to has another time; reading gigabytes at each start would take seconds
        if status.st_mtime_ns != manifest["modified"] and checksum(images) != manifest["checksums"]["images"]:
            raise StaleCacheError("the file of images was changed after it was written")
        if checksum(columns) != manifest["checksums"]["columns"]:
            raise StaleCacheError("the file of columns was changed after it was written")
        with np.load(columns, allow_pickle=False) as arrays:
            values = [*torch.from_numpy(arrays["columns"].astype(np.int64)), *torch.from_numpy(arrays["fractions"])]
            files = arrays["files"].tobytes().decode(errors="surrogateescape").split("\0")
        flat = map_bytes(images, math.prod(shape))
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, RuntimeError) as error:
        raise StaleCacheError(f"its files cannot be read ({error})") from error
    files = [name for name in files for _ in range(manifest["images_per_file"])]
    return Cache(flat.view(shape), dict(zip(manifest["column_names"], values, strict=True)), files, manifest)


def checksum(path: Path) -> int:
    """CRC-32 of a file that is not empty: against damage, not against malice.

    Raises:
        OSError, ValueError: the file cannot be read.
    """
    return zlib.crc32(np.memmap(path, np.uint8, mode="r"))


def manifest_digest(manifest: dict) -> str:
    """SHA-256 of a manifest without its ``digest``."""
    content = {name: value for name, value in manifest.items() if name != "digest"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def corrupt_error(first: str, count: int) -> DataError:
    """The error of one or more corrupt files; it names the first of them."""
    more = f", the first of {count} corrupt files" if count > 1 else ""
    return DataError(f"{first}{more}. Replace the file, or leave such files out with skip_corrupt: true")


def locked(folder: Path, title: str) -> AcquireReturnProxy:
    """Takes the lock of a cache's folder, for a ``with``. The system releases it when the process dies.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK)
    try:
        return lock.acquire(timeout=0)
    except Timeout:
        rank_zero_info(f"{title}: another process is building the cache in {folder}; waiting for it")
        return lock.acquire()


_mapped: dict[Path, int] = {}
_warned: set[Path] = set()


def map_bytes(path: Path, size: int) -> Tensor:
    """The first ``size`` bytes of a file, uint8 ``(size,)``. Writing to the tensor does not change the file."""
    flat = torch.from_file(str(path), shared=False, size=size, dtype=torch.uint8)
    _mapped[path.absolute()] = size
    return flat


def check_mapped() -> None:
    """Checks all files that this process has mapped, and warns once of one that was removed.

    Raises:
        DataError: a file is now shorter than its mapped part.
    """
    for path, size in _mapped.items():
        try:
            present = path.stat().st_size
        except OSError:
            if path not in _warned:
                rank_zero_warn(
                    f"{path}: removed while it is in use. This process keeps its images to the end; another process "
                    "or a resumed run will need them again"
                )
            _warned.add(path)
            continue
        if present < size:
            raise DataError(
                f"{path}: cut from {size:,} to {present:,} bytes while it is in use; delete it, it is rebuilt"
            )
