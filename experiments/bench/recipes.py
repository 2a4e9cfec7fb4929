"""The data sets whose time to quality is measured, and the paper's own recipe as a plain script trains it."""

import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from tests.helpers.reference import PlainUGVAE
from ugvae.data.module import GroupDataModule
from ugvae.datamodules import CelebADataModule, MNISTDataModule
from ugvae.datamodules.celeba import ATTRIBUTES, IMAGES, PARTITION
from ugvae.errors import DataError
from ugvae.experiments.bench.held_out import PausedClock, Point, save_points
from ugvae.experiments.bench.plain import decoded, one_at_a_time
from ugvae.experiments.bench.steps import SHAPES, SIZES, Backbone

Data = Literal["mnist", "celeba"]
GROUP = 128  # images of the plain recipe's one group per step
FACES_FOLDER = "faces"
FACES = {"0": 10_000, "1": 1_000, "2": 1_000}  # images of CelebA by split, in the numbers of its own file


@dataclass(frozen=True)
class Recipe:
    """What is trained on a data set.

    Attributes:
        module: makes the data module of a folder; it reads the held-out images of both recipes.
        feed: the float images (B, C, H, W) of what the plain loader holds: arrays, or names of files.
        epochs: of the plain recipe.
        every: steps of ours between two measurements of the bound.
    """

    module: Callable[[str], GroupDataModule]
    backbone: Backbone
    feed: Callable[[list[Any]], Tensor]
    epochs: int
    every: int


RECIPES: dict[Data, Recipe] = {
    "mnist": Recipe(MNISTDataModule, "mlp", one_at_a_time, 8, 100),
    "celeba": Recipe(CelebADataModule, "conv", partial(decoded, size=64), 20, 20),
}


def train_plain(data: Data, root: str, seed: int, epochs: int, steps: int | None, file: Path) -> None:
    """Trains as a plain script does, with Adam at 5e-3, and keeps the bound after every epoch of ``steps`` at most."""
    recipe, module = RECIPES[data], RECIPES[data].module(root)
    torch.manual_seed(seed)
    held_out = module.table("val").images[:]
    images = image_files(root) if data == "celeba" else module.table("train").images[:, 0].numpy()
    loader = DataLoader(images, GROUP, shuffle=True, drop_last=True, collate_fn=recipe.feed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = PlainUGVAE(SHAPES[recipe.backbone], **SIZES[recipe.backbone]).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    points: list[Point] = []
    clock, step = PausedClock(), 0
    clock.start()
    for _ in range(epochs):
        for number, batch in enumerate(loader, start=1):
            loss = model.loss(batch.to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss.item()
            step += 1
            if number == steps:
                break
        clock.pause()
        points.append(clock.point(step, plain_bound(model, held_out)))
        clock.start()
    save_points(points, file)


@torch.no_grad()
def plain_bound(model: PlainUGVAE, images: Tensor) -> float:
    """The bound of held-out images in random groups of 128, nats per image; the same groups and noise at every call."""
    device = next(model.parameters()).device
    model.eval()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        groups = images[torch.randperm(len(images))][: len(images) // GROUP * GROUP].split(GROUP)
        bounds = [-model.loss(group.to(device) / 255) for group in groups]
    model.train()
    return float(torch.stack(bounds).mean())


def image_files(root: str) -> list[Path]:
    """The training images of a folder of CelebA."""
    rows = (line.split() for line in Path(root, PARTITION).read_text().splitlines())
    return [Path(root, IMAGES, name) for name, split in rows if split == "0"]


def link_faces(root: Path, folder: Path) -> Path:
    """A folder of CelebA with the first images of every split, as links; all where there are fewer.

    Raises:
        DataError: CelebA is not there.
    """
    if not (root / PARTITION).is_file() or not (root / ATTRIBUTES).is_file():
        raise DataError(f"{root}: no {PARTITION} and {ATTRIBUTES} of CelebA; --root FOLDER names the place")
    if (folder / PARTITION).is_file():  # the last that is written
        return folder
    rows = [line.split() for line in (root / PARTITION).read_text().splitlines()]
    chosen = {name for split, count in FACES.items() for name in [row[0] for row in rows if row[1] == split][:count]}
    _, header, *attributes = (root / ATTRIBUTES).read_text().splitlines()
    kept = [line for line in attributes if line.split()[0] in chosen]
    (folder / IMAGES).mkdir(parents=True, exist_ok=True)
    for name in sorted(chosen):
        (folder / IMAGES / name).unlink(missing_ok=True)
        (folder / IMAGES / name).symlink_to((root / IMAGES / name).resolve())
    (folder / ATTRIBUTES).write_text("\n".join([str(len(kept)), header, *kept]) + "\n")
    (folder / PARTITION).write_text("".join(f"{name} {split}\n" for name, split in rows if name in chosen))
    return folder


def decoding_seconds(module: GroupDataModule) -> tuple[float, float]:
    """Decodes all images into the cache; seconds by the wall, and of all processors."""

    def processor() -> float:
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return time.process_time() + children.ru_utime + children.ru_stime

    start = time.perf_counter(), processor()
    module.prepare_data()
    return time.perf_counter() - start[0], processor() - start[1]
