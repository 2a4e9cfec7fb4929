"""The machine that a number was measured on, never by its name; and how a process is prepared for training."""

import os
import platform
import subprocess
import sys
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

CPU_INFO = Path("/proc/cpuinfo")
MEMORY_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
GIB = 2**30
BFLOAT16_UNITS = {"avx512_bf16", "amx_bf16"}  # flags of processors that multiply bfloat16 faster than float32


def describe() -> dict[str, Any]:
    """``cpu``, ``cores`` and ``memory_gib`` that this process may use, ``gpus`` by name, and ``line``; for JSON."""
    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    machine: dict[str, Any] = {"cpu": cpu_model(), "cores": cores(), "memory_gib": memory_gib(), "gpus": gpus}
    return {**machine, "line": line(machine)}


def line(machine: dict[str, Any]) -> str:
    """A machine in one line.

    Example:
        >>> line({"cpu": "AMD EPYC", "cores": 2, "memory_gib": 24.0, "gpus": []})
        '2 cores of AMD EPYC, 24 GiB, no GPU'
    """
    count, names = machine["cores"], machine["gpus"]
    parts = [f"{count} core{'s' * (count != 1)} of {machine['cpu']}"]
    if machine["memory_gib"]:
        parts.append(f"{machine['memory_gib']:.0f} GiB")
    counted = [f"{names.count(name)} × {name}" if names.count(name) > 1 else name for name in dict.fromkeys(names)]
    return ", ".join([*parts, *(counted or ["no GPU"])])


def cpu_model() -> str:
    """The processor's own name; its architecture where the system does not give a name."""
    return " ".join(_cpu_info("model name").split()) or platform.processor() or platform.machine() or "unknown"


def cpu_flags() -> set[str]:
    """The features of an x86 processor, in the kernel's words; empty where the system does not list them."""
    return set(_cpu_info("flags").split())


def _cpu_info(name: str) -> str:
    """The kernel's value of ``name`` for the first processor that has one; empty where there is none."""
    if CPU_INFO.is_file():
        with CPU_INFO.open(errors="replace") as rows:  # not the whole file: it repeats itself for every core
            for row in rows:
                key, _, value = row.partition(":")
                if key.strip().lower() == name and value.strip():
                    return value.strip()
    return ""


def cores() -> int:
    """Cores that this process may run on: fewer than the machine has in a container or under a scheduler."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory_gib() -> float | None:
    """Memory that this process may use, in GiB: the machine's, or the container's limit where that is less."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # not every system has these
        return None
    limits = [path.read_text().strip() for path in MEMORY_LIMITS if path.is_file()]
    return min([total, *(int(limit) for limit in limits if limit.isdigit())]) / GIB


def commit() -> str | None:
    """The commit of this code, with ``+`` if files have changed since; None where it runs from no git checkout."""
    package = Path(__file__).parent
    git = partial(subprocess.run, cwd=package, capture_output=True, text=True, timeout=10, check=True)
    try:
        top, head = git(["git", "rev-parse", "--show-toplevel", "HEAD"]).stdout.split("\n")[:2]
        if Path(top, "src", "ugvae").resolve() != package.resolve():  # the checkout of something else, around a venv
            return None
        changed = git(["git", "status", "--porcelain", "--untracked-files=no"]).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{head}{'+' if changed else ''}"


def default_precision(backbone: str | None, accelerator: str) -> str:
    """Lightning's ``precision`` for a backbone: mixed where the device multiplies bfloat16 faster and it pays.

    Convolutions gain by it; of the small matrix products of ``mlp`` the casts take back most, and on a processor the
    ``residual`` backbone loses (docs/performance.md). Densities are computed in float32 whatever the precision is.
    ``accelerator`` is Lightning's setting.
    """
    fast = False
    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    elif accelerator == "cpu" or (accelerator == "auto" and not torch.backends.mps.is_available()):
        fast = bool(cpu_flags() & BFLOAT16_UNITS) and backbone != "residual"
    return "bf16-mixed" if fast and backbone in ("conv", "residual") else "32-true"


def prepare_process() -> None:
    """Prepares this process: no denormal numbers, no search for a GPU where there is none, and the user's own modules.

    Numbers below 1.2e-38 become zero, in threads made later too. Adam's moments of a weight without gradient fall to
    such numbers and stay there, since the smallest times 0.9 rounds to itself; some processors are many times slower
    with them.

    All commands can import a module in the current folder, so that settings may name its classes. That folder comes
    last, and hides no installed package.
    """
    if not torch.cuda.is_available():  # else torch's fused Adam asks the driver for one at every step
        os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
    torch.set_flush_denormal(True)
    if (folder := os.getcwd()) not in sys.path:
        sys.path.append(folder)


def clock(seconds: float) -> str:
    """Seconds as ``h:mm:ss`` or ``m:ss``.

    Example:
        >>> clock(3661.5)
        '1:01:01'
    """
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def versions() -> dict[str, str]:
    """Versions of Python and the libraries that a number may depend on."""
    others = {name: version(name) for name in ("pytorch_lightning", "numpy", "scikit_learn")}
    return {"python": platform.python_version(), "torch": torch.__version__, **others}
