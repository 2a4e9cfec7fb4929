"""Milliseconds per training step, in one run: the plain restatement, the batched bound in a bare loop, full Lightning.

``make bench`` runs this on random images: the time of a step does not depend on what the images show. The ways are
timed in turn, round after round, and the medians compared, so that a noisy machine slows all alike. Then the loader
alone, on a memory-mapped table of 64×64 images, against what training of the conv backbone consumes.
"""

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from pytorch_lightning import Callback, Trainer
from pytorch_lightning.loggers import CSVLogger
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms.functional import to_tensor

from datamodules.base import GroupDataModule
from datamodules.table import ImageTable
from tests.reference import PlainUGVAE
from ugvae.callbacks import ElboProgressBar
from ugvae.models import UGVAE

BATCH = 128


class RandomImages(GroupDataModule):
    """Uniform noise in the shape of MNIST."""

    def __init__(self, num_images: int = 20_000, **kwargs):
        super().__init__("unused", **kwargs)
        self.num_images = num_images

    def read_split(self, split: str) -> ImageTable:
        count = self.num_images if split == "train" else BATCH
        return ImageTable(torch.randint(256, (count, *self.image_shape), dtype=torch.uint8))


class MappedImages(GroupDataModule):
    """Random 64×64 colour images in a memory-mapped file, as the cache of a large dataset is."""

    channels = 3

    def __init__(self, file: Path, num_images: int = 20_000, **kwargs):
        super().__init__(str(file.parent), image_size=64, **kwargs)
        self.file, self.num_images = file, num_images
        np.random.default_rng(0).integers(0, 256, (num_images, *self.image_shape), dtype=np.uint8).tofile(file)

    def read_split(self, split: str) -> ImageTable:
        shape = (self.num_images, *self.image_shape)
        return ImageTable(torch.from_numpy(np.memmap(self.file, np.uint8, "c", shape=shape)))


class OneImageAtATime(Dataset):
    """How a plain script feeds MNIST: an image object per item, turned into a tensor, collated by the loader."""

    def __init__(self, table: ImageTable):
        self.images = table.images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> torch.Tensor:
        return to_tensor(Image.fromarray(self.images[index, 0].numpy()))


class StepClock(Callback):
    """Seconds between the first and the last training step."""

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx: int) -> None:
        if batch_idx == 0:
            self.start = time.perf_counter()

    def on_train_end(self, trainer, pl_module) -> None:
        self.seconds = time.perf_counter() - self.start


def time_plain(data: RandomImages, steps: int) -> float:
    model = PlainUGVAE()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    batches = iter(DataLoader(OneImageAtATime(data.table("train")), BATCH, shuffle=True, drop_last=True))
    start = time.perf_counter()
    for _ in range(steps):
        loss = model.loss(next(batches))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()
    return time.perf_counter() - start


def time_bare(data: RandomImages, steps: int) -> float:
    model = UGVAE(data.image_shape)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3, fused=True)
    batches = iter(data.loader("train", shuffle=True))
    start = time.perf_counter()
    for _ in range(steps):
        loss = model.loss(model.elbo_of_batch(next(batches)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return time.perf_counter() - start


def time_lightning(data: RandomImages, steps: int) -> float:
    """Logging every 50 steps, learning-rate schedule and progress bar on."""
    clock, bar = StepClock(), ElboProgressBar()
    bar.show()
    with tempfile.TemporaryDirectory() as folder, Path(os.devnull).open("w") as sink, redirect_stdout(sink):
        trainer = Trainer(
            accelerator="cpu",
            max_steps=steps,
            logger=CSVLogger(folder),
            callbacks=[clock, bar],
            use_distributed_sampler=False,
            limit_val_batches=0,
            enable_checkpointing=False,
            enable_model_summary=False,
        )
        trainer.fit(UGVAE(data.image_shape), data)
    return clock.seconds


def conv_images_per_second(data: MappedImages, steps: int) -> float:
    """The conv backbone with the sizes of CelebA in a bare loop, bfloat16 where autocast allows."""
    model = UGVAE(data.image_shape, backbone="conv", z_dim=20, beta_dim=50, num_components=20)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3, fused=True)
    batches = iter(data.loader("train", shuffle=True))
    for step in range(-2, steps):
        if step == 0:
            start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16):
            loss = model.loss(model.elbo_of_batch(next(batches)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return steps * BATCH / (time.perf_counter() - start)


def loader_images_per_second(data: MappedImages) -> float:
    """One pass of the loader and nothing else."""
    batches = data.loader("train", shuffle=True)
    start = time.perf_counter()
    count = sum(batch["index"].numel() for batch in batches)
    return count / (time.perf_counter() - start)


def bench_loader(rounds: int) -> dict[str, list[float]]:
    """Images per second of the loader and of conv training, in turn."""
    speeds: dict[str, list[float]] = {"loader": [], "conv training": []}
    with tempfile.TemporaryDirectory() as folder:
        data = MappedImages(Path(folder) / "images.bin", group_size=16, groups_per_batch=BATCH // 16)
        for _ in range(rounds):
            speeds["loader"].append(loader_images_per_second(data))
            speeds["conv training"].append(conv_images_per_second(data, steps=8))
    return speeds


WAYS: dict[str, Callable[[RandomImages, int], float]] = {
    "plain restatement, one image at a time": time_plain,
    "batched bound, bare loop": time_bare,
    "Lightning, logging and bar on": time_lightning,
}


def bench_steps(steps: int, rounds: int) -> dict[str, list[float]]:
    """Milliseconds per MNIST step of each way, round by round; a round before the first warms up."""
    data = RandomImages(group_size=16, groups_per_batch=BATCH // 16)
    data.table("train")
    times: dict[str, list[float]] = {name: [] for name in WAYS}
    for round_number in range(-1, rounds):
        for name, way in WAYS.items():
            count = steps if round_number >= 0 else 20
            milliseconds = 1000 * way(data, count) / count
            if round_number >= 0:
                times[name].append(milliseconds)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=100, help="steps per way and round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="also write the result here")
    arguments = parser.parse_args()
    machine = f"{platform.machine()}, {os.cpu_count()} CPUs"
    hardware = f"{machine}, {torch.get_num_threads()} threads, torch {torch.__version__}"

    times = bench_steps(arguments.steps, arguments.rounds)
    medians = {name: statistics.median(values) for name, values in times.items()}
    plain, bare, lightning = medians.values()
    print(f"\nUG-VAE on 28×28, batch {BATCH}; {hardware}\n")
    print("| way | ms per step (median) | min to max | images per second |\n|---|---|---|---|")
    for name, values in times.items():
        speed = 1000 * BATCH / medians[name]
        print(f"| {name} | {medians[name]:.2f} | {min(values):.2f} to {max(values):.2f} | {speed:,.0f} |")
    print(f"\nLightning / bare loop: {lightning / bare:.2f}\nplain / Lightning: {plain / lightning:.2f}")

    speeds = bench_loader(arguments.rounds)
    loader, conv = (statistics.median(values) for values in speeds.values())
    print(f"\n64×64 colour, memory-mapped: loader alone {loader:,.0f} images/s, conv training {conv:,.0f} images/s")
    print(f"loader / conv training: {loader / conv:.0f}")
    if arguments.json:
        content = {"hardware": hardware, "ms_per_step": times, "images_per_second": speeds}
        arguments.json.write_text(json.dumps(content, indent=2))


if __name__ == "__main__":
    main()
