"""``ugvae evaluate``: test, predict and the commands of the paper on one run, with the same settings."""

import csv
import json
from pathlib import Path

import pytest
import torch

from tests.helpers.yaml_sweep import SHORT, SMALL
from ugvae import __main__ as entrance
from ugvae.experiments.paper import __main__ as paper
from ugvae.experiments.paper.suite import read_index

RUN = Path("lightning_logs/digits/version_0")
pytestmark = pytest.mark.usefixtures("workplace")


def test_a_run_is_evaluated_in_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    entrance.main(["fit", "--config=digits", *SMALL, *SHORT, "--data.image_size=8", "--figures.groups_per_label=0"])
    precisions = []
    command = paper.FIGURES["prior"]
    monkeypatch.setattr(paper, "FIGURES", {"prior": command})
    monkeypatch.setattr(paper, "TABLES", {})
    monkeypatch.setattr(
        type(command), "lacks_always", lambda *_: precisions.append(torch.get_float32_matmul_precision())
    )
    with pytest.raises(SystemExit) as ended:
        entrance.main(["evaluate", str(RUN), "--data.group_size", "5", "--data.predict_split=val"])
    assert ended.value.code == 0
    assert json.loads((RUN / "test.json").read_text())["group_size"] == 5
    with (RUN / "images.csv").open() as file:
        assert {row["split"] for row in csv.DictReader(file)} == {"val"}
    entry = read_index(RUN)["commands"]["prior"]
    assert entry["status"] == "done"
    assert entry["command"] == f"ugvae paper prior --run {RUN} --data.group_size=5 --data.predict_split=val"
    assert set(precisions) == {"highest"}, "that of the trainer is not left to what measures"


@pytest.mark.parametrize("typed", [["nowhere"], ["--run", "nowhere"], ["--run=nowhere", "--data.seed=3"]])
def test_a_folder_that_is_no_run(typed: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        entrance.main(["evaluate", *typed])
    message = "error: run: nowhere is not the folder of a run, it has no config.yaml\n"
    assert capsys.readouterr().err == message


def test_without_a_run_the_usage_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        entrance.main(["evaluate"])
    assert "usage: ugvae evaluate RUN" in capsys.readouterr().err
