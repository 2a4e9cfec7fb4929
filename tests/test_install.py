"""``make install``: PyTorch's own CPU wheels where they are asked for and can be had, the ordinary ones elsewhere."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.helpers import PROJECT

PYTHON = """#!/bin/sh
# stands in for python3 -m venv FOLDER, and for the python of the environment
case "$*" in
  "-m venv"*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
  *--index-url*) echo "$PIP_CONFIG_FILE $*" >> calls; echo "no route to host" >&2; exit $CPU_STATUS ;;
  *) echo "$*" >> calls ;;
esac
"""
ORDINARY = "-m pip install --quiet --editable .[icons]"


def install(folder: Path, status: int, *words: str) -> tuple[str, list[str]]:
    """What ``make install`` prints, and how it calls Python; ``status`` of pip with the index of CPU wheels."""
    for name in ("Makefile", "requirements.txt", "setup.cfg", "pyproject.toml"):
        shutil.copy(PROJECT / name, folder)
    python = folder / "python"
    python.write_text(PYTHON)
    python.chmod(0o755)
    environment = {"PATH": "/usr/bin:/bin", "CPU_STATUS": str(status)}
    command = ["make", "--silent", "install", f"PYTHON={python}", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True, env=environment)
    assert (folder / ".venv" / ".ready").is_file()
    assert done.stderr == ""
    return done.stdout, (folder / "calls").read_text().splitlines()


@pytest.mark.parametrize(
    ("status", "printed"),
    [
        (0, ""),
        (
            1,
            "TORCH=cpu: https://download.pytorch.org/whl/cpu cannot be reached; going on with the ordinary wheels, "
            "which hold CUDA\n",
        ),
    ],
)
def test_cpu_wheels_come_first_and_the_ordinary_ones_follow(tmp_path: Path, status: int, printed: str) -> None:
    shown, (cpu, ordinary) = install(tmp_path, status, "TORCH=cpu")
    assert shown == printed
    assert cpu.startswith("/dev/null -m pip --isolated install"), "no other index may give the wheels with CUDA"
    assert cpu.endswith(
        "--timeout 10 --retries 0 --index-url https://download.pytorch.org/whl/cpu torch>=2.6 torchvision>=0.21"
    )
    assert ordinary == ORDINARY


def test_the_ordinary_wheels_are_the_default(tmp_path: Path) -> None:
    assert install(tmp_path, 1) == ("", [ORDINARY])
