"""The machine that a number was measured on; never its name."""

import ctypes
import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning
import sklearn
import torch
import torch._functorch.config

CPU_INFO = Path("/proc/cpuinfo")
MEMORY_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
GIB = 2**30


def describe() -> dict[str, Any]:
    """The processor, the cores and memory (GiB) that this process may use, the GPUs; ready for JSON.

    Returns:
        ``cpu``, ``cores``, ``memory_gib`` (None if unknown), ``gpus`` (their names), and ``line``, all in one line.
    """
    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    machine: dict[str, Any] = {"cpu": cpu_model(), "cores": cores(), "memory_gib": memory_gib(), "gpus": gpus}
    return {**machine, "line": line(machine)}


def line(machine: dict[str, Any]) -> str:
    """A machine in one line: ``2 cores of AMD EPYC, 24 GiB, no GPU``."""
    count = machine["cores"]
    parts = [f"{count} core{'s' * (count != 1)} of {machine['cpu']}"]
    if machine["memory_gib"]:
        parts.append(f"{machine['memory_gib']:.0f} GiB")
    names = machine["gpus"]
    counted = [f"{names.count(name)} × {name}" if names.count(name) > 1 else name for name in dict.fromkeys(names)]
    return ", ".join([*parts, *(counted or ["no GPU"])])


def cpu_model() -> str:
    """The processor's own name for itself; its architecture where it tells none."""
    return " ".join(_told("model name").split()) or platform.processor() or platform.machine() or "an unknown processor"


def cpu_vendor() -> str:
    """Who made an x86 processor, in its own words: ``GenuineIntel``, ``AuthenticAMD``; empty where it is not told."""
    return _told("vendor_id")


def cpu_flags() -> set[str]:
    """What an x86 processor says it can do, in the kernel's words; empty where it is not told."""
    return set(_told("flags").split())


def _told(name: str) -> str:
    """What the kernel says of the first processor that it says this of; empty where it does not."""
    if CPU_INFO.is_file():
        with CPU_INFO.open(errors="replace") as rows:  # as far as needed: many cores tell the same
            for row in rows:
                key, _, value = row.partition(":")
                if key.strip().lower() == name and value.strip():
                    return value.strip()
    return ""


def cores() -> int:
    """Cores that this process may run on: fewer than the machine has in a container or under a scheduler."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def memory_gib() -> float | None:
    """Memory that this process may use: the machine's, or the container's limit where that is less."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # not every system tells
        return None
    limits = [path.read_text().strip() for path in MEMORY_LIMITS if path.is_file()]
    return min([total, *(int(limit) for limit in limits if limit.isdigit())]) / GIB


BFLOAT16_UNITS = {"avx512_bf16", "amx_bf16"}


def default_precision(backbone: str, accelerator: str) -> str:
    """Lightning's ``precision`` for a backbone: mixed where the device multiplies bfloat16 faster and that tells.

    Convolutions gain by it; of the small matrix products of ``mlp`` the casts take back most. Densities are computed in
    float32 whatever the precision is.

    Args:
        backbone: ``mlp`` or ``conv``.
        accelerator: Lightning's setting, ``auto`` or the name of a device.

    Returns:
        ``bf16-mixed`` or ``32-true``.
    """
    if backbone != "conv":
        return "32-true"
    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    elif accelerator == "cpu" or (accelerator == "auto" and not torch.backends.mps.is_available()):
        fast = bool(cpu_flags() & BFLOAT16_UNITS)
    else:
        fast = False
    return "bf16-mixed" if fast else "32-true"


def compiled(function: Callable) -> Callable:
    """``function`` as ``torch.compile`` makes it, without keeping ReLU's signs as booleans, which are slow to write."""
    torch._functorch.config.recompute_views = True
    return torch.compile(function)


def flush_denormals() -> bool:
    """Makes this process take numbers below 1.2e-38 as zero, where the processor can; threads made later do too.

    Adam's moments of a weight without gradient fall to such numbers and stay there, since the smallest times 0.9 rounds
    to itself. Some processors need many times longer for them.

    Returns:
        whether that was done.
    """
    return torch.set_flush_denormal(True)


M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of mallopt(3)
LARGEST_KEPT = 32 * 2**20  # bytes: glibc takes no more; larger blocks still come from the system one by one
SET_BY_USER = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_MAX_", "MALLOC_MMAP_THRESHOLD_", "LD_PRELOAD")


def keep_freed_memory() -> bool:
    """Makes this process keep the blocks that it frees: what it holds stays near its peak.

    Returns:
        whether that was done: only with glibc, and not if the environment says something about the allocator.
    """
    if platform.libc_ver()[0] != "glibc" or any(name in os.environ for name in SET_BY_USER):
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT)) and bool(mallopt(M_TRIM_THRESHOLD, 2**31 - 1))


def prepare_process() -> None:
    """Keeps freed memory, flushes denormal numbers to zero."""
    keep_freed_memory()
    flush_denormals()


def clock(seconds: float) -> str:
    """Seconds as ``h:mm:ss`` or ``m:ss``."""
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def versions() -> dict[str, str]:
    """Versions that a number may depend on."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "pytorch_lightning": pytorch_lightning.__version__,
        "numpy": np.__version__,
        "scikit_learn": sklearn.__version__,
    }
