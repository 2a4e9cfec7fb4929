"""Which properties of an image beta decides, and which the local latents: an analysis of variance.

Images are decoded on a grid, each local draw under each beta. A property of the image, such as its contrast, then
varies between rows (by beta), between columns (by the local draw) and in what is left (by both together). A column is a
draw from the prior of z, which moves with beta (in the walk), or the z of a held-out image, which does not (z fixed).

Axes: N betas, B images per group, S columns, C channels, H and W pixels, P properties.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ugvae.data.statistics import STATISTICS
from ugvae.data.table import ImageTable
from ugvae.distributions import DiagonalGaussian
from ugvae.errors import ConfigError
from ugvae.evaluation.content import pooled, retrieved
from ugvae.evaluation.encoding import encode_groups
from ugvae.evaluation.judges import Judge, judged_share, pixels, real_images
from ugvae.models.base import BaseVAE

PIXELS = "pixels"  # all pixels together: the reference, what beta decides of the image as a whole
PARTS = ("beta", "local", "both")
LEAST_SD = 0.002  # half of one of 255 grey levels: a share of less is a share of nothing
PRIOR, HELD_OUT = "beta from its prior", "beta of held-out groups"  # both in the walk
FIXED = f"{HELD_OUT}, z fixed"


@dataclass(frozen=True)
class VarianceShares:
    """Shares of a variance, which add up to 1; None where the property hardly varies at all.

    Attributes:
        beta: between the rows of the grid, which differ in beta.
        local: between the columns, which differ in the local draw.
        both: their interaction.
        sd: of the property over the grid, pixels in [0, 1]: what the shares are shares of. Of several properties the
            root of the mean variance. None in results of earlier versions, for the pixels.
    """

    beta: float | None = None
    local: float | None = None
    both: float | None = None
    sd: float | None = None

    @property
    def beta_sd(self) -> float | None:
        """The s.d. of the property between betas, pixels in [0, 1]; None if not known."""
        return None if self.beta is None or self.sd is None else self.sd * self.beta**0.5


@dataclass(frozen=True)
class Decided:
    """What beta decides of the images of one grid.

    Attributes:
        shares: by property.
        label_kept: share of the images whose label is kept, by a judge of pixels; None without labels. With z fixed,
            the label of the source; in the walk, the commonest answer of the judge in the column.
        label_kept_plain: the same of plain reconstructions, z fixed under the own beta: the control.
        retrieval: z fixed: share of the images nearest to their own source, of all S; None in the walk.
        retrieval_plain: the same of plain reconstructions.
    """

    shares: dict[str, VarianceShares]
    label_kept: float | None = None
    label_kept_plain: float | None = None
    retrieval: float | None = None
    retrieval_plain: float | None = None

    @staticmethod
    def upgraded(content: Mapping[str, Any]) -> Mapping[str, Any]:
        """The JSON of this class from that of earlier versions, which had the shares alone."""
        return content if "shares" in content else {"shares": content}


PROPERTIES = ("brightness", "contrast")
COLOUR, GREY = "warmth", "thickness"  # one more of images with three channels, and of others


class Sources(NamedTuple):
    """Held-out images whose z is decoded under other betas.

    Attributes:
        rows: of the table, ``(S,)``.
        z: posterior means, ``(S, z_dim)``.
        beta: posterior means of their own groups, ``(S, beta_dim)``.
    """

    rows: Tensor
    z: Tensor
    beta: Tensor


@torch.no_grad()
def beta_decides(
    model: BaseVAE, table: ImageTable, groups: Tensor, columns: int = 48, judge: Judge | None = None, seed: int = 0
) -> dict[str, Decided]:
    """What the betas of held-out groups decide: in the walk, and with z fixed.

    The betas are posterior means, and so are the z of the sources, images of the same groups. One in N images of the
    grid with z fixed is under the beta of its own group.

    Args:
        model: with beta, in eval mode.
        table: held-out images.
        groups: any groups of its rows, ``(N, B)`` with N ≥ 2.
        columns: S ≥ 2, local draws and sources.
        judge: of ``label``, a column of the table, learned from real training images (``fit_judge``).
        seed: of the local draws.

    Returns:
        by ``HELD_OUT``, the walk, and ``FIXED``.

    Raises:
        ConfigError: fewer than two groups.
    """
    if len(groups) < 2:
        raise ConfigError(f"groups: an effect of beta takes two groups, got {len(groups)}")
    posterior = encode_groups(model, table.images, groups)
    number = torch.arange(columns)
    group, place = number % len(groups), number // len(groups) % groups.shape[1]
    sources = Sources(groups[group, place], posterior.z.mean[group, place], posterior.beta.mean[group])
    beta = posterior.beta.mean
    walk = decided(decode_grid(model, beta, columns, seed), judge)
    return {HELD_OUT: walk, FIXED: _decided_of_sources(model, table, sources, beta, judge)}


def decided(images: Tensor, judge: Judge | None = None) -> Decided:
    """What beta decides of a walk ``(N, S, C, H, W)``: of each property, and whether a judge's answer stays."""
    if judge is None:
        return Decided(factors(images))
    answers = torch.from_numpy(judge(pixels(images))).unflatten(0, images.shape[:2])
    return Decided(factors(images), float((answers == answers.mode(0).values).double().mean()))


def _decided_of_sources(
    model: BaseVAE, table: ImageTable, sources: Sources, beta: Tensor, judge: Judge | None
) -> Decided:
    """What the betas ``(N, beta_dim)`` decide of sources whose z stays as it is."""
    z, device = sources.z.to(model.device), model.device
    rows = [model.decode(z.expand(len(part), -1, -1), part.to(device)).cpu() for part in beta.split(8)]
    images = torch.cat(rows)
    plain = model.decode(z.unsqueeze(1), sources.beta.to(device)).squeeze(1).unsqueeze(0).cpu()  # (1, S, C, H, W)
    real = real_images(table, sources.rows).unsqueeze(0)
    label_kept, retrieval = [], []  # of all betas, then of the own one
    for shown in (images, plain):
        small = pooled(shown.flatten(0, 1)).unflatten(0, shown.shape[:2])
        retrieval.append(retrieved(real.expand_as(small), small))
        if judge is not None:
            labels = table.columns["label"][sources.rows].expand(len(shown), -1).flatten()
            label_kept.append(judged_share(judge, pixels(shown), labels, None))
    return Decided(factors(images), *(label_kept or (None, None)), *retrieval)


@torch.no_grad()
def decode_grid(model: BaseVAE, beta: Tensor, draws: int, seed: int = 0) -> Tensor:
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

    Shares of an s.d. below 0.002 are not given.

    Example:
        >>> variance_shares(torch.tensor([[1.0, 1.0], [4.0, 4.0]]))
        VarianceShares(beta=1.0, local=0.0, both=0.0, sd=1.732...)
    """
    table = values.double().flatten(2) if values.ndim > 2 else values.double().unsqueeze(2)
    rows, columns = table.shape[:2]
    sd = float(table.flatten(0, 1).var(0).mean().sqrt())
    if sd < LEAST_SD:
        return VarianceShares(sd=sd)
    mean, by_row, by_column = table.mean((0, 1)), table.mean(1), table.mean(0)
    rest = table - by_row.unsqueeze(1) - by_column.unsqueeze(0) + mean
    both = rest.square().sum((0, 1)) / ((rows - 1) * (columns - 1))
    beta = (by_row.var(0) - both / columns).clamp(min=0).sum()
    local = (by_column.var(0) - both / rows).clamp(min=0).sum()
    total = beta + local + both.sum()
    parts = (beta, local, both.sum())
    return VarianceShares(*(float(part / total) for part in parts), sd)


def factors(images: Tensor) -> dict[str, VarianceShares]:
    """What beta and the local draws decide of a grid of images ``(N, S, C, H, W)`` in [0, 1], N, S ≥ 2, by property."""
    known = (*PROPERTIES, COLOUR if images.shape[-3] == 3 else GREY)
    small = pooled(images.flatten(0, 1)).unflatten(0, images.shape[:2])  # 16×16 pixels are enough for all of them
    values = {PIXELS: small.flatten(2)} | {name: STATISTICS[name](images) for name in known}
    return {name: variance_shares(table) for name, table in values.items()}
