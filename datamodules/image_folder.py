"""Anyone's folder of images."""

from pathlib import PurePosixPath
from typing import Literal

import numpy as np

from ugvae.data.image_files import ImageFilesDataModule
from ugvae.data.listing import Listing, hold_out, numbered, split_by_object
from ugvae.data.module import summary
from ugvae.errors import DataError, check_choice

SPLIT_FOLDERS = {"train": 0, "val": 1, "valid": 1, "validation": 1, "test": 2}


class ImageFolderDataModule(ImageFilesDataModule):
    """Any images below a folder. Column, if there are class folders: ``label``, in the order of their names.

    The class is the first folder below ``root`` or below the folders of the splits; images in none have label -1.

    Splits: the folders ``train``, ``val`` (or ``valid``, ``validation``) and ``test``; a missing ``val`` or ``test`` is
    10 % of ``train``. Without ``train``: 80, 10 and 10 %. Cut with a fixed seed.

    Args:
        root: folder of the images.
        channels: 3 for colour, 1 for grey.
        split_by: what a split keeps together: ``image``, or ``folder`` for folders of images of one object.
        **kwargs: the settings of ``ImageFilesDataModule``.
    """

    title = "Image folder"
    tree = """
  {root}/
    *.jpg, *.png, … ; or <class>/*.jpg ; or train/, val/ and test/ with either in them"""
    source = "it is yours: set data.root to it"
    licence = "yours"

    def __init__(
        self, root: str = "data/folder", channels: Literal[3, 1] = 3, split_by: Literal["image", "folder"] = "image",
        **kwargs,
    ) -> None:  # fmt: skip
        check_choice("channels", channels, (1, 3))
        check_choice("split_by", split_by, ("image", "folder"))
        self.channels, self.split_by = channels, split_by
        super().__init__(root, **kwargs)

    def options(self) -> dict:
        return {"split_by": self.split_by}

    def describe(self, files: list[str]) -> Listing:
        """Reads classes and splits from the folders.

        Raises:
            DataError: too few images, or some outside the folders of the splits.
        """
        paths = [PurePosixPath(name) for name in files]
        own_splits = any(path.parts[0] == "train" and len(path.parts) > 1 for path in paths)
        if own_splits:
            split = self.splits_of_folders(paths)
        else:
            objects = [str(path.parent if self.split_by == "folder" else path) for path in paths]
            split = split_by_object(numbered(objects)[0], f"{self.split_by}s under {self.root}")
        depth = 1 if own_splits else 0
        classes = [path.parts[depth] if len(path.parts) > depth + 1 else "" for path in paths]
        names = sorted(set(classes) - {""})
        if not names:
            return Listing(files, split)
        number = {name: position for position, name in enumerate(names)} | {"": -1}
        return Listing(files, split, {"label": np.array([number[name] for name in classes])}, {"label": names})

    def splits_of_folders(self, paths: list[PurePosixPath]) -> np.ndarray:
        """Splits by the folders train, val and test, of which the last two may be missing."""
        strangers = [str(path) for path in paths if path.parts[0] not in SPLIT_FOLDERS or len(path.parts) == 1]
        if strangers:
            raise DataError(
                f"{self.root}: {len(strangers):,} images beside the folders train, val and test: {summary(strangers)}"
            )
        split = np.array([SPLIT_FOLDERS[path.parts[0]] for path in paths])
        for number in (2, 1):
            if not (split == number).any():
                split = hold_out(split, number, f"images under {self.root}/train")
        return split
