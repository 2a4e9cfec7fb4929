"""The machine that a number was measured on; never its name."""

import os
import platform
from pathlib import Path
from typing import Any

import torch

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
