"""The networks of the paper's Table 2: two backbones, the heads, and the K prior networks as one batched product.

Axes: N images (groups flattened), G groups, K components, C channels, H and W pixels.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import hardtanh

from ugvae.distributions import DiagonalGaussian

HIDDEN = 256  # width of h and of every hidden layer in Table 2
MAX_LOG_VAR = 15.0  # guards exp() in both directions; never reached by a healthy model


class GaussianHead(nn.Linear):
    """Features (..., F) to a Gaussian over (..., D): the first half of the outputs is the mean, the second log σ²."""

    def __init__(self, features: int, dim: int) -> None:
        super().__init__(features, 2 * dim)

    def forward(self, features: Tensor) -> DiagonalGaussian:
        mean, log_var = full_precision(super().forward(features)).chunk(2, -1)
        return DiagonalGaussian(mean, hardtanh(log_var, -MAX_LOG_VAR, MAX_LOG_VAR))


class ComponentHead(nn.Sequential):
    """z (..., z_dim) to the logits of q(d | z), (..., K): Linear, tanh, Linear."""

    def __init__(self, z_dim: int, num_components: int) -> None:
        super().__init__(nn.Linear(z_dim, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, num_components))

    def forward(self, z: Tensor) -> Tensor:
        return full_precision(super().forward(z))


class MixturePrior(nn.Module):
    """The K networks p(z | d = k, beta), each Linear, ReLU, Linear, evaluated as one batched matrix product.

    The log-variance passes through tanh, so that each variance stays within [1/e, e], as in the authors' code.
    """

    def __init__(self, condition_dim: int, z_dim: int, num_components: int) -> None:
        super().__init__()
        self.num_components = num_components
        self.hidden = nn.Linear(condition_dim, num_components * HIDDEN)  # one fan-in for all: K layers side by side
        bound = HIDDEN**-0.5  # as nn.Linear initialises a layer of this fan-in
        self.weight = nn.Parameter(torch.empty(num_components, HIDDEN, 2 * z_dim).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(num_components, 1, 2 * z_dim).uniform_(-bound, bound))

    def forward(self, condition: Tensor) -> DiagonalGaussian:
        """(N, condition_dim) to a Gaussian of shape (N, K, z_dim)."""
        hidden = self.hidden(condition).unflatten(-1, (self.num_components, HIDDEN)).transpose(0, 1).relu()
        output = full_precision(torch.baddbmm(self.bias, hidden, self.weight)).transpose(0, 1)
        mean, log_var = output.chunk(2, -1)
        return DiagonalGaussian(mean, log_var.tanh())


def full_precision(tensor: Tensor) -> Tensor:
    """Promotes the half-precision output of an autocast region to float32; float32 and float64 pass through."""
    return tensor.float() if tensor.dtype in (torch.bfloat16, torch.float16) else tensor
