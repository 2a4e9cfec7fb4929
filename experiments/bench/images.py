"""Made-up images. The time of a step does not depend on what they show; only that of decoding does."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader

from ugvae.data.cache import map_bytes
from ugvae.data.module import GroupDataModule
from ugvae.data.table import ImageTable

GROUP_SIZE = 16  # the project's default, in as many groups as fill the batch
JPEG_SIZE = (178, 218)  # of CelebA's files, in pixels


class NoiseDataModule(GroupDataModule):
    """Uniform noise of shape (C, H, W), in memory, or in a file that is memory-mapped as a large dataset's cache is."""

    def __init__(
        self, num_images: int, batch: int, shape: tuple[int, int, int], file: Path | None = None, **kwargs: Any
    ) -> None:
        self.channels = shape[0]
        groups = {"group_size": GROUP_SIZE, "groups_per_batch": batch // GROUP_SIZE, **kwargs}
        super().__init__("unused", image_size=shape[1], **groups)
        self.num_images, self.batch, self.file = num_images, batch, file

    def read_split(self, split: str) -> ImageTable:
        shape = (self.num_images, *self.image_shape)
        if self.file:
            return ImageTable(map_bytes(self.file, int(np.prod(shape))).view(shape))
        return ImageTable(torch.randint(256, shape, dtype=torch.uint8))

    def endless(self) -> Iterator[dict[str, torch.Tensor]]:
        """Training batches, epoch after epoch."""
        return endless(self.loader("train", shuffle=True))


def endless(loader: DataLoader) -> Iterator[Any]:
    """The batches of a loader, epoch after epoch."""
    while True:
        yield from loader


def write_noise(file: Path, num_images: int, bytes_per_image: int) -> None:
    """Writes a file of so many images, in blocks of the same noise."""
    block = np.random.default_rng(0).integers(0, 256, (min(num_images, 10_000), bytes_per_image), dtype=np.uint8)
    with file.open("wb") as output:
        for start in range(0, num_images, len(block)):
            output.write(block[: num_images - start].data)


def write_jpegs(folder: Path, count: int) -> None:
    """Writes colour JPEGs of the size of CelebA's in pixels and bytes (9 kB): smooth blobs with a little noise."""
    generator = np.random.default_rng(0)
    for number in range(count):
        blobs = Image.fromarray(generator.integers(0, 256, (15, 12, 3), dtype=np.uint8))
        smooth = np.asarray(blobs.resize(JPEG_SIZE, Image.Resampling.BICUBIC), dtype=float)
        pixels = (smooth + generator.normal(0, 4, smooth.shape)).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:06d}.jpg", quality=85)
