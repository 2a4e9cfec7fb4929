"""The commands ``disentanglement`` and ``image_quality``: on runs that have just begun, of UCI digits and of icons."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.data.icons import write_icons
from tests.helpers.refusals import refused
from tests.helpers.small_models import make
from tests.helpers.tiny_runs import DIGITS, call, run_of, write_run
from ugvae.data.table import ImageTable
from ugvae.evaluation import feature_networks
from ugvae.evaluation.results import read_results
from ugvae.evaluation.trained_run import load_run
from ugvae.experiments.paper import disentanglement, image_quality
from ugvae.models import GMVAE, UGVAE, VAE

QUICK = ("--images", "500", "--groups", "100")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_networks, "STEPS", 30)


def test_scores_of_z_and_of_beta_beside_their_controls(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = run_of(tmp_path, UGVAE)
    result = call("disentanglement", run, *QUICK, "--group_size", "8")
    z, label, domain = read_results({"disentanglement": result}).disentanglement.values()
    assert list(result["results"]) == ["z", "beta, label", "beta, domain"]
    assert (z.rows, z.dimensions, z.values, z.group_size) == (500, 3, {"label": 10, "domain": 2}, None)
    assert list(z.scores) == ["trained", "untrained", "permuted"]
    assert len({scores.factor_vae for scores in z.scores.values()}) > 1
    assert (domain.values, domain.dimensions) == ({"domain": 2}, 4)
    assert domain.scores["trained"].modularity is None, "what compares factors takes two"
    assert label.rows == 10 * 10
    assert label.group_size < domain.group_size == 8, "a digit has too few images for ten groups of 8"
    permuted = z.scores["permuted"].factors["label"]
    assert permuted.informativeness == pytest.approx(0.1, abs=0.1)
    assert abs(permuted.explicitness) < 0.2
    assert z.scores["trained"].factors["label"].explicitness > 0.2, "pixels tell digits, trained or not"
    printed = capsys.readouterr().out
    assert "| z | 500 images | label, 10 values | " in printed
    assert result["figures"] == []


def test_a_chosen_column_of_a_model_without_beta(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = run_of(tmp_path, VAE)
    result = call("disentanglement", run, *QUICK, "--column", "label")
    assert list(result["results"]) == ["z"]
    assert refused(capsys, "disentanglement", "--run", str(run), "--column", "size").startswith(
        "column: no column 'size'"
    )
    one = write_run(tmp_path / "one", make(VAE, (1, 8, 8), double=False, z_dim=1), DIGITS)
    assert "z has one dimension" in refused(capsys, "disentanglement", "--run", str(one))


def test_columns_that_are_factors() -> None:
    rows = np.arange(80)
    columns = {
        "shape": rows % 4,
        "letters": 3 - rows % 4,
        "row": rows,
        "same": np.zeros(80, int),
        "share": rows / 80,
        "partly": np.where(rows < 20, -1, rows % 2),
        "nearly": np.where(rows < 4, -1, rows // 8 % 2),
        "rare": np.where(rows > 77, 7, rows // 20),
    }
    factors = disentanglement.find_factors(columns)
    assert list(factors.columns) == ["shape", "nearly", "rare"]
    assert factors.rows.tolist() == list(range(4, 78))
    assert factors.columns["rare"].max() == 3
    assert factors.left_out == {
        "letters": "divides the images as shape does",
        "row": "fewer than 2 values have 4 images",
        "same": "fewer than 2 values have 4 images",
        "share": "holds fractions",
        "partly": "25% of the images have an unknown value, or one of fewer than 4 images",
    }
    assert disentanglement.find_factors({}).columns == {}


def test_groups_of_one_value_share_no_image() -> None:
    values = np.array([0] * 50 + [2] * 21)
    rows = torch.arange(100, 171)
    assert disentanglement.largest_group(values, 16) == 2
    assert disentanglement.largest_group(values, 1) == 1
    groups, factor = disentanglement.groups_of_values(rows, values, 2, 30, seed=0)
    assert factor.tolist() == [0] * 15 + [2] * 10
    assert len(groups.unique()) == groups.numel() == 50
    for group, value in zip(groups, factor, strict=True):
        assert (values[group - 100] == value).all()


def test_images_beside_real_ones(tmp_path: Path, quick: None, capsys: pytest.CaptureFixture[str]) -> None:
    run = run_of(tmp_path, UGVAE)
    result = call("image_quality", run, "--images", "150")
    quality = read_results({"image_quality": result}).image_quality
    assert quality.features == "own features"
    sets = ["other real images", "reconstructions", "samples", "samples, beta of held-out groups"]
    assert list(quality.distances) == sets
    assert {measured.images for measured in quality.distances.values()} == {150}
    floor = quality.distances["other real images"]
    for name in sets[1:]:
        assert quality.distances[name].kid > floor.kid, "an untrained decoder draws no digits"
        assert quality.distances[name].fid > floor.fid
    assert set(quality.accuracy) == {"label", "domain"}
    assert list(quality.translations) == ["left to right", "right to left"]
    ways = quality.translations["left to right"]
    assert list(ways)[:3] == ["other real images", "plain reconstruction", "fixed z"]
    assert {measured.fid for measured in ways.values()} == {None}, "half of 150 images are too few for a covariance"
    assert 5 < quality.reconstructions.psnr < 30
    assert "| left to right | of each | KID | FID |" in capsys.readouterr().out


def test_what_is_left_out_is_said(tmp_path: Path, quick: None, capsys: pytest.CaptureFixture[str]) -> None:
    run = run_of(tmp_path, GMVAE, DIGITS)
    result = call("image_quality", run, "--images", "60")
    assert result["left_out"] == {
        "FID": "a covariance of 64 features takes 128 images, there are 60; see KID",
        "translations": "GMVAE does not translate",
    }
    assert list(result["distances"])[-1] == "samples"
    assert "19 images in a half" in refused(capsys, "image_quality", "--run", str(run), "--images", "19")
    message = refused(capsys, "image_quality", "--run", str(run), "--weights", str(run / "config.yaml"))
    assert message.startswith("weights: ")
    one = load_run(run_of(tmp_path / "one", UGVAE, DIGITS))
    assert image_quality.cannot_translate(one, ()).startswith("the data are of one domain")
    assert image_quality.cannot_translate(one, ["0", "1"]) is None


def test_halves_share_no_image() -> None:
    groups = torch.randint(0, 40, (30, 4))
    reference, other = (groups.flatten()[places] for places in image_quality.halves(groups, 100, seed=0))
    together = torch.cat([reference, other])
    assert len(together.unique()) == len(together) == len(groups.unique()) // 2 * 2
    assert [len(half) for half in image_quality.halves(groups, 7, seed=0)] == [7, 7]


def test_places_of_what_a_classifier_learns() -> None:
    columns = {
        "label": torch.tensor([5, -1, 9, 5]),
        "again": torch.tensor([1, -1, 2, 1]),
        "share": torch.tensor([0.1, 0.2, 0.3, 0.4]).double(),
        "one": torch.tensor([3, 3, 3, -1]),
    }
    known = image_quality.known_places(ImageTable(torch.zeros(4, 1, 2, 2, dtype=torch.uint8), columns))
    assert list(known) == ["label"]
    values, places = known["label"]
    assert places.tolist() == [0, -1, 1, 0]
    assert image_quality.places_of(torch.tensor([9, 7, 12, -1]), values).tolist() == [1, -1, -1, -1]


def test_factors_of_crossed_data(tmp_path: Path) -> None:
    write_icons(tmp_path / "icons")
    settings = {"root": str(tmp_path / "icons"), "image_size": 8, "group_size": 4, "cache_workers": 1}
    run = run_of(tmp_path, UGVAE, {"class_path": "ugvae.datamodules.IconsDataModule", "init_args": settings})
    result = call("disentanglement", run)
    assert result["results"]["z"]["values"] == {"icon": 4, "style": 6}
    assert result["left_out"]["domain"] == "divides the images as style does"
    assert result["left_out"]["beta, style"] == "a value has too few images for 10 groups"
