"""The arithmetic of a run where its settings say nothing: what was measured to be fastest (docs/performance.md)."""

import os

import torch

from ugvae.hardware import cpu_flags

BFLOAT16_UNITS = {"avx512_bf16", "amx_bf16"}
VISIBLE = "CUDA_VISIBLE_DEVICES"


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


def skip_gpu_queries() -> None:
    """Without a GPU, says so to torch, whose optimisers open the driver's library at every step to look for one."""
    if not torch.cuda.is_available():
        os.environ.setdefault(VISIBLE, "")
