"""The C library's allocator, told to keep what a step frees for the next one.

By default glibc gives large blocks back to the system as soon as they are freed, and the system clears every page anew
when they are asked for again: on a CPU that is a good part of the time of a float32 convolutional step.
"""

import ctypes
import os
import platform

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
