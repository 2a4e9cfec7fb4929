"""Running many commands of the paper, and the index of what came of each."""

import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from experiments.paper import __main__ as paper
from experiments.paper import crossing, fig7, fig9
from experiments.paper.common import Captioned, save_results
from experiments.paper.index import read_index
from tests.helpers.small_models import every_model
from tests.helpers.tiny_runs import call, refused, run_of
from ugvae.evaluation.trained_run import load_run
from ugvae.models import UGVAE, VAE, GroupVAE

APPLY = {  # to runs on two domains with labels, by whether the model has beta, and whether it has a mixture
    (True, True): {"fig3", "fig5", "fig6", "fig7", "fig10", "prior"},
    (True, False): {"fig4", "fig6", "fig7", "fig11", "prior"},
    (False, True): {"fig3", "fig10", "fig12", "fig13", "prior"},
    (False, False): {"fig9", "fig13", "prior"},
}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The figures alone, without the classification of the series, and maps without the time of t-SNE."""
    monkeypatch.delitem(paper.FIGURES, "series")
    for module in (fig7, crossing):
        monkeypatch.setattr(module, "tsne", lambda points, seed: points[:, :2].numpy())


@every_model
def test_figures_that_apply_are_drawn_and_the_others_say_why(
    model_class: type[GroupVAE], tmp_path: Path, quick: None, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_of(tmp_path, model_class)
    with pytest.raises(SystemExit) as ended:
        paper.main(["figures", "--run", str(run)])
    assert ended.value.code == 0
    index, said = read_index(run)["commands"], capsys.readouterr().out
    model = load_run(run, needs_beta=False).model
    assert set(index) == set(paper.FIGURES)
    done = {name for name, entry in index.items() if entry["status"] == "done"}
    assert done == APPLY[model.beta_dim > 0, model.num_components > 0]
    for name, entry in index.items():
        assert entry["command"] == f"python -m experiments.paper {name} --run {run}"
        assert entry["title"]
        if entry["status"] == "done":
            assert f"] {name}: done, " in said
            assert entry["figures"], "a figure command draws figures"
            assert entry["figures"] == json.loads((run / "paper" / f"{name}.json").read_text())["figures"]
        else:
            assert entry["status"] == "does not apply"
            assert f"{name}: does not apply: {entry['reason']}\n" in said
            assert entry["figures"] == []
    drawn = {figure["file"] for entry in index.values() for figure in entry["figures"]}
    assert drawn == {path.name for path in (run / "paper").glob("*.png")}
    for file in drawn:
        assert np.ptp(imread(run / "paper" / file)[..., :3]) > 0.9, "not a blank picture"


def test_index_keeps_what_was_done_when_a_later_call_is_mistyped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_of(tmp_path, UGVAE)
    call("fig10", run, "--rows", "2")
    call("fig3", run)
    entry = read_index(run)["commands"]["fig10"]
    assert entry["status"] == "done"
    assert entry["command"] == f"python -m experiments.paper fig10 --run {run} --rows 2"
    refused(capsys, "fig10", "--run", str(run), "--rows", "0")
    refused(capsys, "fig4", "--run", str(run))
    index = read_index(run)["commands"]
    assert index["fig10"] == entry
    assert (index["fig4"]["status"], index["fig4"]["figures"]) == ("does not apply", [])
    assert index["fig4"]["reason"].startswith("the z of UGVAE has a mixture")


def test_a_failure_is_recorded_and_the_rest_goes_on(
    tmp_path: Path, quick: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(options: object) -> None:
        raise RuntimeError("out of paper")

    run = run_of(tmp_path, VAE)
    monkeypatch.setattr(fig9, "run", broken)
    with pytest.raises(SystemExit) as ended:
        paper.main(["figures", "--run", str(run)])
    assert ended.value.code == 1
    index = read_index(run)["commands"]
    assert (index["fig9"]["status"], index["fig9"]["reason"]) == ("failed", "RuntimeError: out of paper")
    assert index["prior"]["status"] == "done"
    assert "fig9: failed: RuntimeError: out of paper" in capsys.readouterr().out
    with pytest.raises(RuntimeError, match="out of paper"):
        paper.main(["fig9", "--run", str(run)])


def test_figures_that_are_no_longer_drawn_go(tmp_path: Path) -> None:
    run = load_run(run_of(tmp_path, UGVAE))
    options = paper.make_parser().parse_args(["fig3", "--run", str(run.directory)])
    for names in (("a", "b"), ("b",)):
        save_results(run, "fig3", options, {}, {name: Captioned(Figure(), name) for name in names})
        assert sorted(path.stem for path in (run.directory / "paper").glob("*.png")) == sorted(names)
