"""What the YAML of a sweep may say, and the settings that its trials get."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from tests.helpers import EXPERIMENTS
from tests.helpers.searches import write_search
from ugvae import cli
from ugvae.cli.yamls import yaml_named
from ugvae.errors import ConfigError
from ugvae.experiments.search import Parameter, Search, read_parameter, read_search


def test_random_trials_follow_from_their_number(workplace: Path) -> None:
    stated = {
        "model.z_dim": {"min": 2, "max": 5},
        "model.learning_rate": {"distribution": "log_uniform_values", "min": 1e-4, "max": 1e-1},
        "model.x_std": {"min": 0.1, "max": 0.3},
        "model.backbone": {"values": ["mlp", "conv"]},
    }
    search = read_search(write_search(method="random", run_cap=200, parameters=stated))
    drawn = [search.settings(number, ()) for number in range(search.trials)]
    assert drawn[7] == search.settings(7, [({}, 1.0)])
    assert {settings["model.z_dim"] for settings in drawn} == {2, 3, 4, 5}
    assert {settings["model.backbone"] for settings in drawn} == {"mlp", "conv"}
    rates = np.log10([settings["model.learning_rate"] for settings in drawn])
    assert -4 <= rates.min() < -3.5
    assert -1.5 < rates.max() <= -1
    assert abs(rates.mean() + 2.5) < 0.25
    assert all(0.1 <= settings["model.x_std"] <= 0.3 for settings in drawn)


def test_bayes_finds_a_peak_that_results_show(workplace: Path) -> None:
    pytest.importorskip("optuna")
    search = read_search(write_search(method="bayes", run_cap=40, parameters={"x": {"min": -10.0, "max": 10.0}}))
    results: list[tuple[dict, float]] = []
    for number in range(search.trials):
        settings = search.settings(number, results)
        assert settings == search.settings(number, results), "the same again, after a stop"
        results.append((settings, -((settings["x"] - 3) ** 2)))
    late = [settings["x"] for settings, _ in results[-10:]]
    assert np.abs(np.subtract(late, 3)).mean() < 2.5, "uniform draws are 5.5 away"
    assert search.best([value for _, value in results]) > -0.1


def test_bayes_without_optuna_says_what_to_install(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ConfigError, match=r"method: bayes needs Optuna: pip install 'ugvae\[sweep\]'"):
        read_search(write_search(method="bayes", run_cap=2))


def test_the_command_line_of_a_trial() -> None:
    search = Search("grid", "val/elbo", "maximize", {}, ("${env}", "${interpreter}", "-m", "ugvae", "${args}", "x"), 1)
    settings = {"a": 1, "b": None, "c": True, "d": "word", "e": [1, 2]}
    expected = [sys.executable, "-m", "ugvae", "--a=1", "--b=null", "--c=true", "--d=word", "--e=[1, 2]", "x"]
    assert search.arguments(settings) == expected


def test_the_smallest_may_be_the_best() -> None:
    search = Search("grid", "loss", "minimize", {}, (), 1)
    assert search.best([3.0, float("nan"), 1.0]) == 1.0
    assert search.best([float("inf")]) is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "guess"}, "method: expected grid, random, bayes, got 'guess'"),
        ({"metric": {"goal": "maximize"}}, "metric: expected a name and a goal"),
        ({"metric": {"name": "a", "goal": "up"}}, "metric: expected a name and a goal"),
        ({"parameters": {}}, "parameters: search.yaml names no setting"),
        ({"parameters": {"a": {"min": 1, "max": 2}}}, r"parameters\.a: a grid needs values"),
        ({"command": "python train.py"}, "command: expected a list of words with"),
        ({"command": ["python", "train.py"]}, "command: expected a list of words with"),
        ({"method": "random"}, "run_cap: how many trials"),
        ({"run_cap": -1}, "run_cap: how many trials"),
    ],
)
def test_what_cannot_be_searched_is_named(changes: dict, message: str, workplace: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        read_search(write_search(**changes))


@pytest.mark.parametrize(
    "stated",
    [
        {"min": 2, "max": 1},
        {"min": 1},
        {"values": []},
        {"min": 0.0, "max": 1.0, "distribution": "log_uniform_values"},
        {"min": 0.0, "max": 1.0, "distribution": "beta"},
        {"mu": 0, "sigma": 1, "distribution": "normal"},
    ],
    ids=str,
)
def test_parameters_that_cannot_be_searched_are_named(stated: dict) -> None:
    with pytest.raises(ConfigError, match=r"parameters\.model\.z_dim: "):
        read_parameter("model.z_dim", stated)


@pytest.mark.parametrize("path", sorted((EXPERIMENTS / "sweeps").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_shipped_searches_are_of_settings_that_there_are(
    path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(EXPERIMENTS.parent)
    search = read_search(path)
    assert (search.metric, search.goal) == ("val/elbo", "maximize")
    assert isinstance(search.parameters["model.learning_rate"], Parameter)
    arguments = search.arguments(search.settings(0, ()))
    assert arguments[:4] == [sys.executable, "-m", "ugvae", "fit"]
    with pytest.raises(SystemExit, match="0"):
        cli.main([*arguments[3:], "--print_config"])
    printed = yaml.safe_load(re.sub(r"^#.*", "", capsys.readouterr().out))
    assert printed["model"]["init_args"]["z_dim"] == search.settings(0, ())["model.z_dim"]
    assert yaml_named(arguments[arguments.index("--config") + 1]).is_file()
