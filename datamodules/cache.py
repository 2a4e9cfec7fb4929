"""Images decoded once into one memory-mapped file, which all processes then share.

A cache is a folder with three files: ``images-*.bin``, uint8 ``(N, C, H, W)`` ordered by split; ``columns-*.npz``; and
``manifest.json``, which is written last and says what the others must be. Without a manifest that fits there is no
cache, so a build that was cut off at any moment is never mistaken for one. It has a digest of its own and checksums of
the others, so neither is one that was changed later.
"""

import hashlib
import json
import math
import zipfile
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from datamodules.base import SPLITS
from datamodules.decoding import Transform
from datamodules.mapped import map_bytes
from datamodules.table import ImageTable

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
