"""Groups that the user has, of any size: every image once in an epoch, padded. Axes: B images."""

from itertools import chain

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from tests.helpers.small_models import make
from ugvae.data.given_groups import GivenGroupSampler
from ugvae.data.groupings import Grouping
from ugvae.data.samplers import GroupLoader
from ugvae.data.table import GroupDataset, ImageTable
from ugvae.datamodules import DigitsDataModule
from ugvae.errors import ConfigError
from ugvae.models import UGVAE

SIZES = [1, 2, 3, 5, 8, 13, 21, 40, 4, 4]


def patients(sizes: list[int]) -> Tensor:
    """The patient of each image, patient p with ``sizes[p]`` images, in an order of no meaning."""
    values = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    return values[torch.randperm(len(values), generator=torch.Generator().manual_seed(2))]


def make_sampler(values: Tensor, group_size: int = 8, groups_per_batch: int = 3, **options) -> GivenGroupSampler:
    options = {"seed": 5, **options}
    return GivenGroupSampler(values, "patient", group_size=group_size, groups_per_batch=groups_per_batch, **options)


def members(sampler: GivenGroupSampler, epoch: int = 0) -> list[list[int]]:
    """The images of each draw of an epoch."""
    sampler.set_epoch(epoch)
    return [group[group >= 0].tolist() for batch in sampler for group in batch]


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("num_ranks", [1, 2, 3])
@pytest.mark.parametrize("groups_per_batch", [1, 3, 16])
def test_every_image_comes_once_in_a_draw_of_its_own_group(
    num_ranks: int, groups_per_batch: int, shuffle: bool
) -> None:
    values = patients(SIZES)
    options = {"groups_per_batch": groups_per_batch, "num_ranks": num_ranks, "shuffle": shuffle}
    samplers = [make_sampler(values, rank=rank, **options) for rank in range(num_ranks)]
    batches = [list(sampler) for sampler in samplers]
    assert {len(own) for own in batches} == {len(samplers[0])}
    draws = [group[group >= 0] for own in batches for batch in own for group in batch]
    assert sorted(torch.cat(draws).tolist()) == list(range(len(values)))
    assert all(len(values[draw].unique()) == 1 for draw in draws)
    by_patient = [sorted(len(draw) for draw in draws if values[draw[0]] == patient) for patient in range(len(SIZES))]
    for size, sizes in zip(SIZES, by_patient, strict=True):
        assert len(sizes) == -(-size // 8)
        assert max(sizes) - min(sizes) <= 1
    for own in batches:
        for batch in own:
            assert (batch >= 0).any(0).all()  # no wider than its largest group
            assert len(batch) <= groups_per_batch + (num_ranks > 1)


def test_draws_are_new_in_every_epoch_and_a_function_of_seed_and_epoch() -> None:
    sampler, again = make_sampler(patients(SIZES)), make_sampler(patients(SIZES))
    first = members(sampler, 3)
    assert {frozenset(draw) for draw in members(sampler, 4)} != {frozenset(draw) for draw in first}
    assert members(again, 3) == first
    evaluation = make_sampler(patients(SIZES), shuffle=False)
    assert members(evaluation, 3) == members(evaluation, 4)


SPREADS = {  # the sizes of 200 groups of 1 to 5,000 images; of the last, most are tiny and one is the largest by far
    "over all orders of magnitude": torch.logspace(0, 3.7, 200),
    "uniform": torch.linspace(1, 5000, 200),
    "few large": 5000 / torch.arange(1, 201),
}


@pytest.mark.parametrize("spread", SPREADS)
@pytest.mark.parametrize("group_size", [16, 128, 1000, 5000])
@pytest.mark.parametrize("num_ranks", [1, 2])
def test_padding_stays_small_for_groups_of_1_to_5000(spread: str, group_size: int, num_ranks: int) -> None:
    values = torch.arange(200).repeat_interleave(SPREADS[spread].long())
    padded = total = 0
    for rank in range(num_ranks):
        for batch in make_sampler(values, group_size, groups_per_batch=8, num_ranks=num_ranks, rank=rank):
            padded += int((batch < 0).sum())
            total += batch.numel()
    assert total - padded == len(values)
    assert padded / total < 0.12


@pytest.mark.parametrize("num_ranks", [1, 3])
def test_steps_hold_draws_of_similar_size_and_follow_from_the_sizes_alone(num_ranks: int) -> None:
    sizes = [*range(1, 60), 400, 1000, 1010, 1020, 4000]
    values = patients(sizes)
    sampler = make_sampler(values, 5000, groups_per_batch=4, num_ranks=num_ranks, rank=0)
    assert sum(sampler.draws_of_steps) == len(sizes)
    assert min(sampler.draws_of_steps) >= num_ranks
    assert max(sampler.draws_of_steps) < (4 + 1) * num_ranks
    assert len(sampler) == len(list(sampler)) == len(list(sampler))
    if num_ranks == 1:
        widths = [batch.shape[1] for batch in sampler]
        assert sorted(widths)[-3:] == [400, 1020, 4000]  # each with none of another size
    companions = set()
    for epoch in range(4):
        sampler.set_epoch(epoch)
        companions |= {frozenset(values[batch[:, 0]].tolist()) for batch in sampler}
    assert len(companions) > 1.5 * len(sampler), "the same groups travel together in every epoch"


@pytest.mark.parametrize("shuffle", [True, False])
def test_an_epoch_goes_on_at_any_batch(shuffle: bool) -> None:
    values = patients([1, 2, 3, 5, 8, 130, 210, 400])
    images = ImageTable(torch.zeros(len(values), 1, 1, 1, dtype=torch.uint8))
    loaders = [
        GroupLoader(GroupDataset(images), make_sampler(values, group_size=100, shuffle=shuffle)) for _ in range(2)
    ]
    first = iter(loaders[0])
    next(first), next(first)
    loaders[1].load_state_dict(loaders[0].state_dict())
    rest = [batch["index"] for batch in loaders[1]]
    expected = [batch["index"] for batch in first]
    assert len(rest) == len(loaders[0]) - 2
    assert all(torch.equal(one, other) for one, other in zip(rest, expected, strict=True))


def test_unknown_groups_and_small_ones_are_left_out_and_counted() -> None:
    values = patients(SIZES)
    values[:5] = -1
    sizes = values[values >= 0].bincount()
    sampler = make_sampler(values, min_group_size=4)
    assert sorted(chain(*members(sampler))) == [
        row for row in range(len(values)) if values[row] >= 0 and sizes[values[row]] >= 4
    ]
    small = int(((sizes > 0) & (sizes < 4)).sum())
    assert f"5 images without a value; left out: {small} groups of fewer than 4 images" in sampler.announcement()
    assert "left out" not in make_sampler(patients(SIZES)).announcement()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"min_group_size": 41},
            "min_group_size: 0 groups by 'patient' of 41 or more .* has 10 groups, the largest has 40",
        ),
        ({"num_ranks": 40, "rank": 0}, r"min_group_size: 17 groups .* for 40 process\(es\)"),
        ({"span": True, "num_ranks": 2, "rank": 0}, "span_devices: given groups differ in size"),
    ],
)
def test_what_cannot_be_grouped_is_named(options: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{message}"):
        make_sampler(patients(SIZES), **options)


def test_columns_of_fractions_and_settings_without_effect_are_named() -> None:
    table = ImageTable(torch.zeros(4, 1, 1, 1, dtype=torch.uint8), {"age": torch.rand(4, dtype=torch.float64)})
    with pytest.raises(ConfigError, match=r"^group_column: 'age' holds fractions"):
        Grouping("given", "age").sampler(table, group_size=2, groups_per_batch=1)
    with pytest.raises(ConfigError, match=r"^min_group_size: without effect on random groups"):
        DigitsDataModule(min_group_size=2)
    with pytest.raises(ConfigError, match=r"^min_group_size: expected a whole number > 0"):
        DigitsDataModule(grouping="given", min_group_size=0)


def test_mask_comes_only_with_padding() -> None:
    columns = {"patient": torch.tensor([0, 1, 1]), "age": torch.tensor([1.5, 2.5, 3.5], dtype=torch.float64)}
    dataset = GroupDataset(ImageTable(torch.arange(3, dtype=torch.uint8).view(3, 1, 1, 1), columns))
    assert "mask" not in dataset[torch.tensor([[0], [2]])]
    batch = dataset[torch.tensor([[0, -1], [1, 2]])]
    assert batch["mask"].tolist() == [[True, False], [True, True]]
    assert batch["patient"].tolist() == [[0, -1], [1, 1]]
    assert batch["age"][0, 1].isnan()
    assert batch["image"].flatten(2).squeeze(2)[batch["mask"]].tolist() == [0, 1, 2]


def test_epoch_of_unequal_groups_gives_the_bound_of_the_groups_alone() -> None:
    """From the loader to the model: a padded batch has the posteriors of its groups one by one."""
    values = patients([1, 3, 8, 5])
    images = torch.randint(256, (len(values), 1, 8, 8), dtype=torch.uint8)
    model = make(UGVAE, (1, 8, 8))
    dataset = GroupDataset(ImageTable(images))
    for batch in map(dataset.__getitem__, make_sampler(values, groups_per_batch=4)):
        beta = model.infer(batch["image"], batch.get("mask")).beta
        for number, group in enumerate(batch["index"]):
            alone = model.infer(images[group[group >= 0]].unsqueeze(0)).beta
            assert_close(beta.mean[number], alone.mean[0], rtol=0, atol=1e-10)
