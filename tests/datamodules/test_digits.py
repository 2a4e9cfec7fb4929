"""The UCI digits that need no network, and what every datamodule checks."""

import pytest
import torch
from sklearn.datasets import load_digits

from ugvae.data.table import split_rows
from ugvae.datamodules import DigitsDataModule
from ugvae.errors import ConfigError

COUNTS = {"train": 1257, "val": 180, "test": 360}


@pytest.mark.parametrize("image_size", [8, 28, 32])
def test_counts_and_shapes(image_size: int) -> None:
    data = DigitsDataModule(image_size=image_size)
    assert data.image_shape == (1, image_size, image_size)
    for split, count in COUNTS.items():
        table = data.table(split)
        assert len(table) == count
        assert table.images.shape == (count, *data.image_shape)
        assert table.images.dtype == torch.uint8
        assert table.columns["label"].dtype == torch.int64
        assert set(table.columns["label"].tolist()) == set(range(10))
        assert table.images.min() == 0
        assert table.images.max() > 240  # the full range of a byte


def test_margin_frames_the_same_digits() -> None:
    framed, plain = DigitsDataModule(image_size=28, margin=4).table("val"), DigitsDataModule(image_size=20).table("val")
    assert torch.equal(framed.images[..., 4:-4, 4:-4], plain.images)
    assert framed.images.sum() == plain.images.sum()  # nothing but black around them
    assert torch.equal(framed.columns["label"], plain.columns["label"])


@pytest.mark.parametrize("margin", [-1, 4])
def test_margin_without_room_for_the_digit(margin: int) -> None:
    with pytest.raises(ConfigError, match=f"margin: expected 0 to 3, got {margin}"):
        DigitsDataModule(image_size=8, margin=margin)
    data = DigitsDataModule(image_size=28, margin=4)
    with pytest.raises(ConfigError, match="margin"):
        data.relocate("", 8)


def test_splits_hold_every_image_of_scikit_learn_once_with_its_label() -> None:
    digits, data = load_digits(), DigitsDataModule(image_size=8)
    want = sorted((image.tobytes(), int(label)) for image, label in zip(digits.images, digits.target, strict=True))
    got = []
    for split in COUNTS:
        table = data.table(split)
        originals = (table.images[:, 0].double() * 16 / 255).round()  # undoes the scaling of 0-16 to 0-255
        got += zip([image.numpy().tobytes() for image in originals], table.columns["label"].tolist(), strict=True)
    assert sorted(got) == want  # no image is lost or in two splits: the 1,797 are all different
    assert len({image for image, _ in want}) == 1797


def test_splits_do_not_move() -> None:
    digits = load_digits()
    rows = split_rows(1797, 360, seed=0)[1]
    assert rows[:6].tolist() == [10, 14, 21, 22, 26, 27]
    table = DigitsDataModule(image_size=8).table("test")
    assert torch.equal(table.columns["label"], torch.from_numpy(digits.target)[rows])
    assert torch.equal(table.images[:, 0], torch.from_numpy(digits.images * 255 / 16).round().byte()[rows])


def test_seed_moves_the_groups_and_not_the_splits() -> None:
    first, second = DigitsDataModule(seed=1, image_size=8), DigitsDataModule(seed=2, image_size=8)
    for split in COUNTS:
        assert torch.equal(first.table(split).images, second.table(split).images)
    batches = [next(iter(data.train_dataloader()))["index"] for data in (first, second)]
    assert not torch.equal(*batches)


@pytest.mark.parametrize("image_size", [28, 32])
def test_larger_images_are_the_bilinear_interpolation(image_size: int) -> None:
    small, large = (DigitsDataModule(image_size=size).table("val").images for size in (8, image_size))
    want = torch.nn.functional.interpolate(small.float(), size=[image_size, image_size], mode="bilinear")
    assert (large.float() - want).abs().max() <= 1  # rounding


def test_loaders_yield_groups_of_their_own_split() -> None:
    data = DigitsDataModule(group_size=16, groups_per_batch=3, image_size=8)
    groups = {"train": [3] * 26, "val": [3, 3, 3, 2], "test": [3] * 7 + [1]}  # of 78, 11 and 22 whole ones
    for split in groups:
        loader = getattr(data, f"{split}_dataloader")()
        batches = list(loader)
        assert len(loader) == len(batches)
        assert [len(batch["image"]) for batch in batches] == groups[split]
        for batch in batches:
            assert batch["image"].shape[1:] == (16, 1, 8, 8)
            assert batch["image"].dtype == torch.uint8
            assert torch.equal(batch["image"], data.table(split).images[batch["index"]])
            assert torch.equal(batch["label"], data.table(split).columns["label"][batch["index"]])


def test_only_training_groups_change_between_passes() -> None:
    data = DigitsDataModule(image_size=8)
    for loader, changes in ((data.train_dataloader(), True), (data.val_dataloader(), False)):
        passes = []
        for epoch in (0, 1):
            loader.sampler.set_epoch(epoch)
            passes.append(torch.cat([batch["index"] for batch in loader]))
        assert torch.equal(*passes) != changes


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_predict_reads_the_split_asked_for(split: str) -> None:
    data = DigitsDataModule(image_size=8, predict_split=split)
    assert data.predict_dataloader().dataset.table is data.table(split)  # read once


@pytest.mark.parametrize(
    ("name", "value"),
    [("image_size", 0), ("group_size", 0), ("groups_per_batch", -1), ("num_workers", -1), ("predict_split", "dev")],
)
def test_bad_setting_is_named(name: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"^{name}: "):
        DigitsDataModule(**{name: value})


def test_groups_larger_than_the_split_name_the_setting() -> None:
    with pytest.raises(ConfigError, match=r"^group_size .*needs 181 images, the split has 180"):
        DigitsDataModule(group_size=181, groups_per_batch=4, image_size=8).val_dataloader()
    with pytest.raises(ConfigError, match=r"^group_size .*needs 1300 images, the split has 1257"):
        DigitsDataModule(group_size=325, groups_per_batch=4, image_size=8).train_dataloader()


def test_split_smaller_than_a_batch_is_evaluated_on_the_groups_it_has() -> None:
    (batch,) = DigitsDataModule(group_size=50, groups_per_batch=4, image_size=8).val_dataloader()
    assert batch["image"].shape == (3, 50, 1, 8, 8)
