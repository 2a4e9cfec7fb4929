"""The bound as a metric: means over steps, images and groups; steps that are not finite. Axes: G groups, B images."""

import math

import pytest
import torch
from torch import Tensor

from ugvae.models import VAE, Bound
from ugvae.models.metrics import BoundMetric, Speed

TERMS = ("reconstruction", "kl_z", "kl_d", "kl_beta")


def make_bound(groups: int = 2, size: int = 3, **replaced: float) -> Bound:
    """Random terms; ``name=value`` overwrites one entry, the last, of that term."""
    terms = {name: torch.rand(groups) if name == "kl_beta" else torch.rand(groups, size) for name in TERMS}
    for name, value in replaced.items():
        terms[name].view(-1)[-1] = value
    return Bound(terms)


def rows(step: int = 0, groups: int = 2) -> Tensor:
    return torch.arange(3 * groups).view(groups, 3) + 10 * step


def test_the_total_adds_what_counts_for_the_bound() -> None:
    bound = make_bound()
    with_others = Bound(bound, beside={"inner_kl": torch.rand(2, 3)})
    expected = (bound["reconstruction"] - bound["kl_z"] - bound["kl_d"]).sum(1) - bound["kl_beta"]
    torch.testing.assert_close(bound.total, expected)
    assert torch.equal(with_others.total, bound.total)
    torch.testing.assert_close(with_others.weighted(kl_z=3.0).total, expected - 2 * bound["kl_z"].sum(1))
    assert with_others.sums().names == ("elbo", *TERMS, "inner_kl")


@pytest.mark.parametrize("groups", [(4, 4, 4), (4, 4, 1)], ids=["whole batches", "a short last batch"])
def test_means_over_steps_groups_and_images(groups: tuple[int, ...]) -> None:
    metric, bounds = BoundMetric(), [make_bound(count) for count in groups]
    for bound, count in zip(bounds, groups, strict=True):
        metric.update(bound.sums(), rows(groups=count))
    assert metric.first_bad_step() is None
    means = metric.compute()
    for name in TERMS:
        assert means[name] == pytest.approx(torch.cat([bound[name] for bound in bounds]).double().mean().item())
    per_image = torch.cat([bound.total for bound in bounds]).double().mean().item() / 3
    assert means["elbo"] == pytest.approx(per_image, abs=1e-6)


def test_nothing_is_left_after_a_reset() -> None:
    metric = BoundMetric()
    metric.update(make_bound(reconstruction=math.nan).sums(), rows())
    assert metric.first_bad_step() is not None
    metric.reset()
    assert metric.first_bad_step() is None
    second = make_bound(1)  # of another size than before
    metric.update(second.sums(), rows(groups=1))
    assert metric.first_bad_step() is None
    assert metric.compute()["kl_z"] == pytest.approx(second["kl_z"].mean().item())


@pytest.mark.parametrize("mask", [None, torch.ones(2, 3, dtype=torch.bool)], ids=["no mask", "a mask"])
def test_groups_that_two_processes_share_count_once(mask: Tensor | None) -> None:
    metric, bound = BoundMetric(ranks_per_group=2), make_bound()
    metric.update(bound.sums(), rows(), mask)
    means = metric.compute()
    assert means["kl_beta"] == pytest.approx(2 * bound["kl_beta"].mean().item())  # each process has half of the term
    assert means["kl_z"] == pytest.approx(bound["kl_z"].mean().item())


def test_saved_state_goes_on_exactly() -> None:
    metric, other = BoundMetric(), BoundMetric()
    for step in range(3):
        metric.update(make_bound(**({"kl_z": math.inf} if step == 1 else {})).sums(), rows(step))
    other.restore(metric.saved_state(), torch.device("cpu"))
    assert other.compute() == metric.compute()
    assert other.first_bad_step() == metric.first_bad_step() is not None


@pytest.mark.parametrize("name", TERMS)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_one_bad_entry_is_found_and_named(name: str, value: float) -> None:
    metric = BoundMetric()
    for step in range(5):
        metric.update(make_bound(**({name: value} if step == 1 else {})).sums(), rows(step))
    bad = metric.first_bad_step()
    assert (bad.steps_ago, bad.terms, bad.rows) == (3, ["elbo", name], rows(1).flatten().tolist())


def test_the_first_of_several_bad_steps() -> None:
    metric = BoundMetric()
    for step, replaced in enumerate([{}, {"kl_beta": math.inf}, {}, {"kl_z": math.nan, "kl_d": math.nan}]):
        metric.update(make_bound(**replaced).sums(), rows(step))
    bad = metric.first_bad_step()
    assert (bad.steps_ago, bad.terms, bad.rows) == (2, ["elbo", "kl_beta"], rows(1).flatten().tolist())


def test_update_never_waits_for_the_device_nor_keeps_the_graph() -> None:
    metric = BoundMetric()
    on_meta = Bound({name: term.to("meta") for name, term in make_bound().items()})  # to read a value raises
    metric.update(on_meta.sums(), rows().to("meta"))
    metric = BoundMetric()
    metric.update(Bound({name: term.requires_grad_() for name, term in make_bound().items()}).sums(), rows())
    assert not any(row.requires_grad for row in metric.rows)


def test_images_per_second(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    speed = Speed()
    now[0] += 50
    speed.start()
    speed.images += 24
    now[0] += 2
    assert speed.images_per_second() == pytest.approx(12)
    speed.start(seconds=3, images=6)  # of an interrupted session
    now[0] += 1
    speed.images += 6
    assert speed.images_per_second() == pytest.approx(3)


def test_speed_leaves_out_padding() -> None:
    model = VAE((1, 4, 4), z_dim=2, backbone="mlp")
    batch = {"image": torch.rand(2, 3, 1, 4, 4), "index": rows()}
    model.training_step(batch, 0)
    assert model.speed.images == 6
    model.training_step({**batch, "mask": torch.tensor([[True, True, True], [True, False, False]])}, 0)
    assert model.speed.images == 6 + 4
