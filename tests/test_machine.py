"""The machine in one line, and the time of training that a run leaves, resumed or not."""

import json
import os
import platform
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.helpers import PROJECT
from ugvae import cli, machine
from ugvae.callbacks import reports

QUICK = ["--data", "DigitsDataModule", "--data.image_size", "8", "--data.groups_per_batch", "40", "--model", "VAE"]
QUICK += ["--experiment", "tiny", "--figures.groups_per_label", "0", "--trainer.accelerator", "cpu"]


def test_line_counts_cores_and_gpus() -> None:
    parts = {"cpu": "Some CPU", "cores": 1, "memory_gib": 7.8, "gpus": []}
    assert machine.line(parts) == "1 core of Some CPU, 8 GiB, no GPU"
    parts |= {"cores": 16, "memory_gib": None, "gpus": ["A", "B", "A"]}
    assert machine.line(parts) == "16 cores of Some CPU, 2 × A, B"


def test_processor_by_its_own_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text("processor\t: 0\nmodel name\t:  Some   CPU @ 2 GHz\nprocessor\t: 1\nmodel name\t: Other\n")
    monkeypatch.setattr(machine, "CPU_INFO", info)
    assert machine.cpu_model() == "Some CPU @ 2 GHz"
    info.write_text("processor\t: 0\n")
    assert machine.cpu_model()
    assert "Some" not in machine.cpu_model()


def test_the_commit_is_that_of_this_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkout of something else around an installed package says nothing, and neither does none."""
    package = tmp_path / "src" / "ugvae" / "machine.py"
    package.parent.mkdir(parents=True)
    package.touch()
    monkeypatch.setattr(machine, "__file__", str(package))
    assert machine.commit() is None
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=b"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*git, *command], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    assert machine.commit() == head
    package.write_text("changed")
    assert machine.commit() == f"{head}+"
    other = tmp_path / "venv" / "ugvae" / "machine.py"
    other.parent.mkdir(parents=True)
    monkeypatch.setattr(machine, "__file__", str(other))
    assert machine.commit() is None


def test_memory_is_that_of_the_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(machine, "MEMORY_LIMITS", (limit, tmp_path / "missing"))
    whole = machine.memory_gib()
    limit.write_text("max\n")
    assert machine.memory_gib() == whole
    limit.write_text(f"{2**28}\n")
    assert machine.memory_gib() == 0.25


def test_description_is_json_without_the_machines_name() -> None:
    described = machine.describe()
    assert json.loads(json.dumps(described)) == described
    assert described["cores"] >= 1
    assert described["line"] == machine.line(described)
    assert machine.platform.node() not in json.dumps(described)


ALLOCATOR = """
import ctypes, resource
libc, size = ctypes.CDLL(None), ctypes.c_size_t(16_000_000)
libc.malloc.restype, libc.memset.argtypes = ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        blocks = [libc.malloc(size) for _ in range(10)]
        for block in blocks:
            libc.memset(block, 1, size)
        for block in blocks:
            libc.free(block)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's allocator")
def test_freed_memory_is_kept_for_the_next_step() -> None:
    """With the variables that the Makefile exports."""
    exported = dict(re.findall(r"export (MALLOC_\w+) \?= (\d+)", (PROJECT / "Makefile").read_text()))
    assert exported.keys() == {"MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"}

    def page_faults(environment: dict[str, str]) -> int:
        command = [sys.executable, "-c", ALLOCATOR]
        return int(subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout)

    assert page_faults(exported) < page_faults({}) / 10


@pytest.mark.parametrize(("gpu", "visible"), [(False, ""), (True, None)])
def test_no_gpu_is_looked_for_where_there_is_none(
    gpu: bool, visible: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: gpu)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "put back after the test")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    machine.prepare_process()
    assert os.environ.get("CUDA_VISIBLE_DEVICES") == visible


def test_sessions_of_a_resumed_run_add_up(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "describe", lambda: {"line": "one machine"})
    started = time.monotonic()
    cli.main(["fit", *QUICK, "--trainer.max_epochs", "1"])
    file = Path("lightning_logs/tiny/version_0/trained.json")
    first = json.loads(file.read_text())
    assert (first["epochs"], len(first["sessions"])) == (1, 1)
    assert 0 < first["seconds"] == first["sessions"][0]["seconds"] < time.monotonic() - started
    monkeypatch.setattr(reports, "describe", lambda: {"line": "another"})
    cli.main(["fit", *QUICK, "--trainer.max_epochs", "2", "--ckpt_path", "last"])
    both = json.loads(file.read_text())
    assert (both["epochs"], both["steps"]) == (2, 2 * first["steps"])
    assert [session["hardware"] for session in both["sessions"]] == ["one machine", "another"]
    assert [session["last_step"] for session in both["sessions"]] == [first["steps"], both["steps"]]
    assert both["seconds"] == pytest.approx(sum(session["seconds"] for session in both["sessions"]))
    assert both["sessions"][0]["seconds"] <= first["seconds"]  # what came after the checkpoint is no part of it
    assert {"torch", "scikit_learn"} <= set(both["versions"])
