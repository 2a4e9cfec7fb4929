"""``ugvae compare``: what is trained, what is not trained again, the scores and the table."""

import json
import subprocess
from pathlib import Path

import pytest
import torch
import yaml

from tests.helpers import EXPERIMENTS
from ugvae import models
from ugvae.data.table import ImageTable
from ugvae.datamodules import DigitsDataModule
from ugvae.errors import ConfigError
from ugvae.evaluation.clusters import ClusterScores
from ugvae.evaluation.comparison import Score, score_model
from ugvae.evaluation.disentanglement import FactorScores, measure
from ugvae.evaluation.reconstruction import ReconstructionQuality
from ugvae.evaluation.results import from_json
from ugvae.experiments import compare
from ugvae.experiments.comparison_table import Entry, order_of_bounds, rows
from ugvae.experiments.paper.table import Table

QUICK = ["--data", "digits", "--epochs", "1", "--images", "64", "--image_samples", "4", "--group_samples", "2"]


@pytest.fixture
def commands(commands: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """``fit`` runs in this process, but goes on with nothing; gives what was run."""
    in_this_process = subprocess.run

    def run(command: list[str]) -> subprocess.CompletedProcess:
        if "--ckpt_path" not in command:
            return in_this_process(command)
        commands.append(command[3:])
        return subprocess.CompletedProcess(command, 0)

    settings = yaml.safe_load((EXPERIMENTS / "digits.yaml").read_text())
    settings["figures"] = {"groups_per_label": 0}
    # what models without beta have to do without
    beta_alone = {"independence": 1, "local_posterior": "given_beta", "beta_from": "other_half"}
    settings["model"] = {"class_path": "UGVAE", "init_args": beta_alone}
    groups = {"grouping": "similar", "random_share": 0.5, "eval_grouping": "random"}
    settings["data"] = {"class_path": "DigitsDataModule", "init_args": groups}
    Path("digits.yaml").write_text(yaml.safe_dump(settings))
    monkeypatch.setattr(subprocess, "run", run)
    return commands


def option(command: list[str], name: str) -> str | None:
    return command[command.index(name) + 1] if name in command else None


def test_trains_scores_and_does_nothing_twice(commands: list[list[str]], capsys: pytest.CaptureFixture[str]) -> None:
    page = Path("page.md")
    page.write_text("Before.\n<!-- compare_digits -->\n<!-- /compare_digits -->\nAfter.\n")
    models_and_doc = ["--models", "labelled", "UGVAE", "--doc", str(page)]
    arguments = [*QUICK, *models_and_doc, "--data.grouping", "random", "--model.z_dim", "4"]
    compare.main(arguments)
    assert [option(command, "--model") for command in commands] == ["NestedVAE", "UGVAE"]
    configs = [Path(f"lightning_logs/compare_digits/{name}/version_0/config.yaml") for name in ("NestedVAE", "UGVAE")]
    groupings = [yaml.safe_load(path.read_text())["data"]["init_args"]["grouping"] for path in configs]
    assert groupings == ["attribute", "random"]  # labels that a model needs are not taken from it
    assert {option(command, "--model.z_dim") for command in commands} == {"4"}
    assert not any("--ckpt_path" in command for command in commands)

    report = json.loads(Path("lightning_logs/compare_digits/compare.json").read_text())
    assert list(report["models"]) == ["NestedVAE", "UGVAE"]
    assert (report["epochs"], report["group_samples"], report["image_samples"]) == (1, 2, 4)
    assert report["training_seeds"] == {"NestedVAE": [1], "UGVAE": [1]}
    for name, (content,) in report["models"].items():
        entry = from_json(Entry, content)
        score, terms = entry.score, entry.score.terms
        kls = sum(terms.get(term, 0) for term in ("kl_z", "kl_d", "kl_beta"))
        assert terms["elbo"] == pytest.approx(terms["reconstruction"] - kls, abs=1e-3)
        assert score.importance_weighted > terms["elbo"]
        assert score.quality.psnr > 5
        assert (score.clusters is not None) == (name == "UGVAE")
        assert (score.groups, score.group_size) == (4, 16)
        assert entry.seconds_per_epoch > 0
        assert entry.seconds == pytest.approx(entry.seconds_per_epoch * entry.steps / (1257 // 128), rel=0.2)
    table = Path("lightning_logs/compare_digits/compare.md").read_text()
    assert "| UGVAE | " in table
    assert "S = 2, T = 4" in table
    assert "NMI, ARI, accuracy: components against the label." in table
    assert "One training seed: no error is known." in table
    assert "±" not in table
    assert "bound is at or above the ELBO" in table
    section = page.read_text()
    assert section.startswith("Before.")
    assert section.endswith("After.\n")
    assert table.strip() in section
    assert "](figures/compare_digits.png)" in section
    assert Path("figures/compare_digits.png").read_bytes()[1:4] == b"PNG"

    compare.main(arguments)
    assert len(commands) == 2
    assert "already trained" in capsys.readouterr().out
    scored = Path("lightning_logs/compare_digits/UGVAE/version_0/compare.json")
    earlier = json.loads(scored.read_text())
    del earlier["options"]["holds"], earlier["entry"]["seconds"], earlier["entry"]["score"]["gap_error"]
    scored.write_text(json.dumps(earlier))
    compare.main(arguments)  # scored again, since an earlier version measured less
    assert len(commands) == 2
    assert "gap_error" in json.loads(scored.read_text())["entry"]["score"]
    manifest = Path("lightning_logs/compare_digits/UGVAE/manifest.json")
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "finished": False}))
    compare.main(arguments)
    last = "lightning_logs/compare_digits/UGVAE/version_0/checkpoints/last.ckpt"
    assert [option(command, "--ckpt_path") for command in commands[2:]] == [last]  # goes on, of UGVAE alone
    compare.main([*arguments[:-1], "5"])
    assert len(commands) == 5  # other settings: trained anew
    assert not any("--ckpt_path" in command for command in commands[3:])


def test_a_training_without_validation_is_scored(commands: list[list[str]]) -> None:
    """It has no best checkpoint; the last one stands for the run."""
    compare.main([*QUICK, "--models", "VAE", "--trainer.limit_val_batches=0"])
    assert not Path("lightning_logs/compare_digits/VAE/version_0/checkpoints/best.ckpt").exists()
    table = Path("lightning_logs/compare_digits/compare.md").read_text()
    assert "| VAE | " in table
    assert "against the label" not in table, "it has no components, and the images are few"


def test_stops_where_training_stops(commands: list, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = subprocess.CompletedProcess([], 3)
    monkeypatch.setattr(subprocess, "run", lambda command: failed)
    with pytest.raises(SystemExit) as stopped:
        compare.main([*QUICK, "--models", "VAE"])
    assert stopped.value.code == 3
    assert not json.loads(Path("lightning_logs/compare_digits/VAE/manifest.json").read_text())["finished"]


def test_unknown_names(commands: list, capsys: pytest.CaptureFixture[str]) -> None:
    unknown = "data: no file foldr, and ugvae has no YAML of that name. Did you mean folder"
    for arguments, message in ((["--data", "foldr"], unknown), ([*QUICK, "--models", "VEA"], "unknown VEA")):
        with pytest.raises(SystemExit):
            compare.main(arguments)
        assert message in capsys.readouterr().err
    assert issubclass(ConfigError, ValueError)
    assert set(compare.MODELS) >= {"VAE", "BetaVAE", "GMVAE", "MLVAE", "NestedVAE", "UGVAE"}


def test_every_model_is_of_one_family() -> None:
    assert sorted(name for names in compare.FAMILIES.values() for name in names) == sorted(compare.MODELS)
    with_beta = {name for name in compare.MODELS if getattr(models, name)((1, 8, 8), 4).beta_dim}
    assert with_beta | {"AdaGVAE", "AdaMLVAE"} == set(compare.FAMILIES["grouped"])
    assert compare.FAMILIES["labelled"] == [name for name in compare.MODELS if getattr(models, name).data_grouping]


@pytest.mark.parametrize("name", compare.MODELS)
def test_scores_follow_from_the_seed(name: str) -> None:
    data = DigitsDataModule(image_size=8)
    model = getattr(models, name)((1, 8, 8), 4).eval()
    groups = torch.arange(48).view(12, 4)
    scores = [score_model(model, data.table("test"), groups, 2, 3, seed, 16) for seed in (0, 0, 1)]
    assert scores[0] == scores[1] != scores[2]
    assert not any(term.startswith("inner") for term in scores[0].terms)
    assert ("kl_w" in scores[0].terms) == (name == "GMVAE")
    assert ("kl_beta" in scores[0].per_group) == bool(model.beta_dim)


def test_label_is_scored_by_the_means_of_z() -> None:
    data = DigitsDataModule(image_size=8)
    table, model = data.table("test"), models.UGVAE((1, 8, 8), 4).eval()
    groups = torch.arange(200).view(25, 8)
    score = score_model(model, table, groups, 2, 3)
    with torch.no_grad():
        z = torch.cat([model.infer(table.images[group[None]]).z.mean[0] for group in groups])
    labels = table.columns["label"][:200].numpy()
    expected = measure(z.numpy(), {"label": labels}).factors["label"]
    assert vars(score.label) == pytest.approx(vars(expected), abs=0.02)  # a bin or a split may fall otherwise
    assert score.label.informativeness > 0.2
    for column in (torch.full((360,), -1), torch.arange(360)):  # unknown; a value of one image each
        assert score_model(model, ImageTable(table.images, {"label": column}), groups, 2, 3).label is None


def test_bounds_that_are_out_of_order_are_named() -> None:
    quality = ReconstructionQuality(20.0, 0.5)

    def entries(bound: float) -> dict[str, list[Entry]]:
        scores = [Score(9, 4, {"elbo": 2.0}, [], value, quality, 1, 0.5, gap_error=0.1) for value in (2.5, bound)]
        return {"A": [Entry(f"a/version_{number}", 1.0, 2.5, 5.0, score) for number, score in enumerate(scores)]}

    assert order_of_bounds(entries(1.81)).startswith("Of all 2 runs the importance-weighted bound is at or above")
    assert order_of_bounds(entries(1.79)).endswith("below the ELBO by more than two standard errors: A, version_1.")


def test_table_has_a_column_for_every_term_of_any_bound() -> None:
    """A term that no code knows by name shows by itself; a term of the groups is divided by B."""
    quality, clusters = ReconstructionQuality(20.126, 0.5), ClusterScores(0.5, 0.25, 0.75, 1.0)
    label = FactorScores(mig=0.125, sap=0.0, completeness=0.25, informativeness=0.875, explicitness=0.0)
    plain = Score(2, 4, {"elbo": 1.234, "kl_z": 3.0}, [], 2.0, quality, 12345, label=label)
    other = Score(2, 4, {"elbo": -2.0, "independence": 0.25}, ["independence"], 1.0, quality, 99, clusters=clusters)
    entries = {"A": [Entry("a", 1.0, 2.5, 5.0, plain)], "B": [Entry("b", 1.0, 2.5, 5.0, other)]}
    assert Table("", rows(entries)).markdown().splitlines() == [
        "| model | ELBO | KL_z | independence / B | IW bound | PSNR, dB | SSIM | NMI | ARI | accuracy | MIG "
        "| DCI completeness | DCI informativeness | parameters | s per epoch |",
        "|---" * 15 + "|",
        "| A | 1.23 | 3.00 | — | 2.00 | 20.13 | 0.500 | — | — | — | 0.125 | 0.250 | 0.875 | 12,345 | 2.5 |",
        "| B | −2.00 | — | 0.25 | 1.00 | 20.13 | 0.500 | 0.500 | 0.250 | 0.750 | — | — | — | 99 | 2.5 |",
    ]


def test_table_over_training_seeds() -> None:
    quality = ReconstructionQuality(20.0, 0.5)
    scores = [Score(2, 4, {"elbo": elbo}, [], 2.0, quality, 12345) for elbo in (1.0, 2.0, 6.0)]
    (row,) = rows({"A": [Entry("a", 1.0, 2.5, 5.0, score) for score in scores]})
    assert (row["ELBO"], row["IW bound"]) == ("3.00 ± 2.65", "2.00 ± 0.00")  # s.d. with n − 1
    assert (row["parameters"], row["seeds"]) == ("12,345", 3)
