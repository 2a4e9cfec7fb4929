"""The UCI handwritten digits that scikit-learn carries: 1,797 real 8×8 images, no network needed."""

import torch
from sklearn.datasets import load_digits
from torchvision.transforms.v2 import functional as transforms

from datamodules.base import GroupDataModule, split_rows
from datamodules.table import ImageTable


class DigitsDataModule(GroupDataModule):
    """UCI digits (Alpaydin & Kaynak 1998), resized to ``image_size`` with antialiased bilinear interpolation.

    Columns: ``label`` (0-9). Splits, cut once with a fixed seed: 360 test, 180 validation, 1,257 training images.
    The arguments are those of ``GroupDataModule``; ``root`` is not used.
    """

    def __init__(self, root: str = "data/digits", **kwargs) -> None:
        super().__init__(root, **kwargs)

    def read_split(self, split: str) -> ImageTable:
        digits = load_digits()
        images = torch.from_numpy(digits.images * (255 / 16)).round().to(torch.uint8).unsqueeze(1)
        size = [self.image_size, self.image_size]
        table = ImageTable(transforms.resize(images, size), {"label": torch.from_numpy(digits.target)})
        development, test = split_rows(len(table), 360, seed=0)
        kept, held_out = split_rows(len(development), 180, seed=0)
        return table.subset({"train": development[kept], "val": development[held_out], "test": test}[split])
