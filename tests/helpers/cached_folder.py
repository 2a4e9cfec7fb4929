"""Folders of pictures, and what is in their caches."""

from pathlib import Path

from tests.data.pictures import pixel_number
from ugvae.data.table import SPLITS
from ugvae.datamodules import ImageFolderDataModule


def make(root: Path, **settings) -> ImageFolderDataModule:
    """The data of a folder, small, decoded in this process."""
    return ImageFolderDataModule(str(root), **{"image_size": 8, "cache_workers": 1, **settings})


def cache_folder(data: ImageFolderDataModule) -> Path:
    """The one cache of a root."""
    (cache,) = (Path(data.cache_dir) if data.cache_dir else Path(data.root) / ".cache").iterdir()
    return cache


def contents(data: ImageFolderDataModule) -> dict[str, list]:
    """Pictures and labels of each split."""
    return {s: [pixel_number(data.table(s).images), data.table(s).columns["label"].tolist()] for s in SPLITS}


def pictures_of(data: ImageFolderDataModule) -> list[int]:
    """Pictures of all splits, in their order."""
    return sorted(number for pictures, _ in contents(data).values() for number in pictures)
