"""The loader of groups, which can be saved and resumed. Axes: G groups, B images."""

from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor

from tests.helpers.small_models import quiet_trainer
from ugvae.data.samplers import GroupLoader, RandomGroupSampler
from ugvae.data.table import GroupDataset, ImageTable
from ugvae.datamodules import DigitsDataModule
from ugvae.errors import ConfigError


def make_loader(num_images: int = 45, num_workers: int = 0, seed: int = 3, shuffle: bool = True) -> GroupLoader:
    """Batches of 2 groups of 4; five batches of 45 images, five images left out."""
    table = ImageTable(torch.zeros(num_images, 1, 2, 2, dtype=torch.uint8), {"label": torch.arange(num_images)})
    sampler = RandomGroupSampler(num_images, group_size=4, groups_per_batch=2, seed=seed, shuffle=shuffle)
    return GroupLoader(
        GroupDataset(table), sampler=sampler, num_workers=num_workers, persistent_workers=num_workers > 0
    )


def labels(loader: GroupLoader, epoch: int) -> list[list[list[int]]]:
    """What one pass over the loader yields."""
    loader.sampler.set_epoch(epoch)
    return [batch["label"].tolist() for batch in loader]


@pytest.mark.parametrize("num_workers", [0, 2])
def test_resume_at_every_position_goes_on_alike(num_workers: int) -> None:
    want, want_next = labels(make_loader(), 4), labels(make_loader(), 5)
    assert len(want) == 5
    for position in range(6):
        first = make_loader(num_workers=num_workers)
        first.sampler.set_epoch(4)
        batches = iter(first)
        head = [next(batches)["label"].tolist() for _ in range(position)]
        state = first.state_dict()
        assert state == {"epoch": 4, "position": position, "batches": 5}
        second = make_loader(num_workers=num_workers)
        second.load_state_dict(state)
        assert second.state_dict() == state  # before the first batch too: a save right after a load loses nothing
        assert head + labels(second, 4) == want
        assert labels(second, 5) == want_next  # the next epoch is whole again


def test_state_of_another_epoch_starts_at_the_beginning() -> None:
    loader = make_loader()
    loader.load_state_dict({"epoch": 4, "position": 5, "batches": 5})  # saved at the end of epoch 4
    assert labels(loader, 5) == labels(make_loader(), 5)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_epoch_broken_off_leaves_the_next_one_whole(num_workers: int) -> None:
    loader = make_loader(num_workers=num_workers)
    loader.load_state_dict({"epoch": 0, "position": 2, "batches": 5})
    next(iter(loader))
    assert loader.state_dict() == {"epoch": 0, "position": 3, "batches": 5}
    assert labels(loader, 1) == labels(make_loader(), 1)
    assert loader.state_dict() == {"epoch": 1, "position": 5, "batches": 5}


@pytest.mark.parametrize("position", [0, 2, 5])
@pytest.mark.parametrize(("num_images", "batches"), [(39, 4), (48, 6)])
def test_state_of_epochs_of_another_length_is_refused(num_images: int, batches: int, position: int) -> None:
    loader = make_loader(num_images)
    with pytest.raises(ConfigError, match=f"^group_size.* {batches} batches, .* had 5;"):
        loader.load_state_dict({"epoch": 4, "position": position, "batches": 5})
    assert labels(loader, 4) == labels(make_loader(num_images), 4)  # the loader is as it was


def test_workers_give_the_batches_of_none() -> None:
    assert labels(make_loader(num_workers=2), 1) == labels(make_loader(), 1)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_loader_without_shuffle_ends_with_a_short_batch(num_workers: int) -> None:
    loader = make_loader(num_workers=num_workers, shuffle=False)  # 11 whole groups
    first = labels(loader, 0)
    assert [len(groups) for groups in first] == [2, 2, 2, 2, 2, 1]
    assert len(loader) == 6
    assert len({image for groups in first for group in groups for image in group}) == 44
    assert labels(loader, 1) == first
    loader.load_state_dict({"epoch": 2, "position": 5, "batches": 6})
    assert labels(loader, 2) == first[5:]


class Recorder(pl.LightningModule):
    """Notes the rows it is given; saves a checkpoint after step ``save_at``."""

    def __init__(self, checkpoint: Path | None = None, save_at: int = 0) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.checkpoint, self.save_at = checkpoint, save_at
        self.seen: list[list[int]] = []

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        self.seen.append(batch["index"].flatten().tolist())
        return self.weight.square().sum()

    def validation_step(self, *_: object) -> None:
        pass

    def on_train_batch_end(self, *_: object) -> None:
        if self.global_step == self.save_at:
            self.trainer.save_checkpoint(self.checkpoint)

    def predict_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        return batch["index"]

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


@pytest.mark.parametrize("save_at", [3, 5, 6], ids=["mid-epoch", "end of epoch", "start of epoch"])
def test_trainer_resumes_with_the_batches_that_were_left(tmp_path: Path, save_at: int) -> None:
    groups = {"group_size": 25, "groups_per_batch": 10}  # five steps an epoch
    whole = Recorder(tmp_path / "saved.ckpt", save_at)
    quiet_trainer(max_epochs=3, limit_val_batches=0).fit(whole, DigitsDataModule(**groups))
    resumed = Recorder()
    quiet_trainer(max_epochs=3, limit_val_batches=0).fit(
        resumed, DigitsDataModule(**groups), ckpt_path=tmp_path / "saved.ckpt", weights_only=True
    )
    assert len(whole.seen) == 15
    assert resumed.seen == whole.seen[save_at:]


@pytest.mark.parametrize("changed", [{"groups_per_batch": 5}, {"group_size": 50}])
def test_trainer_does_not_resume_with_other_groups(tmp_path: Path, changed: dict[str, int]) -> None:
    groups = {"group_size": 25, "groups_per_batch": 10}
    quiet_trainer(max_steps=3, limit_val_batches=0).fit(
        Recorder(tmp_path / "saved.ckpt", save_at=3), DigitsDataModule(**groups)
    )
    resumed = Recorder()
    with pytest.raises(ConfigError, match=r"^group_size.* had 5; resume with the settings of the run"):
        quiet_trainer(max_epochs=3, limit_val_batches=0).fit(
            resumed, DigitsDataModule(**groups | changed), ckpt_path=tmp_path / "saved.ckpt", weights_only=True
        )
    assert not resumed.seen


def test_trainer_predicts_the_groups_of_the_test_loader() -> None:
    data = DigitsDataModule(group_size=30, groups_per_batch=3)
    predicted = quiet_trainer().predict(Recorder(), data)
    want = [batch["index"] for batch in data.test_dataloader()]
    assert len(predicted) == len(want) == 4
    assert all(torch.equal(got, index) for got, index in zip(predicted, want, strict=True))
