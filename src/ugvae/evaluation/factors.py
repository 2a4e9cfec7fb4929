"""Which properties of an image beta decides, and which the local latents: an analysis of variance.

Images are decoded on a grid, each local draw under each beta. A property of the image, such as its contrast, then
varies between rows (by beta), between columns (by the local draw) and in what is left (by both together).

Axes: N betas, S local draws, C channels, H and W pixels, P properties.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ugvae.data.statistics import STATISTICS
from ugvae.distributions import DiagonalGaussian
from ugvae.evaluation.content import pooled
from ugvae.models.base import GroupVAE

PIXELS = "pixels"  # all pixels together: the reference, what beta decides of the image as a whole
PARTS = ("beta", "local", "both")


@dataclass(frozen=True)
class VarianceShares:
    """Shares of a variance, which add up to 1; all 0 if nothing varies.

    Attributes:
        beta: between the rows of the grid, which differ in beta.
        local: between the columns, which differ in the local draw.
        both: their interaction.
        sd: of the property over the grid, pixels in [0, 1]; None for the pixels together.
    """

    beta: float
    local: float
    both: float
    sd: float | None = None


PROPERTIES = ("brightness", "contrast")
COLOUR, GREY = "warmth", "thickness"  # one more of images with three channels, and of others


@torch.no_grad()
def decode_grid(model: GroupVAE, beta: Tensor, draws: int, seed: int = 0) -> Tensor:
    """Images ``(N, S, C, H, W)``: column s has the same component and the same place in its prior under every beta.

    As in the walks of Fig. 3, z is m_k(beta) + s_k(beta) · noise. So what beta does through the prior of z counts as
    an effect of beta. Without a mixture z is the noise.

    Args:
        model: with beta, in eval mode.
        beta: ``(N, beta_dim)``.
        draws: S.
        seed: of the local draws.
    """
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(draws, model.z_dim, generator=generator).to(model.device, model.dtype)
    component = torch.randint(max(1, model.num_components), (draws,), generator=generator)
    rows = []
    for part in beta.to(model.device, model.dtype).split(8):
        z = noise.expand(len(part), -1, -1)
        if model.num_components:
            prior: DiagonalGaussian = model.prior(part)
            z = prior.mean[:, component] + (0.5 * prior.log_var[:, component]).exp() * z
        rows.append(model.decode(z, part).cpu())
    return torch.cat(rows)


def variance_shares(values: Tensor) -> VarianceShares:
    """Shares of the variance of a two-way table ``(N, S)`` or ``(N, S, P)``, the variances added over P.

    These are the variance components of the two-way random-effects model, estimated from mean squares, none below 0.
    The variance of the row means holds a part of the interaction, divided by the number of columns. It is subtracted.

    Example:
        >>> variance_shares(torch.tensor([[1.0, 1.0], [3.0, 3.0]]))
        VarianceShares(beta=1.0, local=0.0, both=0.0, sd=None)
    """
    table = values.double().flatten(2) if values.ndim > 2 else values.double().unsqueeze(2)
    rows, columns = table.shape[:2]
    mean, by_row, by_column = table.mean((0, 1)), table.mean(1), table.mean(0)
    rest = table - by_row.unsqueeze(1) - by_column.unsqueeze(0) + mean
    both = rest.square().sum((0, 1)) / ((rows - 1) * (columns - 1))
    beta = (by_row.var(0) - both / columns).clamp(min=0).sum()
    local = (by_column.var(0) - both / rows).clamp(min=0).sum()
    total = beta + local + both.sum()
    parts = (beta, local, both.sum())
    return VarianceShares(*(float(part / total) if total > 0 else 0.0 for part in parts))


def factors(images: Tensor) -> dict[str, VarianceShares]:
    """What beta and the local draws decide of a grid of images ``(N, S, C, H, W)`` in [0, 1], N, S ≥ 2, by property."""
    known = (*PROPERTIES, COLOUR if images.shape[-3] == 3 else GREY)
    small = pooled(images.flatten(0, 1)).unflatten(0, images.shape[:2])  # 16×16 pixels are enough for all of them
    result = {PIXELS: variance_shares(small.flatten(2))}
    for name in known:
        values = STATISTICS[name](images)
        result[name] = replace(variance_shares(values), sd=float(values.double().std()))
    return result
