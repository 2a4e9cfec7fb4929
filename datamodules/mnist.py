"""MNIST: 70,000 handwritten digits, from files that are there, or fetched."""

from pathlib import Path

from jsonargparse.typing import PositiveInt
from pytorch_lightning.utilities import rank_zero_info

from ugvae.data.decoding import resized
from ugvae.data.listing import read_bytes
from ugvae.data.module import GroupDataModule
from ugvae.data.table import ImageTable, Split, split_rows
from ugvae.datamodules import mnist_files
from ugvae.errors import ConfigError, DataError, check_counts


class MNISTDataModule(GroupDataModule):
    """MNIST (LeCun et al. 1998). Columns: ``label`` (0-9).

    Splits: the official 10,000 test images; ``num_val`` of the 60,000 others, cut with a fixed seed that ``seed`` does
    not move; the rest is for training.

    Args:
        root: folder of the four files; they are fetched if they are missing.
        num_val: number of validation images.
        **kwargs: the settings of ``GroupDataModule``.

    Raises:
        ConfigError: ``num_val`` is out of range.
    """

    title = "MNIST"
    tree = """
  {root}/                           (or MNIST/raw/ in it; each file gzipped or not)
    train-images-idx3-ubyte, train-labels-idx1-ubyte
    t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte"""
    source = """any copy with the original bytes will do. Put the four files there by hand, or run
  `torchvision.datasets.MNIST(root, download=True)` where there is a network, and copy its folder"""
    licence = "CC BY-SA 3.0; by Y. LeCun, C. Cortes and C. J. C. Burges"

    def __init__(self, root: str = "data/mnist", num_val: PositiveInt = 5000, **kwargs) -> None:
        super().__init__(root, **kwargs)
        check_counts(num_val=num_val)
        self.num_val = num_val

    def prepare_data(self) -> None:
        """Fetches the files that are missing; called by the trainer on one process per node.

        Raises:
            DataError: no source has them, or they cannot be written.
        """
        root = Path(self.root)
        missing = [name for name in mnist_files.SHA256 if mnist_files.find(root, name) is None]
        if not missing:
            rank_zero_info(f"MNIST: the files under {root}")
            return
        source, tried = mnist_files.fetch(root, missing)
        if source is None:
            raise self.missing(f"no {', '.join(missing)}", tried)
        rank_zero_info(f"MNIST: from {source}, checked and written to {root}")

    def read_split(self, split: Split) -> ImageTable:
        """Reads and checks two of the four files.

        Raises:
            DataError: a file is missing or not the original.
            ConfigError: ``num_val`` leaves no training image.
        """
        part, arrays = "t10k" if split == "test" else "train", []
        for name in (f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte"):
            if (path := mnist_files.find(Path(self.root), name)) is None:
                raise self.missing(f"no {name} (`prepare_data()` fetches it)")
            try:
                arrays.append(mnist_files.decode_idx(read_bytes(path), name, str(path)))
            except DataError as error:
                raise DataError(f"{error}. Delete this file, and the next run fetches it again.") from error
        images, labels = arrays
        if split != "test":
            if self.num_val >= len(images):
                raise ConfigError(f"num_val: {self.num_val} of {len(images)} images leave none for training")
            rows = split_rows(len(images), self.num_val, seed=0)[0 if split == "train" else 1]
            images, labels = images[rows], labels[rows]
        return ImageTable(resized(images.unsqueeze(1), self.image_size), {"label": labels.long()})
