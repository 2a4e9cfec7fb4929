"""Group samplers. Axes: G groups, B images."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers.group_tables import epoch_of
from ugvae.data.samplers import RandomGroupSampler, epoch_seed
from ugvae.distributed import distributed_rank
from ugvae.errors import ConfigError

SIZES = {"group_size": st.integers(1, 8), "groups_per_batch": st.integers(1, 4), "num_ranks": st.integers(1, 3)}


@settings(max_examples=60, deadline=None)
@given(num_images=st.integers(0, 200), seed=st.integers(0, 2**40), shuffle=st.booleans(), **SIZES)
def test_ranks_share_an_epoch_without_repeats(
    num_images: int, seed: int, shuffle: bool, group_size: int, groups_per_batch: int, num_ranks: int
) -> None:
    smallest = group_size * num_ranks * (groups_per_batch if shuffle else 1)  # images of the smallest step
    arguments = (num_images, group_size, groups_per_batch, seed, shuffle)
    if num_images < smallest:
        with pytest.raises(ConfigError, match=f"^group_size.* {smallest} images.* {num_images}$"):
            RandomGroupSampler(*arguments, rank=0, num_ranks=num_ranks)
        return
    samplers = [RandomGroupSampler(*arguments, rank=rank, num_ranks=num_ranks) for rank in range(num_ranks)]
    for sampler in samplers:
        batches = list(sampler)
        assert len(batches) == len(sampler)
        assert {batch.shape for batch in batches[:-1]} <= {(groups_per_batch, group_size)}
        assert batches[-1].shape[1] == group_size
        assert 1 <= len(batches[-1]) <= groups_per_batch
        assert len(batches[-1]) == groups_per_batch or not shuffle
    epochs = [epoch_of(sampler, 1) for sampler in samplers]
    assert len({len(groups) for groups in epochs}) == 1  # no rank waits for another
    seen = torch.cat(epochs).flatten()
    assert seen.unique().numel() == seen.numel()  # no image twice, in one rank or in two
    assert num_images - seen.numel() < smallest  # only what does not fill a step is left out
    assert seen.min() >= 0
    assert seen.max() < num_images


def test_last_batch_is_short_without_shuffle_alone() -> None:
    sizes = [[len(batch) for batch in RandomGroupSampler(30, 4, 3, shuffle=shuffle)] for shuffle in (True, False)]
    assert sizes == [[3, 3], [3, 3, 1]]  # 7 whole groups
    assert [len(batch) for batch in RandomGroupSampler(11, 4, 3, shuffle=False)] == [2]
    assert [len(batch) for batch in RandomGroupSampler(24, 4, 3, shuffle=False)] == [3, 3]  # and none that is empty


@pytest.mark.parametrize("groups_per_batch", [1, 2, 3, 4, 7])
@pytest.mark.parametrize(("num_images", "num_groups"), [(24, 6), (27, 6), (48, 12)])
def test_evaluation_sees_the_same_groups_whatever_the_batches_and_ranks(
    num_images: int, num_groups: int, groups_per_batch: int
) -> None:
    order = epoch_of(RandomGroupSampler(num_images, 4, 1, seed=3, shuffle=False), 0).tolist()
    assert len(order) == num_groups
    assert len({image for group in order for image in group}) == 4 * num_groups
    options = {"groups_per_batch": groups_per_batch, "seed": 3, "shuffle": False}
    one = RandomGroupSampler(num_images, 4, **options)
    assert one.groups_per_rank == num_groups
    assert epoch_of(one, 5).tolist() == order
    two = [RandomGroupSampler(num_images, 4, rank=rank, num_ranks=2, **options) for rank in range(2)]
    assert [epoch_of(sampler, 5).tolist() for sampler in two] == [order[0::2], order[1::2]]


def test_ranks_leave_out_the_group_that_only_some_would_get() -> None:
    options = {"groups_per_batch": 2, "shuffle": False}
    order = epoch_of(RandomGroupSampler(28, 4, **options), 0).tolist()
    two = [epoch_of(RandomGroupSampler(28, 4, rank=rank, num_ranks=2, **options), 0).tolist() for rank in range(2)]
    assert two == [order[0:6:2], order[1:6:2]]  # 7 groups: equal steps on both ranks, the seventh on none


def test_training_ranks_share_the_groups_of_one_process() -> None:
    one = epoch_of(RandomGroupSampler(48, 4, 4, seed=3), 2)
    two = [epoch_of(RandomGroupSampler(48, 4, 2, seed=3, rank=rank, num_ranks=2), 2) for rank in range(2)]
    by_batch = [groups.unflatten(0, (-1, 2)) for groups in two]  # batch by batch
    assert torch.equal(torch.cat(by_batch, 1).flatten(0, 1), one)


@pytest.mark.parametrize("shuffle", [True, False])
def test_groups_that_span_ranks_are_those_of_one_process_with_larger_groups(shuffle: bool) -> None:
    options = {"groups_per_batch": 2, "seed": 3, "shuffle": shuffle}
    one = RandomGroupSampler(75, 12, **options)
    three = [RandomGroupSampler(75, 4, span=True, rank=rank, num_ranks=3, **options) for rank in range(3)]
    assert {len(sampler) for sampler in three} == {len(one)}
    assert torch.equal(torch.cat([epoch_of(sampler, 2) for sampler in three], 1), epoch_of(one, 2))


def test_spanning_groups_that_the_images_do_not_fill() -> None:
    with pytest.raises(ConfigError, match=r"4 × 2 on 3 process\(es\) needs 24 images, the split has 23"):
        RandomGroupSampler(23, 4, 2, span=True, rank=0, num_ranks=3)


def test_every_image_is_drawn_when_sizes_divide() -> None:
    assert epoch_of(RandomGroupSampler(24, 4, 2), 0).flatten().sort().values.tolist() == list(range(24))


def test_images_left_out_differ_between_epochs() -> None:
    sampler = RandomGroupSampler(23, 4, 2)
    left_out = {frozenset(range(23)) - frozenset(epoch_of(sampler, epoch).flatten().tolist()) for epoch in range(5)}
    assert len(left_out) > 1


def test_groups_are_new_in_every_epoch() -> None:
    sampler = RandomGroupSampler(40, 4, 2)
    groups = [{frozenset(group) for group in epoch_of(sampler, epoch).tolist()} for epoch in (0, 1)]
    assert not groups[0] & groups[1]


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
