"""Groups that span two ranks, and the metric that both fill."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.helpers import spanning
from tests.helpers.ranks import Ranks, launched
from tests.helpers.reference import fixed_noise
from tests.helpers.small_models import make
from tests.helpers.spanning import CASES, SHARES, TERMS, as_bound, case
from ugvae.models import UGVAE


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What two ranks found (tests/spanning.py)."""
    return found_by_ranks(tmp_path_factory.mktemp("ranks"), spanning.work)


def found_by_ranks(folder: Path, work: Callable[[], None]) -> list[dict[str, Any]]:
    ranks = Ranks(folder, launched(), work)
    assert ranks.finish() == [0, 0], ranks.printed
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in (0, 1)]


def check_spanning_step(ranks: list[dict[str, Any]], name: str, prior_expert: bool) -> None:
    model, images, z, beta = case(name, prior_expert, span=False)
    with fixed_noise(z, beta):
        elbo = model.elbo(images)
    loss = model.loss(elbo)
    loss.backward()
    steps = [rank["steps"][name, prior_expert] for rank in ranks]
    exact = {"rtol": 0, "atol": 1e-10}
    torch.testing.assert_close(sum(rank["loss"] for rank in steps) / 2, loss.detach(), **exact)
    for term, whole in elbo.items():
        parts = [rank["elbo"][term] for rank in steps]
        joined = sum(parts) if whole.ndim == 1 else torch.cat(parts, 1)
        torch.testing.assert_close(joined, whole.detach(), **exact, msg=term)
    for rank in steps:
        for parameter, value in model.named_parameters():
            torch.testing.assert_close(rank["gradients"][parameter], value.grad, **exact, msg=parameter)


@pytest.mark.parametrize(("name", "prior_expert"), CASES)
def test_groups_that_span_ranks_train_as_in_one_process(ranks: list, name: str, prior_expert: bool) -> None:
    """Two ranks with B images each: loss, terms and gradients of one process with groups of 2 B, in float64."""
    check_spanning_step(ranks, name, prior_expert)


def test_groups_of_unequal_size_train_as_in_one_process(ranks: list) -> None:
    """Four images on one rank and five on the other: the loss is per image of both."""
    torch.manual_seed(3)
    model = make(UGVAE)
    images, mask, z, beta = spanning.masked_groups(model)
    with fixed_noise(z, beta):
        loss = model.loss(model.elbo(images, mask))
    loss.backward()
    exact = {"rtol": 0, "atol": 1e-10}
    torch.testing.assert_close(sum(rank["masked"]["loss"] for rank in ranks) / 2, loss.detach(), **exact)
    for rank in ranks:
        for name, parameter in model.named_parameters():
            torch.testing.assert_close(rank["masked"]["gradients"][name], parameter.grad, **exact, msg=name)


@pytest.mark.slow
def test_compiled_bound_spans_ranks(tmp_path: Path) -> None:
    check_spanning_step(found_by_ranks(tmp_path, spanning.compiled_work), *CASES[0])


def test_means_weigh_the_ranks_by_their_groups(ranks: list) -> None:
    elbo = as_bound(TERMS)
    wanted = {name: value.mean().item() for name, value in elbo.items()}
    wanted["elbo"] = elbo.total.mean().item() / 2
    for rank in ranks:
        means, bad = rank["metered"]
        assert bad is None
        assert means == pytest.approx(wanted, rel=1e-6)


def test_non_finite_step_of_one_rank_is_told_to_all(ranks: list) -> None:
    bad = [rank["spoilt"][1] for rank in ranks]
    last = SHARES[1].stop - 1
    assert bad == [(0, ["elbo", "kl_beta"], [last, last], 1)] * 2
