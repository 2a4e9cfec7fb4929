"""The UCI handwritten digits that scikit-learn carries: 1,797 real 8×8 images, no network needed."""

import torch
from jsonargparse.typing import NonNegativeInt
from sklearn.datasets import load_digits
from torch.nn.functional import pad

from ugvae.data.decoding import check_margin, resized
from ugvae.data.module import GroupDataModule
from ugvae.data.table import ImageTable, Split, split_rows


class DigitsDataModule(GroupDataModule):
    """UCI digits (Alpaydin & Kaynak 1998), resized to ``image_size`` with antialiased bilinear interpolation.

    Columns: ``label`` (0-9). Splits, cut once with a fixed seed: 360 test, 180 validation, 1,257 training images.

    Args:
        root: not used.
        margin: black pixels on every side, within ``image_size``: the digits fill their 8×8 images, while those of
            MNIST have 4 pixels around them.
        **kwargs: the settings of ``GroupDataModule``.

    Raises:
        ConfigError: a margin that leaves no room for the digit.
    """

    title = "Digits"
    licence = "CC BY 4.0; by E. Alpaydin and C. Kaynak"

    def __init__(self, root: str = "data/digits", margin: NonNegativeInt = 0, **kwargs) -> None:
        self.margin = margin
        super().__init__(root, **kwargs)
        check_margin(margin, self.image_size)

    def relocate(self, root: str, image_size: int) -> None:
        super().relocate(root, image_size)
        check_margin(self.margin, image_size)

    def read_split(self, split: Split) -> ImageTable:
        digits = load_digits()
        images = torch.from_numpy(digits.images * (255 / 16)).round().to(torch.uint8).unsqueeze(1)
        images = pad(resized(images, self.image_size - 2 * self.margin), [self.margin] * 4)
        table = ImageTable(images, {"label": torch.from_numpy(digits.target)})
        development, test = split_rows(len(table), 360, seed=0)
        kept, held_out = split_rows(len(development), 180, seed=0)
        return table.subset({"train": development[kept], "val": development[held_out], "test": test}[split])
