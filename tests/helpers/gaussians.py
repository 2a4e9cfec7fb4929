"""Random Gaussians to test on. Axes: G groups, B images, K components, D dimensions."""

from collections.abc import Callable

import torch
from torch import Tensor

from ugvae.distributions import DiagonalGaussian

G, B, K, D = 2, 5, 4, 3


def gaussian(*shape: int, scale: float = 1.0, dtype: torch.dtype = torch.float64) -> DiagonalGaussian:
    return DiagonalGaussian(scale * torch.randn(shape, dtype=dtype), scale * torch.randn(shape, dtype=dtype))


def each(function: Callable[[Tensor], Tensor], q: DiagonalGaussian) -> DiagonalGaussian:
    return DiagonalGaussian(function(q.mean), function(q.log_var))
