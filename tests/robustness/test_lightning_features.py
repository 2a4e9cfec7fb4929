"""Features of Lightning that the trainer's settings switch on: they work with a run, or are refused by name."""

import csv
import json
import os
import signal
import threading
from pathlib import Path

import pytest
import torch
import yaml
from pytorch_lightning import Callback, Trainer

from tests.helpers import EXPERIMENTS
from tests.helpers.refusals import refusal
from tests.helpers.yaml_sweep import SMALL
from ugvae import cli

DIGITS = ["--config", str(EXPERIMENTS / "digits.yaml"), *SMALL, "--data.image_size=8", "--model.z_dim=2"]
SHORT = ["--trainer.max_epochs=2", "--trainer.limit_train_batches=4", "--trainer.limit_val_batches=1"]
FIT = ["fit", *DIGITS, *SHORT, "--figures.groups_per_label=0"]
RUN = Path("lightning_logs/digits/version_0")
pytestmark = pytest.mark.usefixtures("workplace")


def callback(name: str, **settings: object) -> str:
    """A YAML with a callback of Lightning."""
    chosen = {"class_path": f"pytorch_lightning.callbacks.{name}", "init_args": settings}
    Path("callback.yaml").write_text(yaml.safe_dump({"trainer": {"callbacks": [chosen]}}))
    return "--config=callback.yaml"


def rows() -> list[dict[str, str]]:
    with (RUN / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def trained() -> dict:
    return json.loads((RUN / "trained.json").read_text())


WORKS = {
    "no progress bar": ["--trainer.enable_progress_bar=false"],
    "another progress bar": ["--trainer.callbacks+=TQDMProgressBar"],
    "one callback, no list": ["--trainer.callbacks=LearningRateMonitor"],
    "an early stop": [
        "--trainer.callbacks+=EarlyStopping",
        "--trainer.callbacks.monitor=val/elbo",
        "--trainer.callbacks.mode=max",
    ],
    "no logger": ["--trainer.logger=false"],
    "another logger": ["--trainer.logger=CSVLogger", "--trainer.logger.save_dir=theirs"],
    "no validation": ["--trainer.limit_val_batches=0"],
}


@pytest.mark.parametrize("name", WORKS)
def test_what_works(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main([*FIT, *WORKS[name]])
    assert trained()["steps"] == 8
    assert rows()[-1]["step"]
    assert (RUN / "checkpoints" / "last.ckpt").is_file()
    assert yaml.safe_load((RUN / "hparams.yaml").read_text())["image_shape"] == [1, 8, 8]
    assert f"ugvae evaluate {RUN}" in capsys.readouterr().out


REFUSED = {
    "weights in bfloat16": (["--trainer.precision=bf16-true"], "trainer.precision: bf16-true would round"),
    "weights in float16": (["--trainer.precision=16-true"], "16-mixed keeps them in float32"),
    "spawn": (["--trainer.strategy=ddp_spawn"], "trainer.strategy: ddp_spawn copies the trainer"),
    "fork": (["--trainer.strategy=ddp_fork"], "trainer.strategy: ddp_fork"),
    "a notebook's": (["--trainer.strategy=ddp_notebook"], "use ddp"),
    "no compiler": (["--model.compile=true"], "model.compile: torch.compile needs a C++ compiler"),
    "an early stop without validation": (
        ["--trainer.callbacks+=EarlyStopping", "--trainer.callbacks.monitor=val/elbo", "--trainer.limit_val_batches=0"],
        "trainer.callbacks: EarlyStopping waits for val/elbo",
    ),
    "SLURM with --ntasks alone": ([], "Use `--ntasks-per-node=2` instead"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_by_name(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, workplace: Path
) -> None:
    arguments, message = REFUSED[name]
    if name == "no compiler":
        monkeypatch.setenv("CXX", "no-such-compiler")
        monkeypatch.setenv("PATH", str(workplace))
    if name.startswith("SLURM"):
        for key, value in {"SLURM_NTASKS": "2", "SLURM_JOB_NAME": "x", "SLURM_JOB_ID": "3"}.items():
            monkeypatch.setenv(key, value)
    assert message in refusal(capsys, *FIT, *arguments, main=cli.main)
    assert not list(workplace.iterdir()), "nothing is left of it"


def test_a_monitor_that_is_never_logged_is_one_message(capsys: pytest.CaptureFixture[str]) -> None:
    message = refusal(
        capsys, *FIT, "--trainer.callbacks+=EarlyStopping", "--trainer.callbacks.monitor=val/elbow", main=cli.main
    )
    assert message.startswith("trainer: Early stopping conditioned on metric `val/elbow` which is not available")
    assert "`val/elbo`" in message


def test_no_checkpoints(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main([*FIT, "--trainer.enable_checkpointing=false"])
    assert trained()["best_val_elbo"] is None
    assert not (RUN / "checkpoints").exists()
    assert "checkpoints" not in capsys.readouterr().out


def test_checkpoints_of_the_user_leave_ours_alone(capsys: pytest.CaptureFixture[str]) -> None:
    own = callback("ModelCheckpoint", monitor="val/kl_beta", mode="min", filename="mine", dirpath="theirs")
    cli.main([*FIT, own])
    best = max(float(row["val/elbo"]) for row in rows() if row["val/elbo"])
    assert trained()["best_val_elbo"] == pytest.approx(best, rel=1e-5)
    assert {path.name for path in (RUN / "checkpoints").iterdir()} == {"best.ckpt", "last.ckpt", "previous.ckpt"}
    assert Path("theirs/mine.ckpt").is_file()
    assert f"(best validation ELBO {best:.1f} nats per image)" in capsys.readouterr().out


def test_another_monitor_is_not_called_the_elbo(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main([*FIT, "--checkpoint.monitor=val/kl_z", "--checkpoint.mode=min"])
    assert trained()["best_val_elbo"] is None
    assert "(best val/kl_z " in capsys.readouterr().out


class Stopper(Callback):
    """Sends SIGTERM at a step."""

    def on_train_batch_start(self, trainer: Trainer, *_: object) -> None:
        if trainer.global_step == 2 and threading.current_thread() is threading.main_thread():
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize("ours", [True, False])
def test_a_signal_with_checkpoints_of_the_user(ours: bool, capsys: pytest.CaptureFixture[str]) -> None:
    own = callback("ModelCheckpoint", dirpath="theirs")
    switch = [] if ours else ["--trainer.enable_checkpointing=false"]
    with pytest.raises(SystemExit, match="143"):
        cli.main([*FIT, own, f"--trainer.callbacks+={__name__}.Stopper", *(switch)])
    last = RUN / "checkpoints" / "last.ckpt"
    assert last.is_file() == ours
    assert not ours or torch.load(last, weights_only=True)["global_step"] == 3


def test_accumulated_gradients_give_a_row_per_logged_step() -> None:
    plain = ["--trainer.max_epochs=1", "--trainer.limit_train_batches=16", "--trainer.log_every_n_steps=1"]
    cli.main([*FIT, *plain, "--trainer.accumulate_grad_batches=4"])
    steps = [int(row["step"]) for row in rows() if row["train/elbo"]]
    assert steps == [1, 2, 3, 4]
    whole = [*FIT, *plain, "--trainer.limit_train_batches=1", "--data.groups_per_batch=8", "--experiment=whole"]
    cli.main(whole)
    with Path("lightning_logs/whole/version_0/metrics.csv").open() as file:
        first = float(next(csv.DictReader(file))["train/elbo"])
    assert float(rows()[0]["train/elbo"]) == pytest.approx(first, rel=0.05), "the mean of four batches of two groups"


def test_the_last_step_is_logged_whatever_ends_the_run() -> None:
    cli.main([*FIT, "--trainer.max_steps=3"])
    assert [row["step"] for row in rows() if row["train/elbo"]] == ["3"]


def test_a_time_limit_counts_anew_in_every_session(capsys: pytest.CaptureFixture[str]) -> None:
    limited = [*FIT, "--trainer.max_time={seconds: 0}", "--trainer.max_epochs=-1", "--trainer.limit_train_batches=4"]
    cli.main([*FIT, "--trainer.max_time={seconds: 600}"])
    before = torch.load(RUN / "checkpoints" / "last.ckpt", weights_only=True)
    before["callbacks"]["Timer"]["time_elapsed"]["train"] = 1e6
    torch.save(before, RUN / "checkpoints" / "last.ckpt")
    cli.main([*FIT, "--trainer.max_epochs=3", "--trainer.max_time={seconds: 600}", "--ckpt_path=last"])
    assert trained()["steps"] == 12
    capsys.readouterr()
    cli.main([*limited, "--ckpt_path=last"])
    out = capsys.readouterr().out
    assert "Nothing left to train at step 12" in out
    assert "Trained" not in out


def test_default_root_dir_is_where_runs_land(capsys: pytest.CaptureFixture[str], workplace: Path) -> None:
    elsewhere = ["--trainer.default_root_dir=there"]
    cli.main([*FIT, *elsewhere])
    assert f"ugvae evaluate there/{RUN}" in capsys.readouterr().out
    cli.main([*FIT, *elsewhere, "--ckpt_path=last", "--trainer.max_epochs=3"])
    assert [path.name for path in workplace.iterdir()] == ["there"]
    assert json.loads(Path("there", RUN, "trained.json").read_text())["steps"] == 12
    cli.main(["test", *DIGITS, *elsewhere, "--ckpt_path=best", "--trainer.limit_test_batches=2"])
    assert Path("there", RUN, "test.json").is_file()
