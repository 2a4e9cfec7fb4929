"""Anyone's folder of images."""

from pathlib import PurePosixPath

import numpy as np

from ugvae.data.image_files import ImageFilesDataModule
from ugvae.data.listing import HELD_OUT, Listing, numbered, split_by_object
from ugvae.data.module import SPLITS, split_rows, summary
from ugvae.errors import ConfigError, DataError

SPLIT_FOLDERS = {"train": 0, "val": 1, "valid": 1, "validation": 1, "test": 2}
SPLIT_BY = ("image", "folder")


class ImageFolderDataModule(ImageFilesDataModule):
    """Any images below a folder. Column, if there are class folders: ``label``, in the order of their names.

    The first folder below ``root`` (below ``train``, ``val`` and ``test``, if there are these) is the class; images
    outside have label -1. Deeper folders mean nothing.

    Splits: the folders ``train``, ``val`` (or ``valid``, ``validation``) and ``test`` where there is a ``train``; what
    is missing of the others is cut from it, 10 % each. Without ``train``: 80, 10 and 10 %. Cut with a fixed seed.

    Args:
        root: folder of the images.
        channels: 3 for colour, 1 for grey.
        split_by: what a split keeps together: ``image``, or ``folder`` for folders of images of one object.
        **kwargs: those of ``ImageFilesDataModule``.

    Raises:
        ConfigError: ``channels`` or ``split_by`` is none of these.
    """

    title = "Image folder"
    tree = """
  {root}/
    *.jpg, *.png, … ; or <class>/*.jpg ; or train/, val/ and test/ with either in them"""
    source = "it is yours: set data.root to it"
    licence = "yours"

    def __init__(self, root: str = "data/folder", channels: int = 3, split_by: str = "image", **kwargs) -> None:
        if channels not in (1, 3):
            raise ConfigError(f"channels: expected 1 (grey) or 3 (colour), got {channels}")
        if split_by not in SPLIT_BY:
            raise ConfigError(f"split_by: expected one of {', '.join(SPLIT_BY)}, got {split_by!r}")
        self.channels, self.split_by = channels, split_by
        super().__init__(root, **kwargs)

    def options(self) -> dict:
        return {"split_by": self.split_by}

    def describe(self, files: list[str]) -> Listing:
        """Reads classes and splits from the folders.

        Raises:
            DataError: too few images, or some outside of the folders of the splits.
        """
        paths = [PurePosixPath(name) for name in files]
        own_splits = any(path.parts[0] == "train" and len(path.parts) > 1 for path in paths)
        depth = 1 if own_splits else 0
        if own_splits:
            split = self.splits_of_folders(paths)
        elif self.split_by == "folder":
            split = split_by_object(numbered([str(path.parent) for path in paths])[0], f"folders under {self.root}")
        else:
            split = split_by_object(np.arange(len(files)), f"images under {self.root}")
        classes = [path.parts[depth] if len(path.parts) > depth + 1 else "" for path in paths]
        known = sorted(set(classes) - {""})
        if not known:
            return Listing(files, split)
        number = {name: position for position, name in enumerate(known)} | {"": -1}
        return Listing(files, split, {"label": np.array([number[name] for name in classes])}, {"label": known})

    def splits_of_folders(self, paths: list[PurePosixPath]) -> np.ndarray:
        """Splits by the folders train, val and test, of which the last two may be missing.

        Raises:
            DataError: images elsewhere; too few of them for training.
        """
        strangers = [str(path) for path in paths if path.parts[0] not in SPLIT_FOLDERS or len(path.parts) == 1]
        if strangers:
            raise DataError(
                f"{self.root}: {len(strangers):,} images beside the folders train, val and test: {summary(strangers)}"
            )
        split = np.array([SPLIT_FOLDERS[path.parts[0]] for path in paths])
        for number in (2, 1):
            if not (split == number).any():
                train = np.flatnonzero(split == 0)
                held_out = max(1, round(HELD_OUT * len(train)))
                if held_out >= len(train):
                    raise DataError(f"{self.root}: too few images in train to cut a {SPLITS[number]} split from it")
                split[train[split_rows(len(train), held_out, seed=0)[1]]] = number
        return split
