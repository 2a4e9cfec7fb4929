"""The running record of ELBO terms. Axes: G groups, B images."""

import math

import pytest
import torch
from torch import Tensor

from ugvae.models import ELBO
from ugvae.models.metrics import TermMeter, mean_terms


def make_elbo(groups: int = 2, size: int = 3, **replaced: float) -> ELBO:
    """Random terms; ``name=value`` overwrites one entry, the last, of that term."""
    terms = {name: torch.rand(groups, size) for name in ("reconstruction", "kl_z", "kl_d")}
    terms["kl_beta"] = torch.rand(groups)
    for name, value in replaced.items():
        terms[name].view(-1)[-1] = value
    return ELBO(**terms)


def indices(step: int = 0) -> Tensor:
    return torch.arange(6).view(2, 3) + 10 * step


def test_means_over_steps_groups_and_images() -> None:
    meter, steps = TermMeter(ELBO._fields), [make_elbo() for _ in range(5)]
    for elbo in steps:
        meter.push(mean_terms(elbo, ELBO._fields), indices())
    means, bad = meter.flush()
    assert bad is None
    for name in ELBO._fields:
        assert means[name] == pytest.approx(torch.stack([getattr(elbo, name) for elbo in steps]).double().mean().item())
    per_image = torch.stack([elbo.total for elbo in steps]).mean().item() / 3
    assert means["elbo"] == pytest.approx(per_image, abs=1e-6)
    expected = means["reconstruction"] - means["kl_z"] - means["kl_d"] - means["kl_beta"] / 3
    assert means["elbo"] == pytest.approx(expected, abs=1e-6)


def test_steps_count_by_their_groups() -> None:
    meter, sizes = TermMeter(ELBO._fields), (4, 4, 1)  # a short last batch
    steps = [make_elbo(groups) for groups in sizes]
    for elbo, groups in zip(steps, sizes, strict=True):
        meter.push(mean_terms(elbo, ELBO._fields), torch.zeros(groups, 3, dtype=torch.int64))
    means, _ = meter.flush()
    whole = ELBO(*(torch.cat(terms) for terms in zip(*steps, strict=True)))
    for name, term in whole._asdict().items():
        assert means[name] == pytest.approx(term.mean().item(), abs=1e-6)
    assert means["elbo"] == pytest.approx(whole.total.mean().item() / 3, abs=1e-6)


def test_flush_empties() -> None:
    meter = TermMeter(ELBO._fields)
    assert meter.flush() == ({}, None)
    meter.push(mean_terms(make_elbo(reconstruction=math.nan), ELBO._fields), indices())
    assert meter.flush()[1] is not None
    assert meter.flush() == ({}, None)
    second = make_elbo(1)  # of another size than before
    meter.push(mean_terms(second, ELBO._fields), indices()[:1])
    means, bad = meter.flush()
    assert bad is None
    assert means["kl_z"] == pytest.approx(second.kl_z.mean().item())


@pytest.mark.parametrize("name", ELBO._fields)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_one_bad_entry_is_found_and_named(name: str, value: float) -> None:
    meter = TermMeter(ELBO._fields)
    for step in range(5):
        bad_here = {name: value} if step == 1 else {}
        meter.push(mean_terms(make_elbo(**bad_here), ELBO._fields), indices(step))
    _, bad = meter.flush()
    assert bad.steps_ago == 3
    assert bad.names == ["elbo", name]
    assert bad.indices == indices(1).flatten().tolist()


def test_first_of_several_bad_steps() -> None:
    meter = TermMeter(ELBO._fields)
    for step, replaced in enumerate([{}, {"kl_beta": math.inf}, {}, {"kl_z": math.nan, "kl_d": math.nan}]):
        meter.push(mean_terms(make_elbo(**replaced), ELBO._fields), indices(step))
    _, bad = meter.flush()
    assert (bad.steps_ago, bad.names) == (2, ["elbo", "kl_beta"])
    assert bad.indices == indices(1).flatten().tolist()


def test_several_bad_terms_and_the_last_step() -> None:
    meter = TermMeter(ELBO._fields)
    meter.push(mean_terms(make_elbo(), ELBO._fields), indices(0))
    meter.push(mean_terms(make_elbo(kl_z=math.nan, kl_d=math.nan), ELBO._fields), indices(1))
    _, bad = meter.flush()
    assert (bad.steps_ago, bad.names) == (0, ["elbo", "kl_z", "kl_d"])


def test_push_never_waits_for_the_device_nor_keeps_the_graph() -> None:
    meter = TermMeter(ELBO._fields)
    on_meta = ELBO(*(term.to("meta") for term in make_elbo()))  # reading a value of a meta tensor raises
    meter.push(mean_terms(on_meta, ELBO._fields), indices().to("meta"))

    meter = TermMeter(ELBO._fields)
    with_graph = ELBO(*(term.requires_grad_() for term in make_elbo()))
    meter.push(mean_terms(with_graph, ELBO._fields), indices())
    assert not any(row.requires_grad for row in meter._rows)


def test_images_per_second(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    meter = TermMeter(ELBO._fields)
    now[0] += 50
    meter.start_clock()
    for _ in range(4):
        meter.push(mean_terms(make_elbo(), ELBO._fields), indices())
    now[0] += 2
    assert meter.flush()[0]["images_per_second"] == pytest.approx(12)
    meter.push(mean_terms(make_elbo(), ELBO._fields), indices())
    now[0] += 3
    assert meter.flush()[0]["images_per_second"] == pytest.approx(2)
