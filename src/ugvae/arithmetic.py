"""The arithmetic of a run where its settings say nothing: what was measured to be fastest (docs/performance.md)."""

from collections.abc import Callable

import torch
import torch._functorch.config

from ugvae.hardware import cpu_flags

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
