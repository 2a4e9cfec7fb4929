"""Random groups of which each has one change. Axes: N groups, G groups per batch, B images, C channels."""

from itertools import pairwise

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from scipy.ndimage import maximum_filter, minimum_filter
from torch import Tensor

from tests.helpers.group_tables import make_sampler, make_table
from tests.helpers.small_models import quiet_trainer
from ugvae.data.augmented_groups import CHANGES, change_groups, changes_for
from ugvae.data.samplers import GroupLoader
from ugvae.data.statistics import STATISTICS
from ugvae.data.table import GroupDataset
from ugvae.datamodules import DigitsDataModule
from ugvae.errors import ConfigError

AMOUNTS = [-1.0, -0.3, 0.6, 1.0]


def restated(image: np.ndarray, name: str, amount: float) -> np.ndarray:
    """One image (C, H, W) of numbers in [0, 255], changed."""
    channels, height, width = image.shape
    if name == "thickness":
        reach = {28: 1, 64: 2}[height]
        size = (1, 2 * reach + 1, 2 * reach + 1)
        grown = maximum_filter(image, size, mode="constant", cval=-np.inf)
        shrunk = minimum_filter(image, size, mode="constant", cval=np.inf)
        return (1 - abs(amount)) * image + abs(amount) * (grown if amount > 0 else shrunk)
    if name == "shear":
        moved = np.empty_like(image)
        for channel in range(channels):
            for row in range(height):
                places = np.arange(width) - 0.4 * amount * (row - (height - 1) / 2)
                moved[channel, row] = np.interp(places, np.arange(width), image[channel, row])
        return moved
    if name == "contrast":
        return image.mean() + (1 + 0.5 * amount) * (image - image.mean())
    if name == "brightness":
        return (1 + 0.5 * amount) * image
    gains = np.array([1 + 0.3 * amount, 1, 1 - 0.3 * amount])
    return image * gains[:, None, None]


@pytest.mark.parametrize(
    ("name", "shape"),
    [(name, (1, 28, 28)) for name in CHANGES if name != "colour"] + [(name, (3, 64, 64)) for name in CHANGES],
)
def test_changes_are_those_of_one_image_at_a_time(name: str, shape: tuple[int, int, int]) -> None:
    images = torch.randint(256, (len(AMOUNTS), 2, *shape), dtype=torch.uint8)
    changed = change_groups(images, [name], torch.tensor(AMOUNTS).unsqueeze(1))
    assert changed.dtype == torch.uint8
    for group, result, amount in zip(images.double().numpy(), changed, AMOUNTS, strict=True):
        for image, got in zip(group, result, strict=True):
            want = restated(image, name, amount).clip(0, 255)
            assert np.abs(got.double().numpy() - want).max() <= 0.51  # rounded


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 20, 12), (4, 5, 5)])
def test_an_amount_of_zero_changes_nothing(shape: tuple[int, int, int]) -> None:
    images = torch.randint(256, (3, 2, *shape), dtype=torch.uint8)
    names = [name for name in CHANGES if name != "colour" or shape[0] == 3]
    assert torch.equal(change_groups(images, names, torch.zeros(3, len(names))), images)


def test_changes_are_shared_within_a_group_and_differ_between_groups() -> None:
    one = DigitsDataModule().table("train").images[:1]
    images = one.expand(6, 5, -1, -1, -1)
    changed = change_groups(images, changes_for(1, None), 2 * torch.rand(6, 3) - 1)
    assert (changed == changed[:, :1]).all()
    assert len({tuple(group.flatten().tolist()) for group in changed}) == 6


def test_changes_move_their_statistic() -> None:
    images = DigitsDataModule(margin=4).table("train").images[:90].view(3, 30, 1, 28, 28)
    amounts = torch.tensor([[-1.0], [0.0], [1.0]])
    for name, statistic in (("thickness", "thickness"), ("shear", "slant"), ("brightness", "ink")):
        mean = STATISTICS[statistic](change_groups(images, [name], amounts).double() / 255).mean(1)
        assert mean[0] < mean[1] < mean[2], name
    before, after = (STATISTICS["slant"](part.double()) for part in (images, change_groups(images, ["shear"], amounts)))
    assert (after - before).mean(1).tolist() == pytest.approx([-0.4, 0, 0.4], abs=0.03)


def test_defaults_suit_the_channels() -> None:
    assert changes_for(1, None) == ["thickness", "shear", "brightness"]
    assert changes_for(3, None) == ["contrast", "brightness", "colour"]
    assert changes_for(3, ["colour", "thickness"]) == ["thickness", "colour"]  # in the order in which they are made
    with pytest.raises(ConfigError, match=r"^changes: colour needs images of 3 channels, they have 4"):
        changes_for(4, ["colour"])


def amounts_of(num_ranks: int, rank: int, span: bool = False, start: int = 0, seed: int = 3) -> tuple[Tensor, Tensor]:
    """The first row of every group of an epoch (N,) and its amounts (N, 3)."""
    sampler = make_sampler(make_table([96]), "augmented", num_ranks=num_ranks, rank=rank, seed=seed, span=span)
    loader = GroupLoader(GroupDataset(make_table([96])), sampler=sampler)
    loader.load_state_dict({"epoch": 5, "position": start, "batches": len(sampler)})
    batches = list(loader)
    return torch.cat([batch["index"] for batch in batches]), torch.cat([batch["group_change"] for batch in batches])


def test_amounts_belong_to_groups_whatever_the_processes_and_after_a_resume() -> None:
    groups, amounts = amounts_of(1, 0)
    assert amounts.shape == (24, 3)
    assert -1 <= amounts.min() < -0.8
    assert 0.8 < amounts.max() <= 1
    for start in (1, 10, 24):
        if start < 24:
            rest, changes = amounts_of(1, 0, start=start)
            assert torch.equal(rest, groups[start:])
            assert torch.equal(changes, amounts[start:])
    for rank in (0, 1):
        mine, changes = amounts_of(2, rank)
        assert torch.equal(mine, groups[rank::2])
        assert torch.equal(changes, amounts[rank::2])
    assert not torch.equal(amounts_of(1, 0, seed=4)[1], amounts)


def test_all_parts_of_a_group_that_spans_processes_are_changed_alike() -> None:
    (first, changes), (second, others) = (amounts_of(2, rank, span=True) for rank in (0, 1))
    assert torch.equal(changes, others)
    assert not set(first.flatten().tolist()) & set(second.flatten().tolist())


class Watcher(pl.LightningModule):
    """Keeps what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.batches: dict[str, list[dict[str, Tensor]]] = {"train": [], "val": [], "test": []}

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        self.batches["train"].append(batch)
        return self.weight.square().sum()

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        self.batches["val"].append(batch)

    def test_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        self.batches["test"].append(batch)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def test_training_sees_changed_images_and_evaluation_the_untouched() -> None:
    data = DigitsDataModule(group_size=4, groups_per_batch=4, grouping="augmented")
    watcher, trainer = Watcher(), quiet_trainer(max_epochs=2, limit_train_batches=2)
    trainer.fit(watcher, data)
    trainer.test(watcher, data, verbose=False)
    assert all(watcher.batches.values())
    random = DigitsDataModule(group_size=4, groups_per_batch=4)
    for split in ("val", "test"):
        for batch in watcher.batches[split]:
            assert set(batch) == {"image", "index", "label"}
            assert torch.equal(batch["image"], data.table(split).images[batch["index"]])
        first = next(iter(random.loader(split)))
        assert torch.equal(watcher.batches[split][0]["index"], first["index"])
    ink = []
    for batch in watcher.batches["train"]:
        assert set(batch) == {"image", "index", "label"}
        before = data.table("train").images[batch["index"]]
        assert (batch["image"] != before).flatten(1).any(1).all()
        ratio = batch["image"].float().sum((2, 3, 4)) / before.float().sum((2, 3, 4))
        assert (ratio.std(1) < 0.1).all()
        ink += ratio.mean(1).tolist()
    assert np.std(ink) > 0.2  # groups differ, images of a group hardly
    assert all(first != second for first, second in pairwise(ink))
