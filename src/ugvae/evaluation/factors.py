"""Which of a picture's properties beta decides, and which the local latents: an analysis of variance.

Images are decoded on a grid, each local draw under each beta. A property of the image, such as its contrast, then
varies between rows (by beta), between columns (by the local draw) and in what is left (by both together).

Axes: N betas, S local draws, C channels, H and W pixels, P properties.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ugvae.distributions import DiagonalGaussian
from ugvae.evaluation.content import pooled
from ugvae.models.base import GroupVAE

PIXELS = "pixels"  # the mean over all pixels: the reference, what beta decides of the picture as a whole
INK = 0.5  # a pixel above it belongs to a bright figure, such as the stroke of a digit
PARTS = ("beta", "local", "both")

Property = Callable[[Tensor], Tensor]  # images (..., C, H, W) to (...)

PROPERTIES: dict[str, Property] = {
    "brightness": lambda images: images.mean((-3, -2, -1)),
    "contrast": lambda images: images.mean(-3).flatten(-2).std(-1),
}
COLOUR: dict[str, Property] = {  # red less blue, of skin above all
    "warmth": lambda images: (images[..., 0, :, :] - images[..., 2, :, :]).mean((-2, -1))
}
GREY: dict[str, Property] = {"thickness": lambda images: (images > INK).double().mean((-3, -2, -1))}


@torch.no_grad()
def decode_grid(model: GroupVAE, beta: Tensor, draws: int, seed: int = 0) -> Tensor:
    """Images ``(N, S, C, H, W)``: column s has the same component and the same place in its prior under every beta.

    As in the walks of Fig. 3, z is m_k(beta) + s_k(beta) · noise: what beta does through the prior of z counts as its
    own. Without a mixture z is the noise.

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
    for each in beta.to(model.device, model.dtype).split(8):
        z = noise.expand(len(each), -1, -1)
        if model.num_components:
            prior: DiagonalGaussian = model.prior(each)
            z = prior.mean[:, component] + (0.5 * prior.log_var[:, component]).exp() * z
        rows.append(model.decode(z, each).cpu())
    return torch.cat(rows)


def variance_shares(values: Tensor) -> dict[str, float]:
    """Shares of the variance of a two-way table ``(N, S)`` or ``(N, S, P)``, the variances added over P.

    The components of variance of the random-effects model, each 0 at least: what rows differ by more than their
    finite number of columns makes them differ, and the same of the columns.

    Returns:
        ``beta`` (rows), ``local`` (columns) and ``both`` (their interaction), which add up to 1; all 0 if nothing
        varies.
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
    return {name: float(part / total) if total > 0 else 0.0 for name, part in zip(PARTS, parts, strict=True)}


def factors(images: Tensor) -> dict[str, Any]:
    """What beta and the local draws decide of a grid of images ``(N, S, C, H, W)`` in [0, 1], N, S ≥ 2.

    Returns:
        ready for JSON, by property: ``variance_shares``, and ``sd``, what they are shares of, but for the pixels.
    """
    known = PROPERTIES | (COLOUR if images.shape[-3] == 3 else GREY)
    small = pooled(images.flatten(0, 1)).unflatten(0, images.shape[:2])  # 16×16 say the same of the whole picture
    result: dict[str, Any] = {PIXELS: variance_shares(small.flatten(2))}
    for name, read in known.items():
        values = read(images)
        result[name] = {**variance_shares(values), "sd": float(values.double().std())}
    return result
