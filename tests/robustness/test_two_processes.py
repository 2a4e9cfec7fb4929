"""Training with two processes: what each sees, what is written, and what happens when one of them dies."""

import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import yaml
from pytorch_lightning import Trainer

from tests.helpers import rank_runs
from tests.helpers.killed_runs import RUN, rows
from tests.helpers.rank_runs import FIT, TWO, fit, order
from tests.helpers.ranks import Ranks, environment, launched
from ugvae import cli
from ugvae.callbacks import RankWatch
from ugvae.datamodules import DigitsDataModule
from ugvae.errors import ConfigError


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of two processes that nothing happened to."""
    folder = tmp_path_factory.mktemp("whole")
    fit(folder)
    return folder


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return torch.load(folder / RUN / "checkpoints/last.ckpt", weights_only=True)["state_dict"]


def test_ranks_share_the_groups_out(whole: Path) -> None:
    first, second = order(whole)
    assert [line["step"] for line in first] == [line["step"] for line in second] == list(range(18))
    for epoch in (0, 1):
        data = DigitsDataModule(image_size=8, groups_per_batch=8)
        sampler = data.loader("train", shuffle=True).sampler  # of one process with as many images a step
        sampler.set_epoch(epoch)
        steps = slice(9 * epoch, 9 * (epoch + 1))
        for mine, other, both in zip(first[steps], second[steps], list(sampler), strict=True):
            assert mine["images"] == both[:4].tolist()
            assert other["images"] == both[4:].tolist()


def test_files_are_written_once(whole: Path) -> None:
    assert [path.name for path in (whole / RUN).parent.iterdir()] == ["version_0"]
    assert {path.name for path in (whole / RUN / "checkpoints").iterdir()} == {
        "best.ckpt",
        "last.ckpt",
        "previous.ckpt",
    }
    assert {path.stem for path in (whole / RUN / "figures").iterdir()} >= {"reconstructions", "samples", "curves"}
    assert int(yaml.safe_load((whole / RUN / "config.yaml").read_text())["trainer"]["devices"]) == 2
    steps = [(row["step"], bool(row["val/elbo"])) for row in rows(whole)]
    assert len(set(steps)) == len(steps) > 6, "a row of each step"
    assert sum(validated for _, validated in steps) == 2


def test_evaluation_is_of_one_process_and_agrees(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(whole / RUN, tmp_path / RUN)
    monkeypatch.chdir(tmp_path)
    settings = ["--config", str(RUN / "config.yaml"), "--ckpt_path", str(RUN / "checkpoints/last.ckpt")]
    cli.main(["test", *settings])
    assert json.loads((RUN / "test.json").read_text())["groups"] == 360 // 16
    cli.main(["predict", *settings])
    assert {path.name for path in RUN.iterdir()} >= {"images.csv", "groups.csv", "posterior.npz"}


def test_groups_of_the_command_line_span_the_ranks(tmp_path: Path) -> None:
    """Each rank has its own B images of groups of 2 B, and the bound is of whole groups."""
    fit(tmp_path, "--model.span_devices=true", "--trainer.max_epochs=1", "--figures.every_n_epochs=0")
    sampler = DigitsDataModule(image_size=8, group_size=32, groups_per_batch=4).loader("train", shuffle=True).sampler
    for mine, other, groups in zip(*order(tmp_path), list(sampler), strict=True):
        assert mine["images"] == groups[:, :16].tolist()
        assert other["images"] == groups[:, 16:].tolist()
    terms = [{k: float(v) for k, v in row.items() if v and "/" in k} for row in rows(tmp_path)]
    for row in terms:
        (stage,) = {name.split("/")[0] for name in row}
        kl_beta = row[f"{stage}/kl_beta"]
        per_image = row[f"{stage}/reconstruction"] - row[f"{stage}/kl_z"] - row[f"{stage}/kl_d"] - kl_beta / 32
        assert row[f"{stage}/elbo"] == pytest.approx(per_image, abs=1e-2)


def check_resume(folder: Path, whole: Path) -> None:
    """The run goes on in its own folder from before it was cut off, and ends as if it had not been."""
    step = torch.load(folder / RUN / "checkpoints/last.ckpt", weights_only=True)["global_step"]
    assert 10 <= step < 18
    fit(folder, "--ckpt_path=last")
    assert [path.name for path in (folder / RUN).parent.iterdir()] == ["version_0"]
    resumed = weights(folder)
    for parameter, value in weights(whole).items():
        torch.testing.assert_close(resumed[parameter], value, rtol=0, atol=0, msg=parameter)
    assert rows(folder) == rows(whole)


def test_rank_that_is_killed_stops_the_other_and_the_run_goes_on(whole: Path, tmp_path: Path) -> None:
    dying = {"DIE_RANK": "1", "DIE_STEP": "13", "DIE_SIGNAL": "SIGKILL"}
    ranks = Ranks(tmp_path, [{**rank, **dying} for rank in launched()], rank_runs.train, [*FIT, *TWO])
    ranks.processes[1].join(200)
    killed = time.monotonic()
    assert ranks.finish(60) == [2, -signal.SIGKILL], ranks.printed
    assert time.monotonic() - killed < 60
    (message,) = (line for line in ranks.printed[0].splitlines() if line.startswith("error: "))
    assert "lost the connection to another rank" in message
    assert "go on from the last checkpoint with --ckpt_path last" in message
    check_resume(tmp_path, whole)


@pytest.mark.slow
@pytest.mark.parametrize(("rank", "name"), [(0, "SIGKILL"), (1, "SIGKILL"), (0, "SIGTERM"), (1, "SIGTERM")])
def test_lightnings_launcher_leaves_nobody_behind(rank: int, name: str, whole: Path, tmp_path: Path) -> None:
    """The command as a user types it: its first process starts the second."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.helpers.rank_runs", *FIT, *TWO],
        cwd=tmp_path,
        env=environment(DIE_RANK=str(rank), DIE_STEP="13" if name == "SIGKILL" else "6", DIE_SIGNAL=name),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=240)  # ends when both have closed their output, none is left behind
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert time.time() - (tmp_path / f"order.{rank}.jsonl").stat().st_mtime < 60, output
    if name == "SIGTERM":
        assert process.returncode == 128 + signal.SIGTERM, output
        assert "Stopped by SIGTERM" in output
    else:
        assert process.returncode != 0, output
        assert "go on from the last checkpoint with --ckpt_path last" in output
    check_resume(tmp_path, whole)


def test_ranks_that_go_on_from_different_checkpoints_are_refused() -> None:
    rank = SimpleNamespace(global_rank=1, strategy=SimpleNamespace(broadcast=lambda mine: "first/last.ckpt"))
    RankWatch(Path("first/last.ckpt")).setup(rank, None, "fit")
    with pytest.raises(ConfigError, match=r"^ckpt_path: rank 1 goes on from second/.*, rank 0 from first/"):
        RankWatch(Path("second/last.ckpt")).setup(rank, None, "fit")


@pytest.mark.parametrize("freeze", [True, False], ids=["frozen", "finished"])
def test_watch_ends_a_rank_that_waits_for_a_frozen_one(freeze: bool, tmp_path: Path) -> None:
    """Frozen with its connections open, as a machine that was switched off leaves them; one that is done is let be."""
    ranks = Ranks(tmp_path, launched(), rank_runs.watched, freeze)
    ranks.processes[0].join(60)
    assert ranks.finish(20 * (not freeze)) == ([3, None] if freeze else [0, 0]), ranks.printed
    assert ("no sign of life from rank 1" in ranks.printed[0]) == freeze


@pytest.mark.parametrize("devices", [1, 2])
def test_only_ranks_of_several_are_watched(devices: int, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainers: list[Trainer] = []

    @functools.wraps(Trainer.fit)
    def fit(trainer: Trainer, *_: object, **__: object) -> None:
        trainers.append(trainer)

    monkeypatch.setattr(Trainer, "fit", fit)
    cli.main([*FIT, "--trainer.accelerator=cpu", f"--trainer.devices={devices}"])
    assert sum(isinstance(callback, RankWatch) for callback in trainers[0].callbacks) == devices - 1
