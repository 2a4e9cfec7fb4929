"""Ranks on several machines, and runs started at once."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.helpers import EXPERIMENTS, rank_runs
from tests.helpers.killed_runs import FOLDER, RUN
from tests.helpers.rank_runs import FIT, images_of, order
from tests.helpers.ranks import Ranks, environment, free_port
from ugvae import cli
from ugvae.runs.loggers import MetricsLogger

NODES = [
    *FIT,
    f"--config={EXPERIMENTS / 'cluster/two_nodes.yaml'}",
    "--trainer.accelerator=cpu",
    "--trainer.devices=1",
    "--trainer.sync_batchnorm=false",
    "--trainer.max_epochs=1",
    "--trainer.limit_train_batches=3",
    "--figures.every_n_epochs=0",
]


def check_two_nodes(folder: Path) -> None:
    assert [path.name for path in (folder / RUN).parent.iterdir()] == ["version_0"]
    assert yaml.safe_load((folder / RUN / "config.yaml").read_text())["trainer"]["num_nodes"] == 2
    first, second = (images_of(lines) for lines in order(folder))
    assert len(first) == len(second) == 3 * 64
    assert not set(first) & set(second)


def test_two_nodes_started_by_srun(tmp_path: Path) -> None:
    """With the variables that srun would set."""
    job = {"SLURM_JOB_ID": "7", "SLURM_JOB_NAME": "ugvae", "SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "1"}
    job |= {"SLURM_NODELIST": "127.0.0.1", "MASTER_PORT": str(free_port())}
    tasks = [{**job, "SLURM_PROCID": rank, "SLURM_NODEID": rank, "SLURM_LOCALID": "0"} for rank in "01"]
    ranks = Ranks(tmp_path, tasks, rank_runs.train, NODES)
    assert ranks.finish() == [0, 0], ranks.printed
    check_two_nodes(tmp_path)


@pytest.mark.slow
def test_two_nodes_started_by_torchrun(tmp_path: Path) -> None:
    """Two agents on this machine, as if on two."""
    meeting = ["--nnodes=2", "--nproc-per-node=1", "--master-addr=127.0.0.1", f"--master-port={free_port()}"]
    command = [sys.executable, "-m", "torch.distributed.run", *meeting]
    own = {"cwd": tmp_path, "env": environment(), "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    agents = [
        subprocess.Popen([*command, f"--node-rank={node}", "-m", "tests.helpers.rank_runs", *NODES], **own)
        for node in (0, 1)
    ]
    try:
        for agent in agents:
            output, _ = agent.communicate(timeout=400)
            assert agent.returncode == 0, output
    finally:
        for agent in agents:
            agent.kill()
    check_two_nodes(tmp_path)


def test_run_folder_is_taken_by_one_run_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "glob", lambda folder, pattern: [])  # all look before any has made it
    loggers = [MetricsLogger(tmp_path, "digits") for _ in range(3)]
    assert [logger.version for logger in loggers] == [0, 1, 2]
    assert sorted(path.name for path in (tmp_path / "digits").iterdir()) == ["version_0", "version_1", "version_2"]


def test_runs_started_at_once_share_cache_and_log_folder(picture_root: Path, tmp_path: Path) -> None:
    arguments = [*FOLDER, "--model.backbone=mlp", "--trainer.max_epochs=1", "--figures.every_n_epochs=1"]
    runs = Ranks(tmp_path, [{}, {}], cli.main, arguments)
    assert runs.finish() == [0, 0], runs.printed
    assert sum("images decoded" in text for text in runs.printed) == 1, "the cache is built once"
    folder = tmp_path / "lightning_logs/folder"
    assert sorted(path.name for path in folder.iterdir()) == ["version_0", "version_1"]
    for run in folder.iterdir():
        assert {path.name for path in run.iterdir()} >= {"config.yaml", "metrics.csv", "checkpoints", "figures"}
        with (run / "metrics.csv").open(newline="") as file:
            steps = [row["step"] for row in csv.DictReader(file) if row["train/elbo"]]
        assert len(set(steps)) == len(steps) > 0, "rows of one run"
