"""Groups of images that are alike in statistics of their pixels. Axes: N groups, B images, M rows, S statistics."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ugvae.data import similar_groups
from ugvae.data.similar_groups import SimilarGroupSampler
from ugvae.errors import ConfigError

B = 4
QUARTERS = torch.tensor([0.25, 0.5, 0.75])


def make_sampler(values: Tensor, group_size: int = B, groups_per_batch: int = 2, **options) -> SimilarGroupSampler:
    names = [f"s{number}" for number in range(values.shape[1])]
    return SimilarGroupSampler(
        values, names, group_size=group_size, groups_per_batch=groups_per_batch, **{"seed": 3, **options}
    )


def uniform(num_images: int, num_statistics: int = 1) -> Tensor:
    return torch.rand(num_images, num_statistics, dtype=torch.float64)


def ranks(values: Tensor) -> Tensor:
    """Places of (M, S) in the order of each statistic; no two are equal."""
    return values.argsort(0).argsort(0)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@settings(max_examples=60, deadline=None)
@given(
    num_images=st.integers(8, 200),
    num_statistics=st.integers(1, 3),
    levels=st.integers(2, 1000),
    group_size=st.integers(1, 8),
    random_share=st.floats(0, 0.99),
    widest_window=st.floats(1e-6, 1),
    num_ranks=st.integers(1, 3),
    span=st.booleans(),
    shuffle=st.booleans(),
    seed=st.integers(0, 2**40),
)
def test_groups_of_all_ranks(
    num_images: int,
    num_statistics: int,
    levels: int,
    group_size: int,
    random_share: float,
    widest_window: float,
    num_ranks: int,
    span: bool,
    shuffle: bool,
    seed: int,
) -> None:
    values = (uniform(num_images, num_statistics) * levels).floor()
    values[0], values[-1] = 0, levels
    options = {"random_share": random_share, "widest_window": widest_window, "shuffle": shuffle, "seed": seed}
    options |= {"group_size": group_size, "groups_per_batch": 1}
    size = group_size * (num_ranks if span else 1)
    if num_images // size < (1 if span else num_ranks):
        with pytest.raises(ConfigError, match=r"^group_size × groups_per_batch"):
            make_sampler(values, span=span, num_ranks=num_ranks, rank=0, **options)
        return
    whole = make_sampler(values, **{**options, "group_size": size})
    whole.set_epoch(2)
    groups = torch.cat(list(whole))
    assert groups.shape == (num_images // size, size)
    assert all(len(set(group)) == size for group in groups.tolist())
    assert 0 <= groups.min() <= groups.max() < num_images
    parts = []
    for rank in range(num_ranks):
        sampler = make_sampler(values, span=span, num_ranks=num_ranks, rank=rank, **options)
        sampler.set_epoch(2)
        parts.append(torch.cat(list(sampler)))
    together = torch.cat(parts, 1) if span else torch.stack(parts, 1).flatten(0, 1)
    assert torch.equal(together, groups[: len(together)])
    assert len(groups) - len(together) < num_ranks


@pytest.mark.parametrize("widest", [0.05, 1.0])
def test_a_group_of_one_statistic_is_within_its_window(widest: float) -> None:
    values = uniform(2000)
    sampler = make_sampler(values, widest_window=widest)
    groups, widths = sampler.draw_similar(500, generator())
    places = ranks(values)[groups, 0]
    span = places.amax(1) - places.amin(1) + 1
    assert (span <= widths).all()
    assert (span[widths == B] == B).all()
    # the largest of B places out of W minus the smallest has the mean (W + 1)(B − 1)/(B + 1)
    expected = (widths + 1) * (B - 1) / (B + 1)
    assert float((span - 1).sum() / expected.sum()) == pytest.approx(1, abs=0.05)
    assert widths.min() >= B
    assert widths.max() <= widest * 2000
    shares = (widths.double() / B).log() / math.log(widest * 2000 / B)  # uniform, but for the rounding of small widths
    assert torch.allclose(shares.quantile(QUARTERS.double()).float(), QUARTERS, atol=0.08)


def test_every_image_has_its_turn() -> None:
    sampler = make_sampler(uniform(400))
    groups = torch.cat([sampler.draw_similar(100, generator(seed))[0] for seed in range(40)])
    uses = torch.bincount(groups.flatten(), minlength=400) / 40  # 1 on average
    assert uses.min() > 0.2
    assert uses.max() < 2.5


@pytest.mark.parametrize("distances", [2**19, 700])
def test_the_narrowest_group_of_several_statistics_is_the_nearest(
    distances: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(similar_groups, "DISTANCES", distances)
    values = uniform(300, 3) ** 4  # a distance between ranks, not between values
    groups, widths = make_sampler(values, widest_window=1e-9).draw_similar(75, generator())
    assert (widths == B).all()
    places = ranks(values).double()
    nearest = torch.cdist(places, places).topk(B, largest=False).indices.sort(1).values
    assert {tuple(group) for group in groups.sort(1).values.tolist()} <= set(map(tuple, nearest.tolist()))


def test_a_window_of_several_statistics_has_about_its_width() -> None:
    values = uniform(1000, 2)
    sampler = make_sampler(values, group_size=10)
    places = ranks(values).double()
    distance = torch.cdist(places, places)
    nearness = distance.argsort(1).argsort(1)  # of each image, how many others are nearer to it
    groups, widths = sampler.draw_similar(400, generator(1))
    reach = nearness[:, groups].amax(2).amin(0)  # of the farthest, from the image that is nearest to be the middle
    ratio = reach / widths
    for narrow, wide in ((10, 30), (30, 100), (100, 300)):
        assert 0.6 < ratio[(widths >= narrow) & (widths < wide)].mean() < 1.2
    assert reach[widths > 800].double().mean() > 400


@pytest.mark.parametrize("num_statistics", [1, 3])
def test_groups_differ_in_every_statistic_much_more_than_random_ones(num_statistics: int) -> None:
    values = uniform(4000, num_statistics)
    sampler = make_sampler(values, group_size=16, widest_window=0.02)

    def between(groups: Tensor) -> Tensor:
        means = values[groups].mean(1)
        return means.var(0) / values.var(0)

    similar, _ = sampler.draw_similar(250, generator())
    random = torch.randperm(4000)[: 250 * 16].view(250, 16)
    assert (between(random) < 0.1).all()
    assert (between(similar) > 0.6).all()


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5])
@pytest.mark.parametrize("num_ranks", [1, 2])
def test_every_step_has_its_share_of_random_groups(share: float, num_ranks: int) -> None:
    values = uniform(B * 8 * 10)
    options = {"groups_per_batch": 8 // num_ranks, "num_ranks": num_ranks}
    samplers = [
        make_sampler(values, random_share=share, widest_window=1e-9, rank=rank, **options) for rank in range(num_ranks)
    ]
    places = ranks(values)[:, 0]
    for batches in zip(*samplers, strict=True):
        groups = places[torch.cat(batches)]
        random = groups.amax(1) - groups.amin(1) > B - 1
        assert int(random.sum()) == pytest.approx(8 * share, abs=1)
    groups = torch.cat([torch.cat(list(sampler)) for sampler in samplers])
    random = groups[places[groups].amax(1) - places[groups].amin(1) > B - 1]
    assert len(random) == pytest.approx(80 * share, abs=1)
    assert random.unique().numel() == random.numel()  # drawn without replacement


@pytest.mark.parametrize("num_statistics", [1, 2])
def test_ties_do_not_let_the_order_of_the_table_through(num_statistics: int) -> None:
    """A table sorted by class, as a folder of classes is: images of equal statistics are taken at random."""
    label = torch.arange(10).repeat_interleave(40)
    values = (torch.arange(400) % 2).double().unsqueeze(1).repeat(1, num_statistics)
    groups, _ = make_sampler(values, widest_window=1e-9).draw_similar(100, generator())
    pure = (values[groups, 0] == values[groups, 0][:, :1]).all(1)
    assert pure.float().mean() > 0.9
    different = torch.tensor([len(set(group)) for group in label[groups].tolist()])
    assert different.double().mean() == pytest.approx(10 * (1 - 0.9**4), abs=0.25)


def test_statistics_that_say_nothing_are_named() -> None:
    values = uniform(40, 2)
    values[:, 1] = 0.5
    with pytest.raises(ConfigError, match=r"^statistics: s1 is the same for all images of a split; leave it out"):
        make_sampler(values)
    values[:, 1] = math.nan  # the contrast of one pixel
    with pytest.raises(ConfigError, match=r"^statistics: s1 is the same"):
        make_sampler(values)


def test_what_an_epoch_is_made_of_is_announced() -> None:
    sampler = make_sampler(uniform(400, 2), random_share=0.5, widest_window=0.1)
    assert sampler.announcement() == (
        "grouping similar: an epoch is 100 groups of 4, 50 of them random, alike in s0 and s1: from windows of 4 to "
        "40 images"
    )
