"""MNIST as it is read: splits and sizes. Sources are in test_mnist_sources.py, damaged files in test_bad_mnist.py."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.data.mnist import LABELS, row_in_file, write_mnist
from ugvae.data import decoding
from ugvae.data.table import split_rows
from ugvae.datamodules import mnist_files
from ugvae.errors import ConfigError, DataError


def test_wrong_hash_shows_both_hashes(mnist_root: Path, tiny_mnist: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    actual = write_mnist(mnist_root)[LABELS]
    monkeypatch.setitem(mnist_files.SHA256, LABELS, "0" * 64)
    with pytest.raises(DataError, match=f"SHA-256 {actual}, expected {'0' * 64}"):
        tiny_mnist().table("train")


def test_splits_do_not_move_with_the_seed(mnist_root: Path, tiny_mnist: Callable) -> None:
    write_mnist(mnist_root)
    first, second = (tiny_mnist(seed=seed) for seed in (1, 2))
    for split in ("train", "val", "test"):
        assert torch.equal(first.table(split).images, second.table(split).images)
    assert row_in_file(first.table("val").images).tolist() == split_rows(120, 20, seed=0)[1].tolist()
    assert split_rows(60_000, 5_000, seed=0)[1][:6].tolist() == [1, 3, 47, 49, 80, 83]  # nor with the torch version


def test_training_sees_no_image_of_another_split(mnist_root: Path, tiny_mnist: Callable) -> None:
    write_mnist(mnist_root)
    for part in mnist_root.glob("t10k-*"):
        part.unlink()  # it does not even read them
    data = tiny_mnist()
    held_out, seen = set(row_in_file(data.table("val").images).tolist()), set()
    loader = data.train_dataloader()
    for epoch in range(4):
        loader.sampler.set_epoch(epoch)
        for batch in loader:
            assert batch["image"].shape == (2, 4, 1, 28, 28)
            assert (batch["image"][..., 0, 0, 0] == 10).all()
            assert torch.equal(batch["label"], row_in_file(batch["image"]) % 10)
            seen |= set(row_in_file(batch["image"]).flatten().tolist())
    assert seen == set(range(120)) - held_out


@pytest.mark.parametrize("image_size", [14, 32])
def test_resize(mnist_root: Path, tiny_mnist: Callable, monkeypatch: pytest.MonkeyPatch, image_size: int) -> None:
    write_mnist(mnist_root)
    monkeypatch.setattr(decoding, "RESIZE_CHUNK", 32)  # not a divisor of 100
    small = tiny_mnist().table("train")
    data = tiny_mnist(image_size=image_size)
    table = data.table("train")
    want = torch.nn.functional.interpolate(
        small.images.float(), size=[image_size, image_size], mode="bilinear", antialias=True
    )
    assert data.image_shape == (1, image_size, image_size)
    assert table.images.dtype == torch.uint8
    assert (table.images.float() - want).abs().max() <= 1  # rounding
    assert torch.equal(table.columns["label"], small.columns["label"])


@pytest.mark.parametrize("num_val", [-1, 0, 120, 5000])
def test_number_of_validation_images_out_of_range(mnist_root: Path, tiny_mnist: Callable, num_val: int) -> None:
    write_mnist(mnist_root)
    with pytest.raises(ConfigError, match=r"^num_val: "):
        tiny_mnist(num_val=num_val).table("train")
