"""What beta decides: shares of variance on tables whose components are known, and on models made for it."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.helpers.small_models import make
from tests.helpers.tiny_runs import call, refused, run_of
from ugvae.evaluation.factors import VarianceShares, decode_grid, factors, variance_shares
from ugvae.models import MLVAE, UGVAE, VAE


def test_shares_are_those_of_a_known_random_table() -> None:
    rows, columns, both = torch.randn(400, 1), 2 * torch.randn(1, 400), torch.randn(400, 400)
    shares = variance_shares(rows + columns + both)
    assert (shares.beta, shares.local, shares.both) == pytest.approx((1 / 6, 4 / 6, 1 / 6), abs=0.04)
    assert shares.beta + shares.local + shares.both == pytest.approx(1)
    few = [variance_shares(torch.randn(6, 6)) for _ in range(300)]
    mean = sum(shares.beta for shares in few) / len(few)
    assert mean < 0.1, "noise alone is not taken for an effect of the rows"


def test_parts_alone() -> None:
    rows = torch.arange(5.0).view(5, 1).expand(5, 4)
    assert variance_shares(rows) == VarianceShares(1.0, 0.0, 0.0)
    assert variance_shares(rows.T) == VarianceShares(0.0, 1.0, 0.0)
    assert variance_shares(torch.ones(3, 3)) == VarianceShares(0.0, 0.0, 0.0)
    two = torch.stack([rows, 3 * torch.arange(4.0).expand(5, 4)], -1)  # variances add up over properties
    by_rows, by_columns = torch.arange(5.0).var(), 9 * torch.arange(4.0).var()
    assert variance_shares(two).beta == pytest.approx(float(by_rows / (by_rows + by_columns)))


def test_properties_of_images() -> None:
    light = torch.linspace(0.1, 0.4, 6).view(6, 1, 1, 1, 1).expand(6, 5, 1, 8, 8)
    shares = factors(light)
    assert set(shares) == {"pixels", "brightness", "contrast", "thickness"}
    assert shares["brightness"].beta == pytest.approx(1)
    assert shares["thickness"].sd == 0
    red = torch.zeros(6, 5, 3, 8, 8)
    red[:, :, 0] = torch.rand(5, 1, 1)
    assert factors(red)["warmth"].local == pytest.approx(1)


@pytest.mark.parametrize("kind", [UGVAE, MLVAE])
def test_grid_keeps_component_and_place_of_each_column(kind: type) -> None:
    model = make(kind, double=False)
    beta = torch.randn(10, model.beta_dim)
    seen: list[Tensor] = []
    decode = model.decode
    model.decode = lambda z, b: seen.append(z) or decode(z, b)
    images = decode_grid(model, beta, 7, seed=3)
    assert images.shape[:2] == (10, 7)
    torch.testing.assert_close(images, decode_grid(model, beta, 7, seed=3))
    z = torch.cat(seen[:2])
    if kind is MLVAE:
        torch.testing.assert_close(z, z[:1].expand_as(z))
        return
    prior = model.prior(beta)
    places = (z.unsqueeze(2) - prior.mean.unsqueeze(1)) / (0.5 * prior.log_var.unsqueeze(1)).exp()  # (N, S, K, z_dim)
    alike = (places - places[:1]).abs().amax((0, 3))  # under the right component the place is the same for all betas
    assert (alike.amin(1) < 1e-4).all()


def test_command_writes_shares_beside_the_untrained_network(tmp_path: Path) -> None:
    run = run_of(tmp_path, UGVAE)
    result = call("factors", run, "--betas", "6", "--draws", "5")
    assert set(result["results"]) == {"beta from its prior", "beta of held-out groups", "untrained"}
    for shares in result["results"].values():
        for share in shares.values():
            assert share["beta"] + share["local"] + share["both"] == pytest.approx(1)
    assert (run / "paper" / "factors.png").is_file()
    assert call("factors", run, "--betas", "6", "--draws", "5")["results"] == result["results"]


def test_command_needs_beta(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = run_of(tmp_path, VAE)
    assert "has no beta" in refused(capsys, "factors", "--run", str(run))
