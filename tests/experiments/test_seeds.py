"""Runs of several training seeds: trained where missing, found again, gone on with where they were stopped."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.helpers.killed_runs import session
from ugvae.errors import ConfigError
from ugvae.experiments import compare, seeds
from ugvae.experiments.paper.table import number, over_seeds

TINY = ["--data.image_size=8", "--trainer.limit_train_batches=3", "--trainer.limit_val_batches=1"]
TINY += ["--figures.groups_per_label=0", "--trainer.accelerator=cpu", "--checkpoint.every_n_train_steps=1"]
SCORES = ["--images", "64", "--image_samples", "2", "--group_samples", "2"]
COMPARE = ["--data", "digits", "--models", "VAE", "--epochs", "1", *SCORES, *TINY]
FOLDER = Path("lightning_logs/compare_digits/VAE")


def config(version: int) -> dict:
    return yaml.safe_load((FOLDER / f"version_{version}" / "config.yaml").read_text())


def test_missing_seeds_are_trained_and_a_stopped_one_goes_on(
    commands: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    compare.main(COMPARE)
    assert len(commands) == 1
    in_this_process = subprocess.run

    def stopped(command: list[str]) -> subprocess.CompletedProcess:
        """The second of three steps receives SIGTERM."""
        commands.append(command[3:])
        return subprocess.CompletedProcess(command, session(tmp_path, moment="SIGTERM", count=2, command=command[3:]))

    monkeypatch.setattr(subprocess, "run", stopped)
    with pytest.raises(SystemExit) as ended:
        compare.main([*COMPARE, "--seeds", "2"])
    assert ended.value.code == 128 + 15
    assert "VAE, seed 2: training: stopped with status 143; the same command resumes it" in capsys.readouterr().err
    assert [config(version)["seed_everything"] for version in (0, 1)] == [1, 2]
    assert not seeds.is_trained(FOLDER / "version_1")

    monkeypatch.setattr(subprocess, "run", in_this_process)
    compare.main([*COMPARE, "--seeds", "2"])
    assert commands[-1][-2:] == ["--ckpt_path", f"{FOLDER}/version_1/checkpoints/last.ckpt"]
    assert not (FOLDER / "version_2").exists()
    trained = json.loads((FOLDER / "version_1" / "trained.json").read_text())
    assert (trained["steps"], [one["last_step"] for one in trained["sessions"]]) == (3, [2, 3])

    report = json.loads(Path("lightning_logs/compare_digits/compare.json").read_text())
    assert report["training_seeds"] == {"VAE": [1, 2]}
    elbos = [entry["score"]["terms"]["elbo"] for entry in report["models"]["VAE"]]
    assert elbos[0] != elbos[1]
    table = Path("lightning_logs/compare_digits/compare.md").read_text()
    assert f"| VAE | {sum(elbos) / 2:,.2f} ± {abs(elbos[0] - elbos[1]) / 2**0.5:,.2f} |".replace("-", "−") in table
    assert "Mean ± sample s.d. over 2 training seeds." in table

    compare.main([*COMPARE, "--seeds", "2"])
    assert len(commands) == 3, "what is trained is not trained again"
    settings = [{**config(version), **dict.fromkeys(seeds.OF_A_CALL)} for version in (0, 1)]
    assert settings[0] == settings[1]


def test_seeds_of_other_settings_do_not_count(commands: list[list[str]]) -> None:
    compare.main(COMPARE)
    compare.main([*COMPARE, "--model.z_dim", "3", "--seed_everything", "2"])
    first = FOLDER / "version_0"
    assert seeds.runs_by_seed(first) == {1: first}
    assert [seeds.seed_of(run) for run in seeds.train_seeds(first, 2)] == [1, 2]
    assert config(2)["model"]["init_args"]["z_dim"] == config(0)["model"]["init_args"]["z_dim"] != 3
    assert seeds.runs_by_seed(FOLDER / "version_1") == {2: FOLDER / "version_1"}
    assert len(commands) == 3


def test_a_version_without_a_checkpoint_is_trained_anew(commands: list[list[str]]) -> None:
    compare.main(COMPARE)
    (FOLDER / "version_1").mkdir()
    (FOLDER / "version_1" / "config.yaml").write_text(yaml.safe_dump({**config(0), "seed_everything": 2}))
    assert [run.name for run in seeds.train_seeds(FOLDER / "version_0", 2)] == ["version_0", "version_2"]


def test_what_cannot_work_is_refused_by_name(
    tmp_path: Path, commands: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    compare.main(COMPARE)
    with pytest.raises(ConfigError, match="seeds: expected a whole number > 0, got 0"):
        compare.compare(*compare.parse([*COMPARE, "--seeds", "0"]))
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    with pytest.raises(ConfigError, match=r"runs: .*version_0 is not in lightning_logs"):
        seeds.train_seeds(tmp_path / FOLDER / "version_0", 2)


def test_rows_that_differ_in_more_than_numbers_stay_apart() -> None:
    rows = [{"a": "x", "n": number(1.0)}, {"a": "x", "n": "—"}, {"a": "x", "n": number(2.0)}]
    assert over_seeds(rows) == [{"a": "x", "n": "1.50 ± 0.71", "seeds": 2}, {"a": "x", "n": "—", "seeds": 1}]
    assert over_seeds(rows[:1]) == [{"a": "x", "n": "1.00"}]
