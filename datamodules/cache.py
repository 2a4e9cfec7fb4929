"""Images decoded once into one memory-mapped file, which all processes then share.

A cache is a folder with three files: ``images-*.bin``, uint8 ``(N, C, H, W)`` ordered by split; ``columns-*.npz``; and
``manifest.json``, which is written last and says what the others must be. Without a manifest that fits there is no
cache, so a build that was cut off at any moment is never mistaken for one.
"""

import json
import math
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from datamodules.base import SPLITS
from datamodules.decoding import Transform
from datamodules.table import ImageTable

VERSION = 1  # of the format and of what decoding does: another one rebuilds
MANIFEST = "manifest.json"


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
    except (OSError, ValueError) as error:
        raise StaleCacheError(f"the manifest cannot be read ({error})") from error
    for name, wanted in key.description.items():
        if not isinstance(manifest, dict) or manifest.get(name) != wanted:
            raise StaleCacheError(f"the {name} changed")
    shape, images = manifest["shape"], folder / manifest["images"]
    try:
        if images.stat().st_size != math.prod(shape):
            raise StaleCacheError("the file of images has another size than its manifest says")
        with np.load(folder / manifest["columns"]) as arrays:
            columns = {name: torch.from_numpy(arrays[name].astype(np.int64)) for name in arrays.files}
        # private and not shared: nothing that is done to the tensor gets back to the file
        flat = torch.from_file(str(images), shared=False, size=math.prod(shape), dtype=torch.uint8)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, RuntimeError) as error:
        raise StaleCacheError(f"its files cannot be read ({error})") from error
    if any(len(column) != shape[0] for column in columns.values()):
        raise StaleCacheError("its columns are of another number of images")
    return Cache(flat.view(shape), columns, manifest)
