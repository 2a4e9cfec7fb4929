"""Made-up images: the time of a step does not depend on what they show, only that of decoding does."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms.functional import to_tensor

from ugvae.data.cache import map_bytes
from ugvae.data.module import GroupDataModule
from ugvae.data.table import ImageTable

GROUP_SIZE = 16  # the project's default, in as many groups as fill the batch
JPEG_SIZE = (178, 218)  # of CelebA as it is shipped


class RandomImages(GroupDataModule):
    """Uniform noise in memory."""

    def __init__(self, num_images: int, batch: int, channels: int = 1, image_size: int = 28, **kwargs):
        self.channels = channels
        kwargs = {"group_size": GROUP_SIZE, "groups_per_batch": batch // GROUP_SIZE, **kwargs}
        super().__init__("unused", image_size=image_size, **kwargs)
        self.num_images = num_images

    def read_split(self, split: str) -> ImageTable:
        count = self.num_images if split == "train" else self.group_size * self.groups_per_batch
        return ImageTable(torch.randint(256, (count, *self.image_shape), dtype=torch.uint8))


class MappedImages(RandomImages):
    """The images of a file, memory-mapped as the cache of a large dataset is."""

    def __init__(self, file: Path, num_images: int, batch: int, **kwargs):
        super().__init__(num_images, batch, **kwargs)
        self.file = file

    def read_split(self, split: str) -> ImageTable:
        shape = (self.num_images, *self.image_shape)
        return ImageTable(map_bytes(self.file, int(np.prod(shape))).view(shape))


def write_noise(file: Path, num_images: int, bytes_per_image: int) -> None:
    """A file of so many images, written by blocks: noise, the same in each block."""
    block = np.random.default_rng(0).integers(0, 256, (min(num_images, 10_000), bytes_per_image), dtype=np.uint8)
    with file.open("wb") as output:
        for start in range(0, num_images, len(block)):
            output.write(block[: num_images - start].data)


def write_jpegs(folder: Path, count: int) -> list[Path]:
    """Colour JPEGs of the size of CelebA's, in pixels and bytes (about 9 kB): smooth blobs with a little noise."""
    generator = np.random.default_rng(0)
    files = []
    for number in range(count):
        blobs = Image.fromarray(generator.integers(0, 256, (15, 12, 3), dtype=np.uint8))
        smooth = np.asarray(blobs.resize(JPEG_SIZE, Image.Resampling.BICUBIC), dtype=float)
        pixels = (smooth + generator.normal(0, 4, smooth.shape)).clip(0, 255).astype(np.uint8)
        files.append(folder / f"{number:06d}.jpg")
        Image.fromarray(pixels).save(files[-1], quality=85)
    return files


class OneImageAtATime(Dataset):
    """How a plain script feeds MNIST: an image object per item, turned into a tensor, collated by the loader."""

    def __init__(self, images: Tensor):
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Tensor:
        return to_tensor(Image.fromarray(self.images[index].movedim(0, -1).squeeze(-1).numpy()))


class DecodedInTheLoop(Dataset):
    """How a plain script feeds CelebA: every image decoded and resized whenever it is asked for."""

    def __init__(self, files: list[Path], size: int):
        self.files, self.size = files, size

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Tensor:
        with Image.open(self.files[index]) as image:
            return to_tensor(image.convert("RGB").resize((self.size, self.size), Image.Resampling.BILINEAR))


def endless(loader: DataLoader) -> Iterator[Any]:
    """The batches of a loader, epoch after epoch."""
    while True:
        yield from loader
