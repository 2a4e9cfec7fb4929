"""The plain restatement of the model, in a process of its own: as research code trains it, with no setting of ours."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from itertools import repeat
from multiprocessing import get_context
from multiprocessing.pool import Pool
from pathlib import Path
from typing import Any, Literal

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader
from torchvision.transforms.functional import to_tensor

from tests.helpers.reference import PlainUGVAE
from ugvae.experiments.bench.images import endless
from ugvae.experiments.bench.steps import SHAPES, SIZES, Backbone
from ugvae.experiments.bench.timing import Device, Run, timed

Feeding = Literal["no feeding", "one image at a time", "decoding JPEGs in the loop"]
BATCHES = 16  # of the made-up table that is fed one image at a time
TIMEOUT = 600  # seconds: a process that was killed never answers
ALLOCATOR = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_")  # what the Makefile sets for this project


def one_at_a_time(arrays: list[Any]) -> Tensor:
    """A batch as a plain script makes it for MNIST: an image object per item, then a tensor."""
    return torch.stack([to_tensor(Image.fromarray(array)) for array in arrays])


def decoded(files: list[Path], size: int) -> Tensor:
    """A batch as a plain script makes it for CelebA: every image opened, decoded and resized."""
    images = []
    for file in files:
        with Image.open(file) as image:
            images.append(to_tensor(image.convert("RGB").resize((size, size), Image.Resampling.BILINEAR)))
    return torch.stack(images)


def batches(feeding: Feeding, backbone: Backbone, batch: int, folder: Path) -> Iterator[Tensor]:
    """Float batches (B, C, H, W) of one group each, made in the way of a plain script."""
    shape = SHAPES[backbone]
    if feeding == "no feeding":
        return repeat(torch.rand(batch, *shape))
    if feeding == "one image at a time":
        table = torch.randint(256, (BATCHES * batch, *shape[1:]), dtype=torch.uint8).numpy()
        return endless(DataLoader(table, batch, shuffle=True, drop_last=True, collate_fn=one_at_a_time))
    files = sorted(folder.glob("*.jpg"))
    return endless(DataLoader(files, batch, shuffle=True, collate_fn=lambda some: decoded(some, shape[1])))


@cache
def plain(feeding: Feeding, backbone: Backbone, batch: int, folder: Path, device: Device) -> Run:
    """The step of a plain script. A process keeps one model per feeding."""
    model = PlainUGVAE(SHAPES[backbone], **SIZES[backbone]).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    feed = batches(feeding, backbone, batch, folder)

    def step() -> None:
        loss = model.loss(next(feed).to(device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()

    return timed(step, device)


def plain_seconds(way: tuple, steps: int) -> float:
    """Seconds of so many steps of ``plain(*way)``."""
    return plain(*way)(steps)


@contextmanager
def new_process() -> Iterator[Pool]:
    """Yields a new process without the settings of this project."""
    ours = {name: os.environ.pop(name) for name in ALLOCATOR if name in os.environ}
    with get_context("spawn").Pool(1) as pool:
        os.environ.update(ours)
        yield pool


@contextmanager
def plain_process() -> Iterator[Callable[[tuple, int], float]]:
    """Yields ``plain_seconds``, done in a new process."""
    with new_process() as pool:
        yield lambda way, steps: pool.apply_async(plain_seconds, (way, steps)).get(TIMEOUT)
