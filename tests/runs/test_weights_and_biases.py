"""One record in W&B for all sessions of a run, read back with W&B's own reader; what switches it off or breaks it."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np
import pytest
import wandb
import yaml
from PIL import Image

from tests.helpers import EXPERIMENTS
from tests.helpers.made_up_runs import save_picture, table1, write_run
from tests.helpers.wandb_records import config, entries, rows, sessions, summary
from ugvae import cli
from ugvae.experiments.paper.dashboard import add_paper, numbers
from ugvae.experiments.paper.report import report
from ugvae.runs.folder import read_metrics
from ugvae.runs.weights_and_biases import RECORD, WandbSettings, add_results, start_record

RUN = Path("lightning_logs/digits/version_0")
FIT = ["fit", f"--config={EXPERIMENTS / 'digits.yaml'}", "--data.image_size=8", "--model.z_dim=3"]
FIT += ["--trainer.accelerator=cpu", "--trainer.log_every_n_steps=4", "--figures.groups_per_label=0"]
ASKED = ["--wandb.group=tests", "--wandb.tags=[a,b]", "--wandb.log_model=true"]
PAPER = {"table1": table1()}
TABLE_FIGURE = {"figures": [{"file": "table1.png", "caption": "One bar per feature."}]}  # named as its numbers are


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A run of two sessions with its test, some results of the paper and its report, each a session of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("evaluated"))
        patch.setenv("WANDB_MODE", "offline")
        patch.delenv("WANDB_DATA_DIR", raising=False)
        patch.setenv("WANDB_PROJECT", "of-the-environment")
        wandb.teardown()  # it keeps the variables of an earlier run
        cli.main([*FIT, *ASKED, "--trainer.max_epochs=1"])
        cli.main([*FIT, *ASKED, "--trainer.max_epochs=2", "--ckpt_path=last"])
        best = RUN / "checkpoints" / "best.ckpt"
        cli.main(["test", "--config", str(RUN / "config.yaml"), "--ckpt_path", str(best)])
        made_up = write_run(Path("made_up"), results=PAPER)
        figures = {"figures": [{"file": "fig3.png", "caption": "Look for rows that differ."}]}
        shutil.copytree(made_up / "paper", RUN / "paper")
        (RUN / "paper" / "fig3.json").write_text(json.dumps({"name": "fig3", **figures}))
        (RUN / "paper" / "table1.json").write_text(json.dumps({**table1(), **TABLE_FIGURE}))
        save_picture(RUN / "paper" / "table1.png")
        add_paper(RUN)
        report(RUN)
        yield RUN.absolute()


@pytest.fixture(scope="module")
def record(evaluated: Path) -> list[list[dict]]:
    return sessions(evaluated)


def test_all_sessions_are_of_one_run(record: list[list[dict]]) -> None:
    runs = [entries(session, "run")[0] for session in record]
    assert len(runs) == 5
    (identity,) = {(run["run_id"], run["project"], run["display_name"], run["run_group"]) for run in runs}
    assert identity[1:] == ("of-the-environment", "digits/version_0", "tests")
    assert all(run["resume"] and run["tags"] == ["a", "b"] for run in runs)
    assert [end["exit_code"] for session in record for end in entries(session, "exit")] == [0] * 5


def test_sync_would_send_all_sessions_one_after_the_other(evaluated: Path, record: list[list[dict]]) -> None:
    folders = sorted(map(str, evaluated.glob("wandb/offline-run-*")))
    command = [sys.executable, "-m", "wandb", "sync", "--dry-run", *folders]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "Would sync 5 run(s)" in done.stderr + done.stdout
    steps = [step for session in record for step in rows(session)]
    assert steps == sorted(set(steps)), "no session writes over the rows of another"


def test_the_settings_are_whole(record: list[list[dict]]) -> None:
    settings = config(record[0])
    assert settings["model"]["class"] == "ugvae.models.ugvae.UGVAE"
    assert (settings["model"]["z_dim"], settings["model"]["image_shape"]) == (3, [1, 8, 8])
    assert settings["data"]["class"].endswith("DigitsDataModule")
    assert {"group_size": 16, "grouping": "random", "seed": 1}.items() <= settings["data"].items()
    assert settings["seed_everything"] == 1
    assert settings["trainer"]["max_epochs"] == 1
    assert config(record[1])["trainer"]["max_epochs"] == 2
    assert settings["images"]["training images"] == 1257
    assert {"torch", "python"} <= settings["versions"].keys()
    assert settings["hardware"]["cores"] >= 1
    assert "commit" in settings


def test_the_curves_are_those_of_the_metrics(evaluated: Path, record: list[list[dict]]) -> None:
    logged = {step: row for session in record[:2] for step, row in rows(session).items()}
    metrics = read_metrics(evaluated / "metrics.csv")
    for name in ("train/elbo", "train/images_per_second", "train/kl_beta"):
        logged_values = {step: row[name] for step, row in logged.items() if name in row}
        np.testing.assert_allclose(list(logged_values), metrics[name][0])
        np.testing.assert_allclose(list(logged_values.values()), metrics[name][1])
    validated = [(row["epoch"], row["val/elbo"]) for row in logged.values() if "val/elbo" in row]
    np.testing.assert_allclose(validated, np.stack([[0, 1], metrics["val/elbo"][1]], 1))
    rates = [row["learning_rate"] for row in logged.values() if "train/elbo" in row]
    assert len(rates) == len(metrics["train/elbo"][0])
    assert max(rates) > 0
    assert all(row["trainer/global_step"] == step for step, row in logged.items())


def test_axes_and_extremes(record: list[list[dict]]) -> None:
    defined = {entry.get("name") or entry["glob_name"]: entry for entry in entries(record[0], "metric")}
    assert defined["train/*"]["step_metric"] == defined["learning_rate"]["step_metric"] == "trainer/global_step"
    assert defined["val/*"]["step_metric"] == "epoch"
    elbos = [row["train/elbo"] for row in rows(record[0]).values() if "train/elbo" in row]
    assert summary(record[0])["train/elbo"] == {"min": min(elbos), "max": max(elbos), "last": elbos[-1]}
    assert summary(record[0])["val/elbo"].keys() == {"min", "max", "last"}


def test_held_out_groups_are_a_table(evaluated: Path, record: list[list[dict]]) -> None:
    (kept,) = (entry for entry in entries(record[0], "artifact") if entry["type"] == "run_table")
    files = {content["path"]: Path(content["local_path"]) for content in kept["manifest"]["contents"]}
    assert all(path.is_relative_to(evaluated / "wandb") for path in files.values()), "the run's folder holds all"
    table = json.loads(files["held_out_groups.table.json"].read_text())
    assert table["columns"] == ["group", "images", "label", "beta", "component"]
    assert len(table["data"]) == 180 // 16
    _, images, labels, beta, components = table["data"][0]
    assert np.asarray(Image.open(files[images["path"]])).shape == (8, 16 * 8)
    assert len(labels.split(", ")) == len(components.split(", ")) == 16
    assert len(beta) == 20


def test_figures_have_captions(evaluated: Path, record: list[list[dict]]) -> None:
    (last,) = (row for row in rows(record[0]).values() if "figures/samples.captions" in row)
    assert last["figures/samples.captions"] == [
        "Images drawn from the prior. A row is one group: its images share one beta, where the model has one."
    ]
    drawn = {path.stem for path in (evaluated / "figures").iterdir()}
    assert drawn == {name.split("/")[1].split(".")[0] for name in last if name.startswith("figures/")}
    (paper,) = rows(record[3]).values()
    assert paper["paper_figures/fig3.captions"] == ["Look for rows that differ."]


def test_results_of_the_evaluation_are_in_the_summary(evaluated: Path, record: list[list[dict]]) -> None:
    test = json.loads((evaluated / "test.json").read_text())
    tested = summary(record[2])
    assert tested["test/elbo"] == test["metrics"]["test/elbo"]
    assert tested["test/clusters"] == pytest.approx(test["clusters"])
    assert tested["test/reconstructions"] == pytest.approx(test["reconstructions"])
    paper = summary(record[3])
    assert "paper/fig3" not in paper, "a figure alone has no numbers"
    assert paper["paper_figures/table1.captions"] == ["One bar per feature."]
    assert not [name for name in paper if name.startswith("paper/table1.")], "no picture lies over the numbers"
    accuracies = paper["paper/table1"]["results"]["Male / not Male"]["accuracy"]["kinds"]
    assert accuracies["beta sample"]["linear"] == {"mean": 0.91, "sd": 0.01}
    verdicts = {name: holds for name, holds in paper.items() if name.startswith("verdict/")}
    assert "yes" in verdicts.values()
    assert "not measured" in verdicts.values()


def test_checkpoint_and_report_are_artifacts_on_request(record: list[list[dict]]) -> None:
    kept = [{entry["type"] for entry in entries(session, "artifact")} - {"run_table"} for session in record]
    assert kept == [{"model"}, {"model"}, set(), set(), {"report"}]


def test_without_the_request_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = MagicMock()
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setattr(wandb, "init", opened)
    (tmp_path / RECORD).parent.mkdir()
    (tmp_path / RECORD).write_text(json.dumps({"id": "x", "project": "y", "log_model": False}))
    add_results(tmp_path, {}, artifacts={"report": tmp_path / "report.html"})
    opened.assert_not_called()


def test_numbers_leave_out_what_is_no_result() -> None:
    result = {"name": "a", "config": {}, "results": {"b": {"mean": 1.0, "values": [1.0, 2.0], "left": None}}}
    assert numbers(result) == {"results": {"b": {"mean": 1.0, "left": None}}}


@pytest.mark.parametrize(
    ("settings", "environment", "project", "name"),
    [
        (WandbSettings(), {}, "ugvae", "folder"),
        (WandbSettings(), {"WANDB_PROJECT": "theirs", "WANDB_NAME": "named"}, "theirs", "named"),
        (WandbSettings("mine", name="called"), {"WANDB_PROJECT": "theirs", "WANDB_NAME": "named"}, "mine", "called"),
    ],
    ids=["defaults", "W&B's own variables", "settings"],
)
def test_where_the_record_goes(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings: WandbSettings,
    environment: dict[str, str],
    project: str,
    name: str,
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    for variable in ("WANDB_PROJECT", "WANDB_NAME"):
        monkeypatch.delenv(variable, raising=False)
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    wandb.teardown()  # it keeps the variables of an earlier run
    asked = {}

    def init(**given: object) -> MagicMock:
        asked.update(given)
        return MagicMock(id="1", project=given["project"], entity=None)

    monkeypatch.setattr(wandb, "init", init)
    assert start_record(tmp_path, "folder", settings) is not None
    assert (asked["project"], asked["name"]) == (project, name)
    assert not {"entity", "group", "tags"} & asked.keys(), "what is not set is left to W&B"
    assert json.loads((tmp_path / RECORD).read_text())["project"] == project


def test_settings_are_refused_by_name(capsys: pytest.CaptureFixture[str], workplace: Path) -> None:
    Path("null.yaml").write_text("wandb: null")
    refused = {"--wandb.projekt=x": "Did you mean wandb.project?", "--config=null.yaml": "wandb: expected settings"}
    for wrong, message in refused.items():
        with pytest.raises(SystemExit, match="2"):
            cli.main([*FIT, wrong])
        assert message in capsys.readouterr().err


def test_a_yaml_may_hold_them(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("more.yaml").write_text(yaml.safe_dump({"wandb": {"project": "mine", "tags": ["a"]}}))
    with pytest.raises(SystemExit, match="0"):
        cli.main([*FIT, "--config=more.yaml", "--print_config"])
    printed = yaml.safe_load(capsys.readouterr().out)["wandb"]
    assert (printed["project"], printed["tags"], printed["log_model"]) == ("mine", ["a"], False)


def test_switched_off_it_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    monkeypatch.setitem(sys.modules, "wandb", None)  # it is not even imported
    assert start_record(tmp_path, "name", WandbSettings()) is None
    (tmp_path / RECORD).parent.mkdir()
    (tmp_path / RECORD).write_text('{"id": "x"}')
    add_results(tmp_path, {"test/elbo": 1.0})
    assert [path.name for path in tmp_path.rglob("*")] == ["wandb", "run.json"]


def test_a_library_that_does_not_work_is_one_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setitem(sys.modules, "wandb", None)  # as if it were not installed
    with pytest.warns(UserWarning, match=r"W&B does not work here \(import of wandb halted.*the run goes on without"):
        assert start_record(tmp_path, "name", WandbSettings()) is None
    (tmp_path / RECORD).parent.mkdir()
    (tmp_path / RECORD).write_text('{"id": "x"}')
    with pytest.warns(UserWarning, match="W&B has no results of"):
        add_results(tmp_path, {"test/elbo": 1.0})
