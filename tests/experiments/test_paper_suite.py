"""Running many commands of the paper, and the index of what came of each."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from tests.helpers.refusals import refused
from tests.helpers.small_models import every_model
from tests.helpers.tiny_runs import call, run_of
from ugvae.evaluation.trained_run import TrainedRun, load_run
from ugvae.experiments.paper import __main__ as paper
from ugvae.experiments.paper.command import Command, Made
from ugvae.experiments.paper.common import Captioned
from ugvae.experiments.paper.suite import read_index
from ugvae.models import UGVAE, VAE, BaseVAE
from ugvae.plots import maps

APPLY = {  # to runs on two domains with labels, by whether the model has beta, and whether it has a mixture
    (True, True): {"fig3", "fig5", "fig7", "fig10", "walk_sheet", "samples", "prior"},
    (True, False): {"fig4", "fig7", "fig11", "walk_sheet", "within", "prior"},
    (False, True): {"fig3", "fig10", "fig12", "fig13", "samples", "components", "prior"},
    (False, False): {"fig9", "fig13", "dimensions", "prior"},
}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The figures alone, without the classification of the series, and maps without the time of t-SNE."""
    monkeypatch.delitem(paper.FIGURES, "series")
    monkeypatch.setattr(maps, "tsne", lambda points, seed: points[:, :2].numpy())


@every_model
def test_figures_that_apply_are_drawn_and_the_others_say_why(
    model_class: type[BaseVAE], tmp_path: Path, quick: None, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_of(tmp_path, model_class)
    with pytest.raises(SystemExit) as ended:
        paper.main(["figures", "--run", str(run)])
    assert ended.value.code == 0
    index, output = read_index(run)["commands"], capsys.readouterr().out
    model = load_run(run).model
    assert set(index) == set(paper.FIGURES)
    done = {name for name, entry in index.items() if entry["status"] == "done"}
    assert done == APPLY[model.beta_dim > 0, model.num_components > 0]
    for name, entry in index.items():
        assert entry["command"] == f"ugvae paper {name} --run {run}"
        assert entry["title"]
        if entry["status"] == "done":
            assert f"] {name}: done, " in output
            assert entry["figures"], "a figure command draws figures"
            assert entry["figures"] == json.loads((run / "paper" / f"{name}.json").read_text())["figures"]
        else:
            assert entry["status"] == "does not apply"
            assert f"{name}: does not apply: {entry['reason']}\n" in output
            assert entry["figures"] == []
    drawn = {figure["file"] for entry in index.values() for figure in entry["figures"]}
    assert drawn == {path.name for path in (run / "paper").iterdir() if path.suffix in (".png", ".webp")}
    for file in drawn:
        with Image.open(run / "paper" / file) as picture:
            least = 0.9 if file.endswith(".png") else 0.05  # a sheet has no text and no white
            assert np.ptp(np.asarray(picture.convert("RGB"))) > least * 255, "not a blank picture"


def test_index_keeps_what_was_done_when_a_later_call_is_mistyped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_of(tmp_path, UGVAE)
    paper.main(["fig10", str(run), "--steps", "2"])
    call("fig3", run)
    entry = read_index(run)["commands"]["fig10"]
    assert entry["status"] == "done"
    assert entry["command"] == f"ugvae paper fig10 --run {run} --steps 2"
    refused(capsys, "fig10", "--run", str(run), "--steps", "0")
    refused(capsys, "fig4", "--run", str(run))
    index = read_index(run)["commands"]
    assert index["fig10"] == entry
    assert (index["fig4"]["status"], index["fig4"]["figures"]) == ("does not apply", [])
    assert index["fig4"]["reason"].startswith("the z of UGVAE has a mixture")


def test_a_failure_is_recorded_and_the_rest_goes_on(
    tmp_path: Path, quick: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(run: object) -> None:
        """A command."""
        raise RuntimeError("out of paper")

    run = run_of(tmp_path, VAE)
    monkeypatch.setitem(paper.FIGURES, "fig9", Command("fig9", broken, "figure"))
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

    def draws(run: object, names: list[str]) -> Made:
        return Made({}, {name: Captioned(Figure(), name) for name in names})

    for names in (["a", "b"], ["b"]):
        Command("fig3", draws, "figure").make(run, {"names": names})
        assert sorted(path.stem for path in (run.directory / "paper").glob("*.png")) == sorted(names)


def walk(run: TrainedRun, steps: int = 7, pair: tuple[int, int] = (0, 0), values: Sequence[int] = ()) -> Made:
    """What several commands share.

    Args:
        run: any.
        steps: images along a walk
        pair: two numbers
        values: any numbers
    """
    return Made({}, {})


def made_up(run: TrainedRun, has: Sequence[str] = ("x",), **options: Any) -> Made:
    """A title.

    More words.

    Args:
        run: any.
        has: names
        options: of ``walk``.
    """
    return walk(run, **options)


MADE_UP = Command("made_up", made_up, "figure")
DEFAULTS = {"has": ("x",), "steps": 7, "pair": (0, 0), "values": ()}


@pytest.mark.parametrize(
    ("typed", "given"),
    [
        ("", {}),
        ("--has a --steps 3 --has 1", {"has": ["a", "1"], "steps": 3}),
        ("--has", {"has": []}),
        ("--has=a", {"has": ["a"]}),
        ("--values -1 2", {"values": [-1, 2]}),
        ("--pair 3 4", {"pair": (3, 4)}),
    ],
)
def test_options_are_the_parameters(typed: str, given: dict[str, Any]) -> None:
    options = MADE_UP.parser().parse_args(["--run", "folder", *typed.split()])
    assert options.as_dict() == {"run": Path("folder"), **DEFAULTS, **given}
    assert MADE_UP.defaults() == DEFAULTS


@pytest.mark.parametrize("typed", ["--steps x", "--pair 1", "--pair 1 2 3", "--values a", "--step 3"])
def test_a_mistyped_option_is_named(typed: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        MADE_UP.parser().parse_args(["--run", "folder", *typed.split()])
    assert typed.split()[0].removeprefix("--") in capsys.readouterr().err


def test_help_is_the_docstring() -> None:
    words = MADE_UP.parser().format_help()
    assert "More words." in words
    assert "images along a walk" in words
    assert MADE_UP.title == "A title"
