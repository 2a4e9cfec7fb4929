"""Matrix products in float32 on processors that torch's usual library does not make full use of.

On AMD's processors MKL makes no use of AVX-512; oneDNN, which torch has for convolutions and bfloat16, does.

Axes: N rows, I features in, O features out.
"""

import torch
from torch import Tensor, nn

from ugvae.machine import cpu_flags, cpu_model


def onednn_is_faster() -> bool:
    """Whether this processor multiplies float32 faster by oneDNN than by MKL, and torch has both."""
    both = torch.backends.mkl.is_available() and torch.backends.mkldnn.is_available()
    return both and "AMD" in cpu_model() and "avx512f" in cpu_flags()


class WideLinear(nn.Linear):
    """``nn.Linear`` of many features, ``(N, I)`` to ``(N, O)``, by the library that is faster at it."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, out_features)
        self.by_onednn = onednn_is_faster()

    def forward(self, features: Tensor) -> Tensor:
        in_float32 = features.dtype == self.weight.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
        if self.by_onednn and features.device.type == "cpu" and in_float32:
            return OneDNNLinear.apply(features, self.weight, self.bias)
        return super().forward(features)


class OneDNNLinear(torch.autograd.Function):
    """features Wᵀ + bias, and its gradients."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, features: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(features, weight)
        return product(features, weight, bias)

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, gradient: Tensor) -> tuple[Tensor | None, Tensor, Tensor]:
        features, weight = ctx.saved_tensors
        of_features = product(gradient, weight.T) if ctx.needs_input_grad[0] else None
        return of_features, product(gradient.T, features.T), gradient.sum(0)


def product(left: Tensor, right: Tensor, bias: Tensor | None = None) -> Tensor:
    """Left (N, I) by right (O, I), transposed, plus bias (O,): ``(N, O)``."""
    # a compiler that looks into torch's operator refuses weights that change
    multiply = opaque_product if torch.compiler.is_compiling() else direct_product
    return multiply(left, right, bias)


def direct_product(left: Tensor, right: Tensor, bias: Tensor | None) -> Tensor:
    """``product`` by torch's operator."""
    return torch.ops.mkldnn._linear_pointwise(left, right, bias, "none", [], "")


opaque_product = torch.library.custom_op("ugvae::product", direct_product, mutates_args=())


@opaque_product.register_fake
def _(left: Tensor, right: Tensor, bias: Tensor | None) -> Tensor:
    return left.new_empty(left.shape[0], right.shape[0])
