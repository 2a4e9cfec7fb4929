"""The kinds of group that depend on a column. Axes: G groups, B images."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers.group_tables import epoch_of, make_sampler, make_table
from ugvae.data.groupings import GROUPINGS, OF_ALL_IMAGES, OF_DOMAINS
from ugvae.data.samplers import GroupLoader
from ugvae.data.table import GroupDataset
from ugvae.errors import ConfigError

BY_COLUMN = [kind for kind in GROUPINGS if kind not in (*OF_ALL_IMAGES, "given")]


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(4, 60), min_size=1, max_size=4),
    kind=st.sampled_from(BY_COLUMN),
    group_size=st.integers(1, 4),
    groups_per_batch=st.integers(1, 3),
    num_ranks=st.integers(1, 3),
    shuffle=st.booleans(),
    seed=st.integers(0, 2**40),
)
def test_groups_of_all_ranks(
    sizes: list[int], kind: str, group_size: int, groups_per_batch: int, num_ranks: int, shuffle: bool, seed: int
) -> None:
    table = make_table(sizes)
    options = {"group_size": group_size, "seed": seed, "shuffle": shuffle}
    whole = make_sampler(table, kind, **options)
    groups = epoch_of(whole, 2)
    assert groups.shape == (whole.num_groups, group_size)
    assert all(len(set(group)) == group_size for group in groups.tolist())  # no image twice in a group
    uses = torch.bincount(groups.flatten(), minlength=len(table))
    for value in range(len(sizes)):
        of_value = uses[table.columns["domain"] == value]
        assert of_value.max() - of_value.min() <= 1  # repeated by whole passes
    if kind in ("pure", "attribute"):
        domains = table.columns["domain"][groups]
        assert (domains == domains[:, :1]).all()
    if kind == "attribute":
        assert uses.max() == 1

    per_rank = len(groups) // num_ranks
    steps = per_rank // groups_per_batch if shuffle else math.ceil(per_rank / groups_per_batch)
    for rank in range(num_ranks):
        ranked = {**options, "groups_per_batch": groups_per_batch, "rank": rank, "num_ranks": num_ranks}
        if not steps:
            with pytest.raises(ConfigError, match=r"^group_size × groups_per_batch"):
                make_sampler(table, kind, **ranked)
            continue
        sampler = make_sampler(table, kind, **ranked)
        sampler.set_epoch(2)
        batches = list(sampler)
        assert len(batches) == len(sampler) == steps
        want = groups[: per_rank * num_ranks][rank::num_ranks]  # the ranks share out the groups of one process
        if shuffle:  # batch by batch
            want = torch.cat(groups[: steps * groups_per_batch * num_ranks].split(groups_per_batch)[rank::num_ranks])
        assert torch.equal(torch.cat(batches), want)


@pytest.mark.parametrize("num_ranks", [1, 2])
def test_batches_of_pure_groups_hold_every_domain(num_ranks: int) -> None:
    table = make_table([48, 12])
    for rank in range(num_ranks):
        options = {"group_size": 3, "groups_per_batch": 2, "rank": rank, "num_ranks": num_ranks}
        sampler = make_sampler(table, "pure", **options)
        for epoch in range(3):
            sampler.set_epoch(epoch)
            domains = [table.columns["domain"][batch][:, 0].sort().values.tolist() for batch in sampler]
            assert domains == [[0, 1]] * len(domains)


@pytest.mark.parametrize("kind", BY_COLUMN)
def test_ranks_have_no_image_in_common_until_one_comes_again(kind: str) -> None:
    table = make_table([40, 40])
    ranks = [epoch_of(make_sampler(table, kind, rank=rank, num_ranks=2)) for rank in range(2)]
    assert len(ranks[0]) == len(ranks[1])
    seen = torch.bincount(torch.cat(ranks).flatten(), minlength=80)
    if kind in ("pure", "attribute"):  # of equal domains, no image comes twice
        assert (seen == 1).all()
    else:
        assert seen.sum() == 80


@pytest.mark.parametrize("kind", [*BY_COLUMN, "random", "similar", "augmented"])
def test_groups_are_a_function_of_seed_and_epoch(kind: str) -> None:
    table = make_table([40, 9])
    first, again = make_sampler(table, kind), make_sampler(table, kind)
    later, earlier = epoch_of(first, 7), epoch_of(first, 2)
    torch.manual_seed(99)
    assert torch.equal(epoch_of(again, 2), earlier)
    assert torch.equal(epoch_of(again, 7), later)
    assert not torch.equal(earlier, later)
    assert not torch.equal(epoch_of(make_sampler(table, kind, seed=4), 2), earlier)
    fixed = make_sampler(table, kind, shuffle=False)
    assert torch.equal(epoch_of(fixed, 0), epoch_of(fixed, 3))


@pytest.mark.parametrize("kind", GROUPINGS)
def test_resume_at_every_position_with_every_grouping(kind: str) -> None:
    def loader() -> GroupLoader:
        table = make_table([24, 5])
        return GroupLoader(GroupDataset(table), sampler=make_sampler(table, kind, groups_per_batch=2))

    def rows(loader: GroupLoader) -> list[list[list[int]]]:
        loader.sampler.set_epoch(4)
        return [batch["index"].tolist() for batch in loader]

    want = rows(loader())
    assert len(want) >= 3
    for position in range(len(want) + 1):
        first = loader()
        first.sampler.set_epoch(4)
        batches = iter(first)
        head = [next(batches)["index"].tolist() for _ in range(position)]
        second = loader()
        second.load_state_dict(first.state_dict())
        assert head + rows(second) == want


@pytest.mark.parametrize("kind", OF_DOMAINS)
def test_domains_that_differ_a_thousandfold(kind: str) -> None:
    large, small = 16_000, 16
    table = make_table([large, small])
    sampler = make_sampler(table, kind, group_size=8, groups_per_batch=2)
    groups = epoch_of(sampler)
    assert len(groups) == 2 * large // 8  # one pass over the large one, and as many images of the small one
    uses = torch.bincount(groups.flatten(), minlength=len(table))
    domain = table.columns["domain"]
    assert uses[domain == 1].float().mean() == pytest.approx(large / small, rel=0.05)
    assert (uses[domain == 0] > 0).float().mean() > (0.99 if kind != "proportions" else 0.96)
    assert all(len(set(group)) == 8 for group in groups.tolist())
    assert "domain = 1 (16 images) 1e+03 times" in sampler.announcement()
    assert "one pass over domain = 0 (16,000 images)" in sampler.announcement()


def test_pure_covers_the_largest_domain_once_and_has_its_proportions_exactly() -> None:
    table = make_table([80, 40, 8])
    groups = epoch_of(make_sampler(table, "pure"))
    uses = torch.bincount(groups.flatten(), minlength=128)
    assert (uses[table.columns["domain"] == 0] == 1).all()
    assert torch.bincount(table.columns["domain"][groups[:, 0]]).tolist() == [20, 20, 20]
    weighted = epoch_of(make_sampler(table, "pure", proportions=[0.5, 0.25, 0.25]))
    assert torch.bincount(table.columns["domain"][weighted[:, 0]]).tolist() == [20, 10, 10]


def test_attribute_covers_all_that_fills_a_group() -> None:
    table = make_table([23, 8, 41])
    groups = epoch_of(make_sampler(table, "attribute"))
    assert torch.bincount(table.columns["domain"][groups[:, 0]]).tolist() == [5, 2, 10]
    assert groups.unique().numel() == groups.numel()
    orders = [epoch_of(make_sampler(table, "attribute"), epoch)[:, 0].tolist() for epoch in range(2)]
    assert orders[0] != orders[1]


def test_attribute_pairs_go_by_the_column_asked_for() -> None:
    male = torch.arange(64) % 3 == 0
    table = make_table([32, 32], Male=male.long())
    pairs = epoch_of(make_sampler(table, "attribute", group_size=2, column="Male"))
    assert len(pairs) == 22 // 2 + 42 // 2
    assert (male[pairs[:, 0]] == male[pairs[:, 1]]).all()
    assert 0 < (table.columns["domain"][pairs[:, 0]] == table.columns["domain"][pairs[:, 1]]).float().mean() < 1


def test_attribute_leaves_out_images_whose_value_is_unknown() -> None:
    column = torch.arange(40) % 4 - 1
    groups = epoch_of(make_sampler(make_table([40], Pose=column), "attribute", group_size=5, column="Pose"))
    assert sorted(column[groups[:, 0]].tolist()) == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize("share", [0.5, 0.2])
def test_mixed_honours_the_proportions(share: float) -> None:
    table = make_table([8000, 300])
    groups = epoch_of(make_sampler(table, "mixed", group_size=16, proportions=[1 - share, share]))
    assert len(groups) == int(8000 / 16 / (1 - share))
    counts = table.columns["domain"][groups].sum(1).double()
    error = math.sqrt(share * (1 - share) * 16 / len(groups))
    assert counts.mean() == pytest.approx(16 * share, abs=4.5 * error)
    assert counts.var() == pytest.approx(16 * share * (1 - share), rel=0.25)  # each image on its own: binomial


@pytest.mark.parametrize("concentration", [0.01, 1.0, 1000.0])
def test_proportions_vary_as_a_dirichlet(concentration: float) -> None:
    table = make_table([8000, 8000])
    groups = epoch_of(make_sampler(table, "proportions", group_size=16, concentration=concentration))
    counts = table.columns["domain"][groups].sum(1).double()
    # beta-binomial with both parameters = concentration
    variance = 16 / 4 * (2 * concentration + 16) / (2 * concentration + 1)
    assert counts.mean() == pytest.approx(8, abs=4.5 * math.sqrt(variance / len(counts)))
    assert counts.var() == pytest.approx(variance, rel=0.15)
    pure = ((counts == 0) | (counts == 16)).float().mean()
    assert pure > 0.9 if concentration == 0.01 else pure < 0.2


def test_proportions_keep_the_mean_that_is_given() -> None:
    table = make_table([4000, 4000, 4000])
    groups = epoch_of(make_sampler(table, "proportions", group_size=8, proportions=[0.6, 0.3, 0.1]))
    shares = torch.bincount(table.columns["domain"][groups].flatten()) / groups.numel()
    assert torch.allclose(shares, torch.tensor([0.6, 0.3, 0.1]), atol=0.02)


@pytest.mark.parametrize("kind", ["pure", "attribute"])
def test_any_part_of_an_evaluation_shows_every_value(kind: str) -> None:
    table = make_table([160, 160])
    groups = epoch_of(make_sampler(table, kind, shuffle=False))
    first = table.columns["domain"][groups[:, 0]]
    assert (first[0::2] != first[1::2]).all()
