"""The commands that measure a run, translation, use of beta, bound: on runs that have just begun, of UCI digits."""

import argparse
import json
from pathlib import Path

import pytest
import torch

from tests.helpers.small_models import make
from tests.helpers.tiny_runs import write_run
from ugvae.datamodules import DigitsDataModule, MixedDataModule
from ugvae.evaluation.kinds import groups_by_kind, kinds_of, random_groups, trained_groups
from ugvae.evaluation.trained_run import TrainedRun, load_run
from ugvae.experiments.paper import bound, latent_use, translation
from ugvae.experiments.paper.__main__ import main
from ugvae.models import MLVAE, UGVAE, VAE, BaseVAE

TWO_DOMAINS = {
    "class_path": "ugvae.datamodules.MixedDataModule",
    "init_args": {
        "domains": [{"class_path": "ugvae.datamodules.DigitsDataModule", "init_args": {"image_size": 8}}] * 2,
        "domain_names": ["first", "second"],
        "grouping": "pure",
        "group_size": 8,
    },
}
ONE_DOMAIN = {"class_path": "ugvae.datamodules.DigitsDataModule", "init_args": {"image_size": 8, "group_size": 8}}


def begun(folder: Path, model_class: type[BaseVAE], data: dict) -> Path:
    torch.manual_seed(7)  # other weights than those of the control
    return write_run(folder, make(model_class, (1, 8, 8), double=False), data)


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    return begun(tmp_path / "mixed", UGVAE, TWO_DOMAINS)


def report(run: Path, name: str) -> dict:
    result = json.loads((run / "paper" / f"{name}.json").read_text())
    for figure in result["figures"]:
        assert (run / "paper" / figure["file"]).stat().st_size > 5_000
        assert figure["caption"].endswith(".")
    return result


def test_translation_of_a_run(mixed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["translation", "--run", str(mixed), "--group_size", "8", "--groups", "3"])
    result = report(mixed, "translation")
    assert result["domains"]["names"] == {"A": "first", "B": "second"}
    assert set(result["rates"]["A to B"]) == {"domain", "content"}
    assert set(result["survives"]["B to A"]) == {"darkness", "light", "azimuth", "retrieval"}
    assert result["probes"] == {}
    assert [figure["file"] for figure in result["figures"]] == ["translation.png", "translation_examples.png"]
    assert "first to second: domain reconstruction" in capsys.readouterr().out


def test_translation_between_values_of_a_column(tmp_path: Path) -> None:
    run = begun(tmp_path / "one", MLVAE, ONE_DOMAIN)
    main(["translation", "--run", str(run), "--column", "label", "--values", "0", "1", "--group_size", "8"])
    result = report(run, "translation")
    assert result["domains"]["column"] == "label"
    assert result["judges"]["domain"]["A"] > 0.9


def test_columns_of_one_domain_are_unknown_in_the_other() -> None:
    class Numbered(DigitsDataModule):
        def read_split(self, split: str):
            table = super().read_split(split)
            table.columns["angle"] = torch.arange(len(table)) % 5
            return table

    data = MixedDataModule([Numbered(image_size=8), DigitsDataModule(image_size=8)], domain_names=["a", "b"])
    table = translation.with_own_columns(data, "test", ["angle", "label", "nowhere"])
    assert table.columns["angle"].tolist() == [*(row % 5 for row in range(360)), *[-1] * 360]
    assert torch.equal(table.columns["label"], data.table("test").columns["label"])
    assert "nowhere" not in table.columns
    assert "angle" not in data.table("test").columns


def test_use_of_beta_of_a_run(mixed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["latent_use", "--run", str(mixed), "--groups", "6"])
    result = report(mixed, "latent_use")
    assert list(result["results"]) == [
        "random groups",
        "groups as in training (pure)",
        "groups of one kind each",
    ]
    assert result["kinds"] == ["first", "second"]
    for use in result["results"].values():
        assert use["groups"] == 6
        assert use["group_size"] == 8
        assert use["swap_beta"]["pixels"] > 0
        assert use["untrained"]["dimensions"] == use["beta"]["dimensions"]
        assert use["untrained"]["variance_of_mean"] != use["beta"]["variance_of_mean"]
    assert "groups of one kind each: KL_beta" in capsys.readouterr().out


def test_bound_of_a_run(mixed: Path, tmp_path: Path) -> None:
    main(["bound", "--run", str(mixed), "--groups", "2", "--image_samples", "1", "4", "--group_samples", "2"])
    result = report(mixed, "bound")
    assert [(rung["S"], rung["T"]) for rung in result["bounds"]] == [(2, 1), (2, 4)]
    assert result["group_size"] == 8
    assert result["bounds"][1]["mean"] > result["bounds"][0]["mean"]
    vae = begun(tmp_path / "vae", VAE, ONE_DOMAIN)
    main(["bound", "--run", str(vae), "--groups", "2", "--image_samples", "2"])
    assert [rung["S"] for rung in report(vae, "bound")["bounds"]] == [1]


def test_commands_say_why_they_do_not_apply(tmp_path: Path, mixed: Path) -> None:
    vae = load_run(begun(tmp_path / "vae", VAE, ONE_DOMAIN))
    assert (
        latent_use.COMMAND.reason_not(vae)
        == translation.COMMAND.reason_not(vae)
        == "the model is VAE, which has no beta"
    )
    assert bound.COMMAND.reason_not(vae) is None
    one = load_run(begun(tmp_path / "one", UGVAE, ONE_DOMAIN))
    assert translation.COMMAND.reason_not(one).startswith("the data are of one domain")
    assert translation.COMMAND.reason_not(load_run(mixed)) is None
    assert latent_use.COMMAND.reason_not(one) is None


def test_groups_of_a_run(mixed: Path, tmp_path: Path) -> None:
    run = load_run(mixed)
    domain = run.table.columns["domain"]
    assert all(len(set(domain[group].tolist())) == 1 for group in trained_groups(run, 10, 0))
    assert any(len(set(domain[group].tolist())) == 2 for group in random_groups(run, 8, 10, 0))
    assert random_groups(run, 10_000, 2, 0).shape == (2, 360)
    by_kind = groups_by_kind(run, kinds_of(run), 8, 6, 0)
    assert [domain[group].unique().tolist() for group in by_kind] == [[0], [1]] * 3
    assert groups_by_kind(run, {}, 8, 6, 0) is None
    one = load_run(begun(tmp_path / "one", UGVAE, ONE_DOMAIN))
    assert list(kinds_of(one)) == [f"label {value}" for value in range(4)]
    faces = TrainedRun(one.directory, one.model, argparse.Namespace(value_names=lambda column: {}), one.table)
    for name in ("Male", "Black_Hair", "Blond_Hair"):
        one.table.columns[name] = torch.arange(360) % 2
    assert list(kinds_of(faces)) == ["Black_Hair", "Blond_Hair", "Male", "not Male"]
