"""Sweeps without a server: 2 × 2 trials on digits, failures, and going on."""

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from tests.helpers import EXPERIMENTS
from tests.helpers.left_runs import leave_run
from tests.helpers.searches import write_search
from ugvae.experiments import sweep
from ugvae.runs.folder import read_metrics

FOLDER = Path("lightning_logs/sweep_search")


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
    sweep.main([str(write_search())])
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
    sweep.main([str(write_search())])
    assert not commands, "what is done is kept"
    with pytest.raises(SystemExit, match="2"):
        sweep.main([str(write_search(parameters={"model.z_dim": {"values": [2, 4]}}))])
    assert "is of another search; give this one a --name of its own" in capsys.readouterr().err


def test_a_trial_that_fails_is_recorded_and_tried_again(pretended: list[list[str]]) -> None:
    path = write_search(parameters={"data.group_size": {"values": [4000, 4]}})
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

    path = write_search(parameters={"model.z_dim": {"values": [2, 3]}})
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
    path = write_search(
        command=["${env}", "${interpreter}", "train.py", "${args}"], parameters={"x": {"values": [1.5, 2.5]}}
    )
    sweep.main([str(path), "--parallel=2"])
    assert [trial["value"] for trial in trials()] == [1.5, 2.5]
    outputs = [path.read_text() for path in FOLDER.glob("trial_*/output.txt")]
    assert outputs == ["2\n", "2\n"], "each has seen the other"


def test_without_a_value_the_status_is_1(workplace: Path) -> None:
    with pytest.raises(SystemExit, match="1"):
        sweep.main([str(write_search(command=["${interpreter}", "-c", "print()", "${args}"], run_cap=1))])
    assert [trial["reason"] for trial in trials()] == ["its metrics.csv has no val/elbo"]


def test_a_missing_file_is_one_message(capsys: pytest.CaptureFixture[str], workplace: Path) -> None:
    with pytest.raises(SystemExit, match="2"):
        sweep.main(["nowhere.yaml"])
    assert capsys.readouterr().err.startswith("error: sweep: no file nowhere.yaml, and ugvae has no YAML of that name")
