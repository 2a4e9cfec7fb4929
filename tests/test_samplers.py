"""Group samplers and the loader that resumes. Axes: G groups, B images."""

from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from datamodules import DigitsDataModule
from datamodules.samplers import GroupLoader, RandomGroupSampler, distributed_rank, epoch_seed
from datamodules.table import GroupDataset, ImageTable
from ugvae.errors import ConfigError

SIZES = {"group_size": st.integers(1, 8), "groups_per_batch": st.integers(1, 4), "num_ranks": st.integers(1, 3)}


def epoch_of(sampler: RandomGroupSampler, epoch: int) -> Tensor:
    """All indices of one epoch, (batches, G, B)."""
    sampler.set_epoch(epoch)
    return torch.stack(list(sampler))


def make_loader(num_images: int = 45, num_workers: int = 0, seed: int = 3) -> GroupLoader:
    """Batches of 2 groups of 4; five batches of 45 images, five images left out."""
    table = ImageTable(torch.zeros(num_images, 1, 2, 2, dtype=torch.uint8), {"label": torch.arange(num_images)})
    sampler = RandomGroupSampler(num_images, group_size=4, groups_per_batch=2, seed=seed)
    return GroupLoader(
        GroupDataset(table), sampler=sampler, num_workers=num_workers, persistent_workers=num_workers > 0
    )


def labels(loader: GroupLoader, epoch: int) -> list[list[list[int]]]:
    """What one pass over the loader yields."""
    loader.sampler.set_epoch(epoch)
    return [batch["label"].tolist() for batch in loader]


@settings(max_examples=60, deadline=None)
@given(num_images=st.integers(0, 200), seed=st.integers(0, 2**40), shuffle=st.booleans(), **SIZES)
def test_ranks_share_an_epoch_without_repeats(
    num_images: int, seed: int, shuffle: bool, group_size: int, groups_per_batch: int, num_ranks: int
) -> None:
    per_step = group_size * groups_per_batch * num_ranks
    arguments = (num_images, group_size, groups_per_batch, seed, shuffle)
    if num_images < per_step:
        with pytest.raises(ConfigError, match=f"^group_size.* {num_images}$"):
            RandomGroupSampler(*arguments, rank=0, num_ranks=num_ranks)
        return
    samplers = [RandomGroupSampler(*arguments, rank=rank, num_ranks=num_ranks) for rank in range(num_ranks)]
    epochs = [epoch_of(sampler, 1) for sampler in samplers]
    for sampler, batches in zip(samplers, epochs, strict=True):
        assert batches.shape == (len(sampler), groups_per_batch, group_size)
        assert len(sampler) == num_images // per_step
    seen = torch.cat(epochs).flatten()
    assert seen.unique().numel() == seen.numel()  # no image twice, in one rank or in two
    assert num_images - seen.numel() < per_step  # only what does not fill a step is left out
    assert seen.min() >= 0
    assert seen.max() < num_images


def test_every_image_is_drawn_when_sizes_divide() -> None:
    assert epoch_of(RandomGroupSampler(24, 4, 2), 0).flatten().sort().values.tolist() == list(range(24))


def test_images_left_out_differ_between_epochs() -> None:
    sampler = RandomGroupSampler(23, 4, 2)
    left_out = {frozenset(range(23)) - frozenset(epoch_of(sampler, epoch).flatten().tolist()) for epoch in range(5)}
    assert len(left_out) > 1


def test_order_is_a_function_of_seed_and_epoch() -> None:
    first, again = RandomGroupSampler(40, 4, 2, seed=5), RandomGroupSampler(40, 4, 2, seed=5)
    later, earlier = epoch_of(first, 7), epoch_of(first, 2)
    torch.manual_seed(99)  # the global random state plays no part
    assert torch.equal(epoch_of(again, 2), earlier)  # nor do the epochs drawn before
    assert torch.equal(epoch_of(again, 7), later)
    assert not torch.equal(earlier, later)
    assert not torch.equal(epoch_of(RandomGroupSampler(40, 4, 2, seed=6), 2), earlier)


def test_groups_are_new_in_every_epoch() -> None:
    sampler = RandomGroupSampler(40, 4, 2)
    groups = [{frozenset(group) for group in epoch_of(sampler, epoch).flatten(0, 1).tolist()} for epoch in (0, 1)]
    assert not groups[0] & groups[1]


def test_without_shuffle_every_epoch_is_the_same() -> None:
    sampler = RandomGroupSampler(40, 4, 2, shuffle=False)
    assert torch.equal(epoch_of(sampler, 0), epoch_of(sampler, 3))


@given(seeds=st.tuples(st.integers(0, 2**20), st.integers(0, 2**20)), epochs=st.tuples(*[st.integers(0, 10**6)] * 2))
def test_epoch_seeds_do_not_collide(seeds: tuple[int, int], epochs: tuple[int, int]) -> None:
    same = (seeds[0], epochs[0]) == (seeds[1], epochs[1])
    assert (epoch_seed(seeds[0], epochs[0]) == epoch_seed(seeds[1], epochs[1])) == same


def test_rank_comes_from_torch_distributed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert distributed_rank() == (0, 1)
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: 1)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    implicit, explicit = RandomGroupSampler(40, 4, 2), RandomGroupSampler(40, 4, 2, rank=1, num_ranks=2)
    assert torch.equal(epoch_of(implicit, 0), epoch_of(explicit, 0))


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
        assert state == {"epoch": 4, "position": position}
        second = make_loader(num_workers=num_workers)
        second.load_state_dict(state)
        assert second.state_dict() == state  # before the first batch too: a save right after a load loses nothing
        assert head + labels(second, 4) == want
        assert labels(second, 5) == want_next  # the next epoch is whole again


def test_state_of_another_epoch_starts_at_the_beginning() -> None:
    loader = make_loader()
    loader.load_state_dict({"epoch": 4, "position": 5})  # saved at the end of epoch 4
    assert labels(loader, 5) == labels(make_loader(), 5)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_epoch_broken_off_leaves_the_next_one_whole(num_workers: int) -> None:
    loader = make_loader(num_workers=num_workers)
    loader.load_state_dict({"epoch": 0, "position": 2})
    next(iter(loader))
    assert loader.state_dict() == {"epoch": 0, "position": 3}
    assert labels(loader, 1) == labels(make_loader(), 1)
    assert loader.state_dict() == {"epoch": 1, "position": 5}


def test_workers_give_the_batches_of_none() -> None:
    assert labels(make_loader(num_workers=2), 1) == labels(make_loader(), 1)


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


def make_trainer(**options: object) -> pl.Trainer:
    quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    return pl.Trainer(accelerator="cpu", use_distributed_sampler=False, **quiet, **options)


@pytest.mark.parametrize("save_at", [3, 5, 6], ids=["mid-epoch", "end of epoch", "start of epoch"])
def test_trainer_resumes_with_the_batches_that_were_left(tmp_path: Path, save_at: int) -> None:
    groups = {"group_size": 25, "groups_per_batch": 10}  # five steps an epoch
    whole = Recorder(tmp_path / "saved.ckpt", save_at)
    make_trainer(max_epochs=3, limit_val_batches=0).fit(whole, DigitsDataModule(**groups))
    resumed = Recorder()
    make_trainer(max_epochs=3, limit_val_batches=0).fit(
        resumed, DigitsDataModule(**groups), ckpt_path=tmp_path / "saved.ckpt", weights_only=True
    )
    assert len(whole.seen) == 15
    assert resumed.seen == whole.seen[save_at:]


def test_trainer_predicts_the_groups_of_the_test_loader() -> None:
    data = DigitsDataModule(group_size=30, groups_per_batch=3)
    predicted = make_trainer().predict(Recorder(), data)
    want = [batch["index"] for batch in data.test_dataloader()]
    assert len(predicted) == len(want) == 4
    assert all(torch.equal(got, index) for got, index in zip(predicted, want, strict=True))
