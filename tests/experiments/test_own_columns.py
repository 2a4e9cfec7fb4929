"""A user's own columns, by the names of their values: told apart, translated, drawn, and in the report's verdict."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.helpers.refusals import refused
from tests.helpers.small_models import make
from tests.helpers.tiny_runs import call, write_run
from ugvae.errors import ConfigError
from ugvae.evaluation.kinds import largest_groups, of_column, values_by_name
from ugvae.evaluation.results import read_results
from ugvae.evaluation.trained_run import load_run
from ugvae.evaluation.verdict import verdict
from ugvae.experiments.paper import __main__ as paper
from ugvae.models import UGVAE
from ugvae.runs.folder import read_run

QUICK = ["--groups", "20", "--seeds", "2"]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """An untrained run on 96 dark and bright images of two named sites, and two of a third; all in the test split."""
    for number in range(98):
        site = "site C" if number > 95 else ("site A", "site B")[number % 2]
        for split in ("train", "val", "test") if number < 4 else ("test",):
            path = tmp_path / "sites" / split / site / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            noise = np.random.default_rng(number).integers(0, 100, (8, 8))
            Image.fromarray((noise + 150 * (site == "site B")).astype(np.uint8)).save(path)
    settings = {"root": str(tmp_path / "sites"), "channels": 1, "image_size": 8, "group_size": 40}
    data = {"class_path": "ugvae.datamodules.ImageFolderDataModule", "init_args": settings}
    return write_run(tmp_path / "run", make(UGVAE, (1, 8, 8), double=False), data)


def test_groups_of_a_named_column(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = call("groups", run, "--column", "label", *QUICK)
    printed = capsys.readouterr().out
    (comparison,) = result["results"].values()
    assert list(result["results"]) == ["label: site A / site B"]
    assert result["left_out"] == {"label": "too few test images for groups: site C"}
    trained = load_run(run)
    sizes = largest_groups(trained, of_column(trained, "label"), 2)
    assert comparison["group_size"] == min(sizes["site A"], sizes["site B"]) < 24
    assert sizes["site C"] < 2
    assert f"label: groups of {comparison['group_size']} images, not 40" in printed
    pixels = comparison["accuracy"]["kinds"]["mean image, PCA"]["linear"]
    assert pixels["mean"] == 1.0, "dark and bright groups"
    assert {"untrained beta sample", "beta sample, permuted labels"} <= set(comparison["accuracy"]["kinds and random"])


def test_groups_are_told_apart_at_the_nats_that_are_asked_for(run: Path) -> None:
    plain = call("groups", run, *QUICK)["results"]["label: site A / site B"]["accuracy"]["kinds"]
    (comparison,) = call("groups", run, *QUICK, "--nats", "30", "0.5")["results"].values()
    told = comparison["accuracy"]["kinds"]
    assert list(told)[-4:] == [
        f"{name} at {nats} nats" for nats in ("30", "0.5") for name in ("beta sample", "untrained beta sample")
    ]
    assert {name: told[name] for name in plain} == plain, "nothing else has changed"
    best = {nats: max(kernel["mean"] for kernel in told[f"beta sample at {nats} nats"].values()) for nats in (30, 0.5)}
    assert best[30] == 1 > best[0.5], "dark and bright groups"


def test_verdict_of_a_column(run: Path) -> None:
    call("groups", run, "--column", "label", "--values", "site B", "site A", *QUICK)
    *_, statement = verdict(read_results(read_run(run).results))
    assert statement.claim == "Beta tells label: site B / site A apart beyond the controls."
    assert statement.holds == "no", "the network is untrained"
    paper.main(["report", "--run", str(run)])
    assert "Beta tells label: site B / site A apart" in (run / "report.html").read_text()


def test_one_seed_has_no_deviation(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = call("groups", run, "--groups", "20", "--seeds", "1")
    (comparison,) = result["results"].values()
    assert "sd" not in comparison["accuracy"]["kinds"]["beta sample"]["linear"]
    assert "±" not in capsys.readouterr().out


def test_every_command_takes_names(run: Path) -> None:
    names = ["--column", "label", "--values", "site B", "site A"]
    assert call("fig5", run, *names, "--mapped", "4")["kinds"] == {"site B": {"label": 1}, "site A": {"label": 0}}
    assert list(call("fig7", run, *names, "--mapped", "4")["images"]) == ["site B", "site A"]
    assert call("translation", run, *names, "--groups", "2")["domains"]["names"] == {"A": "site B", "B": "site A"}
    of_table1 = ["--group_size", "8", "--protocol", "held-out", *QUICK]
    assert list(call("table1", run, *names, *of_table1)["results"]) == ["label site B / label site A"]
    assert call("latent_use", run, *names, "--groups", "6")["kinds"] == ["site B", "site A"]


def test_values_by_name_or_number(run: Path) -> None:
    trained = load_run(run)
    assert values_by_name(trained, "label", ["site B", "0", 2]) == [1, 0, 2]
    with pytest.raises(ConfigError, match=r"^values: 'label' has no value 'siteB'; it has site A, site B, site C$"):
        values_by_name(trained, "label", ["siteB"])


def test_refusals(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for options, message in (
        (["--values", "site A"], "values: name their one column by --column"),
        (["--column", "patient"], "column: no column 'patient'; the data have label"),
        (
            ["--column", "label", "--values", "site A", "site C"],
            "column: two values with enough test images are needed.",
        ),
    ):
        error = refused(capsys, "groups", "--run", str(run), *options).splitlines()[-1]
        assert error.removeprefix("error: ").startswith(message)


def test_groups_larger_than_the_images(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The message says which size would do, and that size does."""
    names = ["--column", "label", "--values", "site A", "site B", *QUICK]
    message = refused(capsys, "table1", "--run", str(run), *names).splitlines()[-1]
    reason = r"group_size: no groups of 128, since label site [AB] has \d+ images in a half of the test images"
    advice = re.fullmatch(rf"{reason}; take (.*) or less", message)[1].split()
    call("table1", run, *names, *advice, "--protocol", "held-out")
    too_many = [*advice[:-1], str(int(advice[-1]) + 1)]
    assert refused(capsys, "table1", "--run", str(run), *names, *too_many).endswith(f"{advice[-1]} or less")
    message = refused(capsys, "table1", "--run", str(run), *names, "--protocol", "paper").splitlines()[-1]
    assert message.endswith("label site A has 2 training images; take --group_size 2 or less")
    rare = ["--column", "label", "--values", "site A", "site C"]
    message = refused(capsys, "table1", "--run", str(run), *rare, "--protocol", "held-out", *QUICK).splitlines()[-1]
    assert re.search(r"site C has [01] images in a half of the test images; at least 2 are needed$", message)
    message = refused(capsys, "groups", "--run", str(run), "--groups", "2", "--seeds", "1").splitlines()[-1]
    assert message == "groups: 2 of each kind leave none to learn from or none for the test; take 5 or more"


def test_a_content_that_is_not_there(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``label`` is the default, and left out in silence only where it was not asked for."""
    names = ["--column", "label", "--values", "site B", "site A", "--content"]
    for content in ("nonsense", "label"):  # what is translated cannot be kept
        message = refused(capsys, "translation", "--run", str(run), *names, content).splitlines()[-1]
        assert message == f"content: no other column {content!r}; the data have none to be kept"


def test_data_that_have_moved(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "sites").rename(tmp_path / "elsewhere")
    assert "no images under" in refused(capsys, "fig3", "--run", str(run))
    moved = ["--data.root", str(tmp_path / "elsewhere"), "--trainer.accelerator=cpu"]
    call("groups", run, *QUICK, *moved)
    with pytest.raises(SystemExit, match="0"):
        paper.main(["figures", "--run", str(run), *moved])
    index = read_run(run).commands
    assert index["fig3"]["status"] == "done"
    assert index["fig3"]["command"].endswith(f"fig3 --run {run} --data.root={tmp_path / 'elsewhere'}")
