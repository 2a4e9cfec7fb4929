"""A folder of 40 pictures with a cache, for the tests of the cache."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.data.image_folder import write_image_folder
from tests.data.pictures import pixel_number
from ugvae.data import build
from ugvae.data.build import DecodedFiles, decode_files
from ugvae.datamodules import ImageFolderDataModule

SPLITS = ("train", "val", "test")


def write_root(tmp_path: Path) -> Path:
    """Pictures 0 to 39, in two classes."""
    write_image_folder(tmp_path / "images", num_images=40)
    return tmp_path / "images"


def maker(root: Path) -> Callable[..., ImageFolderDataModule]:
    """Makes datamodules of it that decode small and in this process."""
    return partial(ImageFolderDataModule, root=str(root), image_size=16, cache_workers=1, split_by="image")


def count_builds(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of files that were decoded, one for each build."""
    counts = []

    def counted(files: DecodedFiles, *others: object) -> dict[int, str]:
        counts.append(len(files.listing.files))
        return decode_files(files, *others)

    monkeypatch.setattr(build, "decode_files", counted)
    return counts


def cache_folder(data: ImageFolderDataModule) -> Path:
    """The one cache of a root."""
    (cache,) = (Path(data.cache_dir) if data.cache_dir else Path(data.root) / ".cache").iterdir()
    return cache


def contents(data: ImageFolderDataModule) -> dict[str, list]:
    """Pictures and labels of each split."""
    return {s: [pixel_number(data.table(s).images), data.table(s).columns["label"].tolist()] for s in SPLITS}
