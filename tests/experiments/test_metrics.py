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
    narrow = write_run(tmp_path / "narrow", make(UGVAE, (1, 8, 8), double=False, beta_dim=1), DIGITS)
    result = call("disentanglement", narrow, "--images", "200")
    assert list(result["results"]) == ["z"]
    assert result["left_out"] == {"beta": "it has one dimension; the scores compare two or more"}


def test_only_the_images_of_the_scored_groups_are_encoded(tmp_path: Path) -> None:
    run = run_of(tmp_path, VAE, DIGITS)
    model, passed = load_run(run).model, []
    model.encoder.register_forward_hook(lambda layer, inputs, outputs: passed.append(len(outputs)))
    assert call("disentanglement", run, "--images", "100")["results"]["z"]["rows"] == 100
    assert 100 <= sum(passed) < 100 + load_run(run).data.group_size < len(load_run(run).table)


def test_columns_that_are_factors() -> None:
    rows = np.arange(80)
    columns = {
        "shape": rows % 4,
        "letters": 3 - rows % 4,
        "coarse": rows % 2 + 2 * (rows % 4 == 3),
        "row": rows,
        "same": np.zeros(80, int),
        "share": rows / 80,
        "partly": np.where(rows < 20, -1, rows % 2),
        "nearly": np.where(rows < 4, -1, rows // 8 % 2),
        "rare": np.where(rows > 77, 7, rows // 20),
    }
    factors = disentanglement.find_factors(columns)
    assert list(factors.columns) == ["shape", "coarse", "nearly", "rare"]
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
    assert list(quality.left_out) == ["FID, left to right", "FID, right to left"]
    few = f"a covariance of 64 features takes 128 images, there are {ways['fixed z'].images}; see KID"
    assert quality.left_out["FID, left to right"] == few
    assert 5 < quality.reconstructions.psnr < 30
    assert "| left to right | images a set | KID | FID |" in capsys.readouterr().out


def test_what_is_left_out_is_said(tmp_path: Path, quick: None, capsys: pytest.CaptureFixture[str]) -> None:
    run = run_of(tmp_path, GMVAE, DIGITS)
    result = call("image_quality", run, "--images", "60")
    assert result["left_out"] == {
        "FID": "a covariance of 64 features takes 128 images, there are 60; see KID",
        "translations": "the model is GMVAE, which has no beta",
    }
    assert list(result["distances"])[-1] == "samples"
    assert "19 images in a half" in refused(capsys, "image_quality", "--run", str(run), "--images", "19")
    message = refused(capsys, "image_quality", "--run", str(run), "--weights", str(run / "config.yaml"))
    assert message.startswith("weights: ")
    one = load_run(run_of(tmp_path / "one", UGVAE, DIGITS))
    assert image_quality.cannot_translate(one, ()).startswith("the data are of one domain")
    assert image_quality.cannot_translate(one, ["0", "1"]) is None


def test_a_column_that_no_held_out_image_knows_has_no_accuracy(tmp_path: Path, quick: None) -> None:
    splits = ["train"] * 60 + ["val"] * 20 + ["test"] * 60
    lines = [f"{split},{row % 2},{row % 3 if split == 'train' else ''}" for row, split in enumerate(splits)]
    np.save(tmp_path / "images.npy", np.random.default_rng(0).integers(0, 256, (140, 8, 8), np.uint8))
    (tmp_path / "metadata.csv").write_text("\n".join(["split,plate,nurse", *lines]))
    settings = {"root": str(tmp_path), "image_size": 8, "group_size": 4}
    run = run_of(tmp_path, VAE, {"class_path": "ugvae.datamodules.ArrayDataModule", "init_args": settings})
    result = call("image_quality", run)
    assert list(result["accuracy"]) == ["plate"]
    assert result["left_out"]["accuracy, nurse"] == "no held-out image has a value that the classifier learned"


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
        "renamed": torch.tensor([2, -1, 1, 2]),
        "known": torch.tensor([5, 7, 9, 5]),
        "share": torch.tensor([0.1, 0.2, 0.3, 0.4]).double(),
        "one": torch.tensor([3, 3, 3, -1]),
    }
    known = image_quality.known_places(ImageTable(torch.zeros(4, 1, 2, 2, dtype=torch.uint8), columns))
    assert list(known) == ["label", "known"]
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
