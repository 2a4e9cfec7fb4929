"""Classification of groups by latents that are known to tell the kinds apart, or known not to."""

import json
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from tests.helpers.small_models import every_model, make
from tests.helpers.tiny_runs import write_run
from ugvae.data.known_groups import StructuredGroups, groups_by_value, groups_where
from ugvae.data.table import ImageTable
from ugvae.datamodules import DigitsDataModule
from ugvae.distributions import DiagonalGaussian
from ugvae.errors import ConfigError
from ugvae.evaluation.classification import PERMUTED, PIXELS, Classification, classify_groups
from ugvae.evaluation.controls import UNTRAINED, Controls, encode_controls
from ugvae.evaluation.encoding import encode_beta, encode_groups, encode_images
from ugvae.evaluation.results import from_json, to_json
from ugvae.experiments.paper.__main__ import main
from ugvae.models import MLVAE, UGVAE, VAE, BaseVAE, Posterior

SIZE = 4  # images per group


class Average(nn.Module):
    """Beta is the group's mean of one pixel, as exactly known as its standard deviation says; z is noise."""

    beta_dim, z_dim, dtype, device = 1, 1, torch.float32, "cpu"

    def __init__(self, pixel: int = 0, std: float = 0.001) -> None:
        super().__init__()
        self.pixel, self.std = pixel, std

    def checked(self, images: Tensor) -> Tensor:
        return images.float() / 255

    def encode(self, images: Tensor) -> Tensor:
        return images.flatten(2)[..., self.pixel].unsqueeze(-1)

    def posterior(self, h: Tensor) -> Posterior:
        mean = h.mean(1)
        beta = DiagonalGaussian(mean, torch.full_like(mean, self.std).log() * 2)
        return Posterior(DiagonalGaussian(torch.randn_like(h), torch.zeros_like(h)), beta=beta)


def make_table(num_images: int = 300) -> ImageTable:
    """The first pixel is the kind, the second is noise; 4 pixels in all."""
    kind = torch.arange(num_images) % 2
    images = torch.randint(256, (num_images, 1, 2, 2), dtype=torch.uint8)
    images[:, 0, 0, 0] = 100 * kind
    return ImageTable(images, {"kind": kind})


def draw(table: ImageTable, rows: Tensor, groups_per_kind: int, seed: int) -> StructuredGroups:
    conditions = [{"kind": 0}, {"kind": 1}]
    return groups_where(table, conditions, SIZE, groups_per_kind, groups_per_kind, seed, rows)


def classify(table: ImageTable, model: Average, control: Average, **settings) -> Classification:
    settings = {"groups_per_kind": 50, "seeds": range(3), **settings}
    trained, other = (encode_images(network, table.images) for network in (model, control))
    controls = Controls({UNTRAINED: [other] * len(settings["seeds"])}, None)
    return classify_groups(trained, controls, table, settings.pop("draw", partial(draw, table)), **settings)


def mean(result: Classification, name: str, task: str = "kinds", kernel: str = "rbf") -> float:
    return result.accuracy[task][name][kernel].mean


def test_kinds_are_told_by_what_encodes_them_alone() -> None:
    result = classify(make_table(), Average(), Average(pixel=1))
    for kernel in ("linear", "rbf"):
        for name in ("beta sample", "beta mean"):
            assert mean(result, name, kernel=kernel) == 1
            assert 0.2 < mean(result, f"untrained {name}", kernel=kernel) < 0.8
            assert 0.25 < mean(result, f"{name}{PERMUTED}", kernel=kernel) < 0.75
        assert 0.25 < mean(result, "mean z", kernel=kernel) < 0.75
    assert mean(result, "beta mean", "kinds and random") > 0.7, "random groups lie between the kinds"
    assert result.chance == pytest.approx({"kinds": 1 / 2, "kinds and random": 1 / 3})


def test_a_sample_knows_no_more_than_its_uncertainty_lets_it() -> None:
    result = classify(make_table(), Average(std=30.0), Average(pixel=1))
    assert mean(result, "beta mean") == 1
    assert 0.25 < mean(result, "beta sample") < 0.75


def test_pixels_are_reduced_to_the_size_of_beta() -> None:
    """One dimension: the kind, whose variance is made the largest."""
    table = make_table()
    table.images[:, 0, 0, 1:] = 0
    table.images[:, 0, 1] = 0
    assert mean(classify(table, Average(), Average()), PIXELS) == 1


def test_result_says_what_was_done_and_is_json() -> None:
    result = classify(make_table(), Average(), Average(), seeds=[3, 8])
    assert from_json(Classification, json.loads(json.dumps(to_json(result)))) == result
    assert result.seeds == [3, 8]
    assert result.groups_per_kind == {"train": 40, "test": 10}
    assert result.images == {"train": 150, "test": 150}
    assert result.group_size == SIZE
    assert len(result.accuracy["kinds"]["beta mean"]["rbf"].values) == 2
    assert result.accuracy["kinds"]["beta mean"]["rbf"].sd == 0


def test_images_of_training_and_test_are_disjoint() -> None:
    table, seen = make_table(), []

    def spy(rows: Tensor, groups_per_kind: int, seed: int) -> StructuredGroups:
        seen.append(draw(table, rows, groups_per_kind, seed))
        return seen[-1]

    classify(table, Average(), Average(), draw=spy)
    for train, test in zip(seen[::2], seen[1::2], strict=True):
        assert not set(train.groups.flatten().tolist()) & set(test.groups.flatten().tolist())
    assert len({tuple(part.groups.flatten().tolist()) for part in seen}) == 6, "new groups for every seed"


def test_groups_that_cannot_be_compared_are_refused() -> None:
    table = make_table()
    with pytest.raises(ConfigError, match=r"^draw: .* share images$"):
        classify(table, Average(), Average(), draw=lambda rows, *how: draw(table, torch.arange(300), *how))
    with pytest.raises(ConfigError, match=r"^groups: 2 of each kind leave none .*; take 5 or more$"):
        classify(table, Average(), Average(), groups_per_kind=2)
    with pytest.raises(ConfigError, match=r"^seeds: at least one"):
        classify(table, Average(), Average(), seeds=[])
    rare = ImageTable(table.images, {"kind": (torch.arange(300) < 20).long()})

    def by_value(rows: Tensor, groups_per_kind: int, seed: int) -> StructuredGroups:
        return groups_by_value(rare, "kind", 30, groups_per_kind, seed, rows)

    with pytest.raises(ConfigError, match=r"^group_size: groups of .* ask for smaller ones$"):
        classify(rare, Average(), Average(), draw=by_value, seeds=range(8))


@every_model
def test_groups_of_encoded_images_are_groups_encoded(model_class: type[BaseVAE]) -> None:
    model = make(model_class, prior_expert=True)
    images, groups = torch.randint(256, (30, *model.image_shape), dtype=torch.uint8), torch.randint(30, (9, 4))
    encoded = encode_images(model, images, images_per_batch=7)
    posterior = encode_groups(model, images, groups)
    assert_close(encoded.posterior(groups).z.mean, posterior.z.mean)
    if model.beta_dim:
        assert_close(tuple(encoded.posterior(groups, groups_per_batch=4).beta), tuple(posterior.beta))
        assert_close(tuple(encode_beta(model, images, groups)), tuple(posterior.beta))


@pytest.mark.parametrize("model_class", [UGVAE, MLVAE, VAE])
def test_classification_of_digits(model_class: type[BaseVAE]) -> None:
    table = DigitsDataModule(image_size=8).table("test")
    model = make(model_class, (1, 8, 8), double=False)
    encoded = encode_images(model, table.images), encode_controls(model, table.images, table.images, range(2))

    def two_digits(rows: Tensor, groups_per_kind: int, seed: int) -> StructuredGroups:
        return groups_where(table, [{"label": 0}, {"label": 1}], 8, groups_per_kind, 0, seed, rows)

    result = classify_groups(*encoded, table, two_digits, 20, range(2))
    assert list(result.accuracy) == ["kinds"]
    assert mean(result, PIXELS) == 1, "the mean image alone solves it"
    if model.beta_dim:
        assert mean(result, "beta mean") > 0.9, "and so do the means of a network that learned nothing"
        assert result.note is None
    else:
        assert list(result.accuracy["kinds"]) == ["mean z", f"mean z{PERMUTED}", "untrained mean z", PIXELS]
        assert result.note == "the model has no beta: mean z and pixels only"


QUICK = ["--groups", "10", "--group_size", "8", "--seeds", "2"]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run", make(UGVAE, (1, 8, 8), double=False))


def test_table_of_a_run(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["table1", "--run", str(run), "--values", "0", "1", "--values", "3", "8", *QUICK])
    report = json.loads((run / "paper" / "table1.json").read_text())
    names = ["label 0 / label 1", "label 3 / label 8"]
    assert list(report["results"]) == [*names, *(f"{name}, the paper's protocol" for name in names)]
    result = from_json(Classification, report["results"]["label 0 / label 1"])
    assert mean(result, PIXELS) == 1
    assert list(result.accuracy) == ["kinds", "kinds and random"]
    assert report["paper"] == {}
    assert report["config"]["seed_everything"] == 1
    assert (run / "paper" / "table1.png").stat().st_size > 10_000
    assert (run / "paper" / "table1_paper.png").stat().st_size > 10_000
    assert "| untrained beta sample | " in capsys.readouterr().out


def test_number_series_of_a_run(run: Path) -> None:
    main(["series", "--run", str(run), "--mapped", "5", *QUICK])
    result = json.loads((run / "paper" / "series.json").read_text())["results"]["number series"]
    assert result["kinds"] == ["even", "odd", "fibonacci", "primes"]
    assert result["chance"] == pytest.approx({"kinds": 1 / 4, "kinds and random": 1 / 5})
    files = sorted(path.name for path in (run / "paper").glob("series*"))
    assert files == ["series.json", "series.png", "series_map_mean.png", "series_map_sample.png"]


def test_commands_say_what_they_lack(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vae = write_run(tmp_path / "vae", make(VAE, (1, 8, 8), double=False))
    for arguments, message in (
        (["table1", "--run", str(run)], "pair, attribute, column: no column '"),
        (
            ["table1", "--run", str(run), "--values", "3", "3"],
            "pair, values: the two kinds of a comparison must differ",
        ),
        (
            ["table1", "--run", str(run), "--values", "3", "8", "--protocol", "paper", "--group_size", "1"],
            "group_size: a group of one image has no statistics for BatchNorm",
        ),
        (
            ["table1", "--run", str(run), "--values", "3", "11", *QUICK],
            "group_size: no groups of 8, since label 11 has 0 images in a half",
        ),
        (["series", "--run", str(run), "--group_size", "300"], "group_size: no groups of 300, since a series has "),
        (["series", "--run", str(vae)], "series: the model is VAE, which has no beta"),
        (["series", "--run", str(tmp_path / "none")], f"run: {tmp_path / 'none'} is not the folder of a run"),
    ):
        with pytest.raises(SystemExit, match="2"):
            main(arguments)
        assert capsys.readouterr().err.startswith(f"error: {message}")
