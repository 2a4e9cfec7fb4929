"""What a run does when disks fill up, data vanish, services die or numbers run away."""

import json
import signal
import warnings
from collections.abc import Callable
from pathlib import Path
from unittest.mock import MagicMock

import pytest
import torch
import wandb

from tests.data.image_folder import write_image_folder
from tests.helpers import faults
from tests.helpers.killed_runs import COMMAND, FOLDER, RUN, order, session
from ugvae import cli, models
from ugvae.errors import DataError, OutputError
from ugvae.runs.files import save_json
from ugvae.runs.folder import read_rows
from ugvae.runs.loggers import MetricsWriter
from ugvae.runs.weights_and_biases import open_record

LAST = RUN / "checkpoints" / "last.ckpt"


def output(folder: Path) -> str:
    return (folder / "output.txt").read_text()


# ------------------------------------------------------------------------------------------------------- full disks


def test_full_disk_at_a_checkpoint_ends_the_run_and_keeps_the_one_before(tmp_path: Path) -> None:
    assert session(tmp_path, moment=faults.full_at_checkpoint, count=3) == 2
    message = output(tmp_path).strip().splitlines()[-1]
    assert message.startswith(f"error: {LAST}: cannot be written (File too large); ")
    assert " GB free in " in message
    assert message.endswith(f"The one of step 9 is whole; go on from it with --ckpt_path {LAST}")
    assert torch.load(tmp_path / LAST, weights_only=True)["global_step"] == 9
    assert {path.name for path in (tmp_path / LAST).parent.iterdir()} == {"best.ckpt", "last.ckpt", "previous.ckpt"}


def test_full_disk_at_figures_and_reports_is_warned_of_once(tmp_path: Path) -> None:
    assert session(tmp_path, "--trainer.max_epochs=1", moment=faults.full_at_figures) == 0, output(tmp_path)
    assert output(tmp_path).count(".png: cannot be written (File too large)") == 1
    assert "trained.json: cannot be written" in output(tmp_path)
    assert torch.load(tmp_path / LAST, weights_only=True)["global_step"] == 9
    assert not list((tmp_path / RUN / "figures").iterdir())


def test_full_disk_at_the_metrics_keeps_the_rows_until_there_is_room(tmp_path: Path) -> None:
    writer = MetricsWriter(str(tmp_path))
    writer.log_metrics({"a": 0.5}, step=0)
    writer.save()
    before = writer.path.read_bytes()
    writer.log_metrics({"a": 0.5}, step=1)
    with faults.small_files(len(before) + 3), pytest.warns(UserWarning, match=r"metrics.csv: .*File too large"):
        writer.save()
    writer.log_metrics({"a": 0.5}, step=2)
    with faults.small_files(len(before) + 3), warnings.catch_warnings():
        warnings.simplefilter("error")  # once is enough
        writer.save()
    assert writer.path.read_bytes() == before, "no part of a row"
    writer.log_metrics({"b": 1.5}, step=3)
    writer.save()
    assert [row["step"] for row in read_rows(writer.path)[1]] == ["0", "1", "2", "3"]


def test_full_disk_at_a_report_says_which_file_and_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "test.json"
    save_json({"a": 1}, path)
    with (
        faults.small_files(5),
        pytest.raises(OutputError, match=rf"^{path}: cannot be written .* GB free in {tmp_path}"),
    ):
        save_json({"a": "long"}, path)
    assert json.loads(path.read_text()) == {"a": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["test.json"]


def test_full_disk_at_the_cache(picture_root: Path, picture_data: Callable) -> None:
    message = r"image cache cannot be written .*File too large.* GB free"
    with faults.small_files(10_000), pytest.raises(DataError, match=message):
        picture_data().prepare_data()
    assert not list(picture_root.rglob("*.bin"))
    assert len(picture_data().table("train")) > 0, "it is built when there is room"


def test_output_to_a_full_disk_does_not_end_the_run(tmp_path: Path) -> None:
    short = ["--trainer.max_epochs=1", "--figures.every_n_epochs=0"]
    assert session(tmp_path, *short, output="/dev/full") == 0
    assert (tmp_path / LAST).exists()


# ---------------------------------------------------------------------------------------------------- data that vanish


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A working folder with pictures for ``FOLDER``."""
    write_image_folder(tmp_path / "images", num_images=60)
    return tmp_path


def test_removed_cache_stays_readable_to_the_end_and_is_warned_of(pictures: Path) -> None:
    assert session(pictures, command=FOLDER, moment=faults.removed_in_a_step, count=2) == 0, output(pictures)
    assert output(pictures).count(".bin: removed while it is in use") == 1


def test_cut_cache_is_an_error_before_the_next_epoch(pictures: Path) -> None:
    assert session(pictures, command=FOLDER, moment=faults.cut_before_epoch, count=1) == 2, output(pictures)
    message = output(pictures).strip().splitlines()[-1]
    assert ".bin: cut from " in message
    assert message.endswith(" to 0 bytes while it is in use; delete it, it is rebuilt")
    assert session(pictures, "--ckpt_path=last", command=FOLDER) == 0, output(pictures)  # rebuilds and goes on


def test_cut_cache_in_mid_epoch_dies_with_a_trace_and_a_whole_checkpoint(pictures: Path) -> None:
    assert session(pictures, command=FOLDER, moment=faults.cut_in_a_step, count=14) == -signal.SIGBUS, output(pictures)
    assert "Fatal Python error: Bus error" in output(pictures)
    assert "in __getitem__" in output(pictures)
    (last,) = pictures.rglob("last.ckpt")
    assert torch.load(last, weights_only=True)["epoch"] == 0


# ---------------------------------------------------------------------------------------------------- Weights & Biases


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="looks for the process in /proc")
def test_wandb_that_dies_does_not_end_the_run(tmp_path: Path) -> None:
    offline = {"WANDB_MODE": "offline"}
    code = session(tmp_path, "--trainer.max_epochs=1", moment=faults.wandb_dies, count=6, environment=offline)
    assert code == 0, output(tmp_path)
    assert torch.load(tmp_path / LAST, weights_only=True)["global_step"] == 9
    assert (tmp_path / RUN / "figures" / "samples.png").exists()


def test_login_that_fails_logs_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> bool:
        raise ConnectionError("no route to host")

    started = []
    monkeypatch.delenv("WANDB_MODE", raising=False)
    wandb.teardown()  # it keeps the variables of an earlier run
    monkeypatch.setattr(wandb, "login", refuse)
    monkeypatch.setattr(wandb, "init", lambda mode, **_: started.append(mode) or MagicMock())
    with pytest.warns(UserWarning, match=r"W&B: no login \(no route to host\); the run is logged offline"):
        open_record(tmp_path, {"project": "p"})
    assert started == ["offline"]


def test_server_that_does_not_answer_at_the_start_logs_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(mode: str, **_: object) -> MagicMock:
        if mode == "online":
            raise TimeoutError("timed out")
        return run

    run = MagicMock()
    monkeypatch.delenv("WANDB_MODE", raising=False)
    wandb.teardown()  # it keeps the variables of an earlier run
    monkeypatch.setattr(wandb, "login", lambda **_: True)
    monkeypatch.setattr(wandb, "init", refuse)
    with pytest.warns(UserWarning, match=r"W&B cannot be reached \(timed out\); the run is logged offline"):
        assert open_record(tmp_path, {"project": "p"}) is run


@pytest.mark.slow
def test_wandb_that_cannot_be_reached(tmp_path: Path) -> None:
    """A key, and a server that refuses connections: half a minute, then offline."""
    online = {"WANDB_MODE": "online", "WANDB_API_KEY": "a" * 40, "WANDB_BASE_URL": "http://127.0.0.1:9"}
    assert session(tmp_path, "--trainer.max_epochs=1", environment=online) == 0, output(tmp_path)
    assert "the run is logged offline" in output(tmp_path)
    assert list((tmp_path / RUN).glob("wandb/offline-run-*"))


# ------------------------------------------------------------------------------------------------ numbers that run away


def test_non_finite_step_leaves_its_images(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[list[int]] = []
    step = models.UGVAE.training_step

    def poisoned(model: models.UGVAE, batch: dict, batch_idx: int) -> torch.Tensor:
        seen.append(batch["index"].flatten().tolist())
        if len(seen) == 14:
            batch["image"] = batch["image"].float() * float("nan")
        return step(model, batch, batch_idx)

    monkeypatch.setattr(models.UGVAE, "training_step", poisoned)
    with pytest.raises(SystemExit):
        cli.main([*COMMAND, "--figures.every_n_epochs=0"])
    path = RUN / "nonfinite.json"
    message = capsys.readouterr().err.strip().splitlines()[-1]
    assert "non-finite elbo, reconstruction, kl_z, kl_d, kl_beta at step 14; the last good" in message
    assert f"The images of that batch are listed in {path}." in message
    record = json.loads(path.read_text())
    assert (record["step"], record["epoch"], record["rows_of_the_training_images"]) == (14, 1, seen[13])
    kept = torch.load(LAST, weights_only=True)
    assert kept["global_step"] == 10
    assert all(value.isfinite().all() for value in kept["state_dict"].values())


def test_weights_that_are_not_finite_are_never_saved(tmp_path: Path) -> None:
    assert session(tmp_path, moment=faults.spoil_weights, count=10) == 2
    message = output(tmp_path).strip().splitlines()[-1]
    assert message.startswith("error: non-finite ")
    kept = torch.load(tmp_path / LAST, weights_only=True)["state_dict"]
    assert all(value.isfinite().all() for value in kept.values())
    assert max(order(tmp_path)) < 20
