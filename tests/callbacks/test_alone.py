"""What comes after training fails alone: a figure, a score, a report."""

import json
from pathlib import Path

import pytest
import torch
from pytorch_lightning import Callback, Trainer
from pytorch_lightning.loggers import CSVLogger

from tests.helpers import EXPERIMENTS
from tests.helpers.yaml_sweep import SMALL
from ugvae import cli
from ugvae.callbacks import figures, reports
from ugvae.callbacks.alone import Alone
from ugvae.errors import OutputError

FIT = ["fit", "--config", str(EXPERIMENTS / "digits.yaml"), *SMALL, "--trainer.max_epochs=2"]
FEW = ["--trainer.limit_train_batches=2", "--trainer.limit_val_batches=1"]
RUN = Path("lightning_logs/digits/version_0")
pytestmark = pytest.mark.usefixtures("workplace")


def broken(*_: object, **__: object) -> None:
    raise IndexError("too many of them")


def warned(record: pytest.WarningsRecorder, words: str) -> int:
    return sum(words in str(warning.message) for warning in record)


def test_a_failure_is_told_once_by_its_name(recwarn: pytest.WarningsRecorder) -> None:
    alone = Alone("training goes on")
    for _ in range(2):
        with alone("figure curves"):
            broken()
        with alone("figure samples"):
            raise OutputError(28, "samples.png: cannot be written")
        with alone("figure walks"):
            raise OutputError(28, "walks.png: cannot be written")
    assert alone.failed == {"figure curves", "figure samples", "figure walks"}
    assert [str(warning.message) for warning in recwarn] == [
        "figure curves left out (IndexError: too many of them); training goes on without",
        "figure samples left out (samples.png: cannot be written); training goes on without",
    ]


def test_an_interrupt_is_no_failure() -> None:
    with pytest.raises(KeyboardInterrupt), Alone("training goes on")("figure"):
        raise KeyboardInterrupt


def test_figures_that_fail_leave_the_others_and_the_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    for name in ("samples_figure", "tsne_figure", "component_walks", "aggregate_walks"):
        monkeypatch.setattr(figures, name, broken)
    cli.main([*FIT, *FEW, "--figures.every_n_epochs=1"])
    assert {path.stem for path in (RUN / "figures").iterdir()} == {"reconstructions", "curves"}
    assert json.loads((RUN / "trained.json").read_text())["steps"] == 4
    assert "Trained 2 epochs, 4 steps (best validation ELBO" in capsys.readouterr().out
    for name in ("samples", "beta_map", "component_walks", "aggregate_walks"):
        assert warned(recwarn, f"figure {name} left out (IndexError: too many of them)") == 1


def test_the_report_and_the_last_lines_come_before_the_last_figures(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Crash(BaseException):
        """As a fault in a library's compiled code, which nobody can catch."""

    def crash(*_: object) -> None:
        raise Crash

    monkeypatch.setattr(figures, "grid_figure", crash)
    with pytest.raises(Crash):
        cli.main([*FIT, *FEW, "--figures.every_n_epochs=0"])
    trained = json.loads((RUN / "trained.json").read_text())
    assert (trained["steps"], trained["epochs"]) == (4, 2)
    assert f"ugvae evaluate {RUN}" in capsys.readouterr().out


def test_a_report_that_fails_leaves_the_last_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    monkeypatch.setattr(reports, "describe", broken)
    monkeypatch.setattr(reports.RunSummary, "_sessions", lambda *_: [])
    cli.main([*FIT, *FEW, "--figures.every_n_epochs=0"])
    assert warned(recwarn, "trained.json left out (IndexError") == 1
    assert f"ugvae evaluate {RUN}" in capsys.readouterr().out


def test_scores_that_fail_leave_the_others(monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder) -> None:
    cli.main([*FIT, *FEW, "--figures.every_n_epochs=0"])
    for name in ("cluster_scores", "QualityMetric.compute", "QualityMetric.update"):
        recwarn.clear()
        with monkeypatch.context() as patch:
            patch.setattr(f"ugvae.callbacks.reports.{name}", broken)
            cli.main(["test", *FIT[1:], "--ckpt_path=best"])
        report = json.loads((RUN / "test.json").read_text())
        lost, kept = ("clusters", "reconstructions") if name == "cluster_scores" else ("reconstructions", "clusters")
        assert report[lost] is None
        assert report[kept]
        assert "test/elbo" in report["metrics"]
        assert list(report["notes"].values()) == ["left out: it failed"]
        assert warned(recwarn, "left out (IndexError: too many of them); the test goes on without") == 1


class Unreliable(CSVLogger):
    """A user's own logger, whose server goes away."""

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        raise ConnectionError("the server has gone\nand more")

    def finalize(self, status: str) -> None:
        raise AssertionError("it is not called again")


class LooksForLogger(Callback):
    """A user's own, which finds its logger by its class, and finds it whole."""

    def on_train_end(self, trainer: Trainer, pl_module: torch.nn.Module) -> None:
        (logger,) = [logger for logger in trainer.loggers if isinstance(logger, Unreliable)]
        logger.experiment.log_metrics({"theirs": 1.0}, 0)
        assert Path(logger.log_dir).is_relative_to("theirs")


def test_a_logger_of_the_user_that_fails_in_training(recwarn: pytest.WarningsRecorder) -> None:
    chosen = [f"--trainer.logger={__name__}.Unreliable", "--trainer.logger.save_dir=theirs"]
    cli.main([*FIT, *FEW, *chosen, f"--trainer.callbacks={__name__}.LooksForLogger", "--figures.every_n_epochs=0"])
    assert json.loads((RUN / "trained.json").read_text())["steps"] == 4
    assert len((RUN / "metrics.csv").read_text().splitlines()) > 2
    assert warned(recwarn, "Unreliable failed (the server has gone); training goes on, metrics.csv and figures/") == 1


class Broken(Callback):
    """A user's own, which fails at the end."""

    def on_train_end(self, trainer: Trainer, pl_module: torch.nn.Module) -> None:
        broken()


def test_a_callback_of_the_user_that_fails_at_the_end_leaves_the_report() -> None:
    with pytest.raises(IndexError):
        cli.main([*FIT, *FEW, f"--trainer.callbacks={__name__}.Broken"])
    assert json.loads((RUN / "trained.json").read_text())["steps"] == 4


@pytest.mark.parametrize(
    "settings",
    [["--model.beta_dim=1"], ["--model=VAE", "--model.z_dim=1"], ["--model.learning_rate=0.3"]],
    ids=["one dimension of beta", "one dimension of z", "a learning rate that collapses beta"],
)
def test_maps_of_latents_that_say_little(settings: list[str], recwarn: pytest.WarningsRecorder) -> None:
    cli.main([*FIT, "--trainer.limit_train_batches=9", *settings, "--figures.every_n_epochs=0"])
    assert list((RUN / "figures").glob("*_map.png"))
    assert not warned(recwarn, "left out")
