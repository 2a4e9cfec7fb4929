"""Searches over settings without a server: what a YAML may say, 2 × 2 trials on digits, failures, and going on."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from tests.helpers import EXPERIMENTS
from tests.helpers.left_runs import leave_run
from ugvae import cli
from ugvae.cli.yamls import yaml_named
from ugvae.errors import ConfigError
from ugvae.experiments import sweep
from ugvae.experiments.search import Parameter, Search, read_parameter, read_search
from ugvae.runs.folder import read_metrics

FOLDER = Path("lightning_logs/sweep_search")
TRAIN = [f"--config={EXPERIMENTS / 'digits.yaml'}", "--data.image_size=8", "--trainer.max_epochs=1"]
TRAIN += ["--trainer.accelerator=cpu", "--figures.groups_per_label=0", "--trainer.limit_train_batches=3"]
COMMAND = ["${env}", "${interpreter}", "-m", "ugvae", "fit", *TRAIN, "${args}"]
GRID = {
    "program": "ugvae",
    "method": "grid",
    "metric": {"name": "val/elbo", "goal": "maximize"},
    "parameters": {
        "model.z_dim": {"values": [2, 3]},
        "model.backbone": {"value": "mlp"},
        "model.learning_rate": {"values": [0.001, 0.01]},
    },
    "command": COMMAND,
}


def write(**changes: Any) -> Path:
    """A sweep's YAML, with changes."""
    Path("search.yaml").write_text(yaml.safe_dump({**GRID, **changes}, sort_keys=False))
    return Path("search.yaml")


def trials(folder: Path = FOLDER) -> list[dict]:
    return json.loads((folder / "sweep.json").read_text())["trials"]


@pytest.fixture
def pretended(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Trials leave the files of a run without training, and their z_dim as the ELBO; groups of 4000 are refused."""
    called = []

    def run(command: list[str], stdout: Any, **_: Any) -> subprocess.CompletedProcess:
        called.append(command[3:])
        settings = dict(word[2:].split("=") for word in command if word.startswith("--") and "=" in word)
        if settings.get("data.group_size") == "4000":
            stdout.write("before\nerror: this is why\n")
            return subprocess.CompletedProcess(command, 2)
        leave_run(command[command.index("--experiment") + 1], float(settings.get("model.z_dim", 1)))
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", run)
    return called


def test_two_by_two_trials_on_digits(commands: list[list[str]], capsys: pytest.CaptureFixture[str]) -> None:
    sweep.main([str(write())])
    finished = trials()
    tried = [(trial["settings"]["model.z_dim"], trial["settings"]["model.learning_rate"]) for trial in finished]
    assert tried == [(2, 0.001), (2, 0.01), (3, 0.001), (3, 0.01)]
    for trial in finished:
        run = Path(trial["run"])
        assert run == FOLDER / f"trial_{trial['number']}" / "version_0"
        assert trial["value"] == max(read_metrics(run / "metrics.csv")["val/elbo"][1])
        trained = yaml.safe_load((run / "config.yaml").read_text())["model"]["init_args"]
        assert {name: trained[name.removeprefix("model.")] for name in trial["settings"]} == trial["settings"]
    best = max(finished, key=lambda trial: trial["value"])
    table = (FOLDER / "sweep.md").read_text()
    assert table.split("\n\n")[1] in capsys.readouterr().out
    heads, _, first, *others = [line for line in table.splitlines() if line.startswith("|")]
    assert heads == "| trial | model.z_dim | model.learning_rate | val/elbo | time | state |"
    assert first.startswith(f"| {best['number']} | ")
    assert len(others) == 3
    assert np.asarray(Image.open(FOLDER / "sweep.png").convert("L"), dtype=float).std() > 5

    commands.clear()
    sweep.main([str(write())])
    assert not commands, "what is done is kept"
    with pytest.raises(SystemExit, match="2"):
        sweep.main([str(write(parameters={"model.z_dim": {"values": [2, 4]}}))])
    assert "is of another search; give this one a --name of its own" in capsys.readouterr().err


def test_a_trial_that_fails_is_recorded_and_tried_again(pretended: list[list[str]]) -> None:
    path = write(parameters={"data.group_size": {"values": [4000, 4]}})
    sweep.main([str(path)])
    failed, done = trials()
    assert (failed["status"], failed["reason"]) == ("failed", "error: this is why")
    assert done["status"] == "done"
    rows = (FOLDER / "sweep.md").read_text().splitlines()
    assert rows[-1].startswith("| 0 | 4000 | — | ")
    assert rows[-1].endswith("| failed: error: this is why |")
    pretended.clear()
    sweep.main([str(path)])
    assert ["--data.group_size=4000" in command for command in pretended] == [True]


def test_a_sweep_goes_on_where_it_was_stopped(pretended: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    run, stops = subprocess.run, [False, True]

    def stopped(command: list[str], **options: Any) -> subprocess.CompletedProcess:
        if stops.pop(0):
            raise KeyboardInterrupt
        return run(command, **options)

    path = write(parameters={"model.z_dim": {"values": [2, 3]}})
    with monkeypatch.context() as patch:
        patch.setattr(subprocess, "run", stopped)
        with pytest.raises(SystemExit, match="130"):
            sweep.main([str(path)])
    assert [trial["status"] for trial in trials()] == ["done", "begun"]
    pretended.clear()
    sweep.main([str(path)])
    assert [trial["status"] for trial in trials()] == ["done", "done"]
    (command,) = pretended
    assert command[-2:] == ["--ckpt_path", "last"]
    assert "--model.z_dim=3" in command


def test_trials_are_processes_side_by_side(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is a command of its own: here one that writes the files of a run."""
    Path("train.py").write_text(
        "import pathlib, sys, time\n"
        "from tests.helpers.left_runs import leave_run\n"
        "name = sys.argv[sys.argv.index('--experiment') + 1]\n"
        "leave_run(name, float(sys.argv[1].split('=')[1]))\n"
        "limit = time.monotonic() + 60\n"
        "runs = lambda: len(list(pathlib.Path().glob('lightning_logs/*/*/version_0')))\n"
        "while runs() < 2 and time.monotonic() < limit:\n"
        "    time.sleep(0.02)\n"
        "print(runs())\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(EXPERIMENTS.parent))
    path = write(command=["${env}", "${interpreter}", "train.py", "${args}"], parameters={"x": {"values": [1.5, 2.5]}})
    sweep.main([str(path), "--parallel=2"])
    assert [trial["value"] for trial in trials()] == [1.5, 2.5]
    outputs = [path.read_text() for path in FOLDER.glob("trial_*/output.txt")]
    assert outputs == ["2\n", "2\n"], "each has seen the other"


def test_without_a_value_the_status_is_1(workplace: Path) -> None:
    with pytest.raises(SystemExit, match="1"):
        sweep.main([str(write(command=["${interpreter}", "-c", "print()", "${args}"], run_cap=1))])
    assert [trial["reason"] for trial in trials()] == ["its metrics.csv has no val/elbo"]


# ---------------------------------------------------------------------------------------------- what is to be tried


def test_random_trials_follow_from_their_number(workplace: Path) -> None:
    stated = {
        "model.z_dim": {"min": 2, "max": 5},
        "model.learning_rate": {"distribution": "log_uniform_values", "min": 1e-4, "max": 1e-1},
        "model.x_std": {"min": 0.1, "max": 0.3},
        "model.backbone": {"values": ["mlp", "conv"]},
    }
    search = read_search(write(method="random", run_cap=200, parameters=stated))
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
    search = read_search(write(method="bayes", run_cap=40, parameters={"x": {"min": -10.0, "max": 10.0}}))
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
        read_search(write(method="bayes", run_cap=2))


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
        read_search(write(**changes))


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


def test_a_missing_file_is_one_message(capsys: pytest.CaptureFixture[str], workplace: Path) -> None:
    with pytest.raises(SystemExit, match="2"):
        sweep.main(["nowhere.yaml"])
    assert capsys.readouterr().err.startswith("error: sweep: no file nowhere.yaml, and ugvae has no YAML of that name")


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
