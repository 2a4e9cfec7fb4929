"""What beta decides: shares of variance on tables whose components are known, and on models made for it."""

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.helpers.refusals import refused
from tests.helpers.small_models import make
from tests.helpers.tiny_runs import call, run_of
from ugvae.data.table import ImageTable
from ugvae.distributions import DiagonalGaussian
from ugvae.errors import ConfigError
from ugvae.evaluation.factors import (
    FIXED,
    HELD_OUT,
    Decided,
    VarianceShares,
    beta_decides,
    decode_grid,
    factors,
    variance_shares,
)
from ugvae.evaluation.judges import fit_judge
from ugvae.evaluation.results import from_json, to_json
from ugvae.models import MLVAE, UGVAE, VAE
from ugvae.models.bound import Posterior


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
    sd = pytest.approx(float(rows.double().flatten().std()))
    assert variance_shares(rows) == VarianceShares(1.0, 0.0, 0.0, sd)
    assert variance_shares(rows.T) == VarianceShares(0.0, 1.0, 0.0, sd)
    two = torch.stack([rows, 3 * torch.arange(4.0).expand(5, 4)], -1)  # variances add up over properties
    by_rows, by_columns = torch.arange(5.0).var(), 9 * torch.arange(4.0).var()
    assert variance_shares(two).beta == pytest.approx(float(by_rows / (by_rows + by_columns)))


def test_properties_of_images() -> None:
    light = torch.linspace(0.1, 0.4, 6).view(6, 1, 1, 1, 1).expand(6, 5, 1, 8, 8)
    shares = factors(light)
    assert set(shares) == {"pixels", "brightness", "contrast", "thickness"}
    assert shares["brightness"].beta == pytest.approx(1)
    assert shares["thickness"] == VarianceShares(sd=0.0), "no share of nothing"
    assert shares["pixels"].sd == pytest.approx(float(light[:, :, 0, 0, 0].std()), rel=1e-3)
    assert shares["brightness"].beta_sd == pytest.approx(shares["brightness"].sd)
    faint = factors(0.4 + 1e-6 * torch.randn(6, 5, 1, 8, 8))
    assert all(share.beta is None and share.sd < 0.002 for share in faint.values())
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


class ByHand(nn.Module):
    """Beta is the brightness of a group, z the image; if it ``obeys``, z lacks the brightness that beta gives back."""

    beta_dim, z_dim, num_components, dtype, device = 1, 64, 0, torch.float32, "cpu"

    def __init__(self, obeys: bool) -> None:
        super().__init__()
        self.obeys = obeys

    def infer(self, images: Tensor) -> Posterior:
        images = images / 255
        beta = images.mean((1, 2, 3, 4)).unsqueeze(1)
        z = images.flatten(2) - (beta.unsqueeze(1) if self.obeys else 0.0)
        return Posterior(DiagonalGaussian(z, z), None, DiagonalGaussian(beta, beta))

    def decode(self, z: Tensor, beta: Tensor) -> Tensor:
        return (z + (beta.unsqueeze(1) if self.obeys else 0.0)).unflatten(2, (1, 8, 8)).clamp(0, 1)


def bright_and_dark() -> tuple[ImageTable, Tensor]:
    """Images of four shapes, each with marks of its own, and groups of all four ``(8, 4)``, from dark to bright."""
    shapes = torch.zeros(4, 1, 8, 8)
    for number in range(4):
        shapes[number, 0, 2 * number : 2 * number + 2] = 1
    level, marks = torch.linspace(20, 80, 8), torch.randn(8, 4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    marks = marks - marks.mean((-1, -2), keepdim=True)
    images = (level.view(8, 1, 1, 1, 1) + 100 * shapes + 5 * marks).flatten(0, 1).clamp(0, 255).to(torch.uint8)
    return ImageTable(images, {"label": torch.arange(4).repeat(8)}), torch.arange(32).view(8, 4)


@pytest.mark.parametrize("obeys", [True, False])
def test_fixed_z_under_held_out_betas(obeys: bool) -> None:
    table, groups = bright_and_dark()
    judge = fit_judge(table.images, table.columns["label"])
    result = beta_decides(ByHand(obeys), table, groups, columns=16, judge=judge)
    assert list(result) == [HELD_OUT, FIXED]
    fixed = result[FIXED]
    assert from_json(Decided, json.loads(json.dumps(to_json(fixed)))) == fixed
    if obeys:
        assert fixed.shares["brightness"].beta == pytest.approx(1, abs=0.01)
        sd = float(torch.linspace(20, 80, 8).std(correction=0)) / 255
        assert fixed.shares["brightness"].sd == pytest.approx(sd, rel=0.05)
        assert 0 < fixed.shares["pixels"].beta < 0.5
    else:
        assert fixed.shares["pixels"].beta == 0
        assert fixed.shares["brightness"].local == pytest.approx(1)
    assert fixed.label_kept == fixed.label_kept_plain == 1
    assert fixed.retrieval == fixed.retrieval_plain == 1


def test_labels_that_beta_changes_are_not_kept() -> None:
    """A decoder that draws the shape of beta: every row shows one label, the columns keep a quarter of theirs."""
    table, _ = bright_and_dark()
    by_label = table.columns["label"].argsort().view(8, 4)  # two groups of each shape
    judge = fit_judge(table.images, table.columns["label"])

    class Shape(ByHand):
        def infer(self, images: Tensor) -> Posterior:
            rows = (images / 255).mean((1, 2, 4)).unflatten(1, (4, 2)).mean(2)
            beta = rows.argmax(1, keepdim=True).float()
            return super().infer(images)._replace(beta=DiagonalGaussian(beta, beta))

        def decode(self, z: Tensor, beta: Tensor) -> Tensor:
            number = beta.long().squeeze(1)
            return (table.images[number] / 255).unsqueeze(1).expand(-1, z.shape[1], -1, -1, -1)

    result = beta_decides(Shape(True), table, by_label, columns=8, judge=judge)
    assert result[FIXED].label_kept == 1 / 4
    assert result[FIXED].label_kept_plain == 1
    assert result[FIXED].retrieval < result[FIXED].retrieval_plain
    assert result[FIXED].shares["pixels"].beta == pytest.approx(1)
    assert result[HELD_OUT].label_kept == 1 / 4, "in the walk the commonest answer of a column counts"


def test_groups_of_any_kind_are_taken_and_one_is_not_enough() -> None:
    table, groups = bright_and_dark()
    assert beta_decides(ByHand(True), table, groups[:3, :2], columns=20)[FIXED].label_kept is None
    with pytest.raises(ConfigError, match=r"^groups: an effect of beta takes two groups, got 1$"):
        beta_decides(ByHand(True), table, groups[:1])


def test_command_writes_shares_beside_the_untrained_network(tmp_path: Path) -> None:
    run = run_of(tmp_path, UGVAE)
    result = call("factors", run, "--betas", "6", "--draws", "5")
    sets = ["beta from its prior", "beta of held-out groups", "beta of held-out groups, z fixed"]
    assert list(result["results"]) == [*sets, *(f"untrained, {name}" for name in sets)]
    for name, entry in result["results"].items():
        for share in entry["shares"].values():
            assert share["sd"] < 0.002 or share["beta"] + share["local"] + share["both"] == pytest.approx(1)
        assert 0 <= entry["label_kept"] <= 1
        assert ("retrieval" in entry) == name.endswith("z fixed")
    assert (run / "paper" / "factors.png").is_file()
    assert call("factors", run, "--betas", "6", "--draws", "5")["results"] == result["results"]
    random = call("factors", run, "--betas", "6", "--draws", "5", "--grouping", "random")
    assert random["results"][sets[0]] == result["results"][sets[0]]
    assert random["results"][sets[1]] != result["results"][sets[1]]


def test_command_needs_beta(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = run_of(tmp_path, VAE)
    assert "has no beta" in refused(capsys, "factors", "--run", str(run))
