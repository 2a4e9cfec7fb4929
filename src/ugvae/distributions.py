"""Densities, divergences and products of diagonal Gaussians, as pure functions.

Axes: ``...`` any leading axes, G groups, B images of a group, K mixture components, D latent dimensions.
Every divergence and log density is in nats. Precisions are handled as logarithms throughout: a raw ``exp`` of a
log-variance over- or underflows as soon as one of them is extreme.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

LOG_2PI = math.log(2 * math.pi)


class DiagonalGaussian(NamedTuple):
    """A Gaussian with diagonal covariance over the last axis.

    Attributes:
        mean: ``(..., D)``.
        log_var: logarithm of the variance, ``(..., D)``.
    """

    mean: Tensor
    log_var: Tensor

    @property
    def std(self) -> Tensor:
        """Standard deviation, ``(..., D)``."""
        return (0.5 * self.log_var).exp()

    def sample(self) -> Tensor:
        """One reparameterised sample (Kingma & Welling 2014), ``(..., D)``."""
        return torch.addcmul(self.mean, self.std, torch.randn_like(self.mean))

    def log_prob(self, value: Tensor) -> Tensor:
        """Log density of ``value (..., D)`` in nats, summed over the last axis."""
        squared = (value - self.mean).square() * (-self.log_var).exp()
        return -0.5 * (squared + self.log_var + LOG_2PI).sum(-1)


def standard_normal_log_prob(value: Tensor) -> Tensor:
    """Log N(value; 0, I) in nats, ``(..., D)`` to ``(...)``."""
    return -0.5 * (value.square() + LOG_2PI).sum(-1)


def kl_standard_normal(q: DiagonalGaussian) -> Tensor:
    """KL(q ‖ N(0, I)) in nats, ``(...)``."""
    return 0.5 * (q.mean.square() + q.log_var.exp() - q.log_var - 1).sum(-1)


def kl_gaussians(q: DiagonalGaussian, p: DiagonalGaussian) -> Tensor:
    """KL(q ‖ p) in nats, ``(...)``; q and p broadcast."""
    ratio = ((q.mean - p.mean).square() + q.log_var.exp()) * (-p.log_var).exp()
    return 0.5 * (ratio + p.log_var - q.log_var - 1).sum(-1)


def kl_uniform(logits: Tensor) -> Tensor:
    """KL(π ‖ uniform) in nats for π = softmax(logits), ``(..., K)`` to ``(...)``."""
    log_pi = logits.log_softmax(-1)
    return (log_pi.exp() * log_pi).sum(-1) + math.log(logits.shape[-1])


def _distances(mean: Tensor, variance: Tensor | None, components: DiagonalGaussian) -> Tensor:
    """Σ_D E[(z − m_k)²] / s_k² + log s_k² for z of given mean and variance, ``(..., B, D)`` to ``(..., B, K)``.

    Expanding the square leaves one matrix product of ``(B, 2D)`` by ``(2D, K)``, so that no ``(B, K, D)`` tensor is
    made. The component means are centred first, which keeps the expansion free of cancellation when they share an
    offset. A variance of None is 0: z is a point.
    """
    with torch.autocast(mean.device.type, enabled=False):  # matrix products of a density stay in full precision
        centre = components.mean.mean(-2, keepdim=True)
        mean, component_mean = mean - centre, components.mean - centre
        precision = (-components.log_var).exp()
        second_moment = mean.square() if variance is None else mean.square() + variance
        left = torch.cat([second_moment, mean], -1)
        right = torch.cat([precision, -2 * component_mean * precision], -1)
        constant = (component_mean.square() * precision + components.log_var).sum(-1)
        return left @ right.mT + constant.unsqueeze(-2)


def mixture_kl(q: DiagonalGaussian, prior: DiagonalGaussian, weights: Tensor) -> Tensor:
    """Σ_k π_ik KL(q_i ‖ p_k): the local term of the ELBO with d summed out (paper, eq. 11).

    Args:
        q: posteriors of z, ``(..., B, D)``.
        prior: the mixture p(z | k, beta), ``(..., K, D)``.
        weights: π, ``(..., B, K)``, rows summing to one.

    Returns:
        nats per image, ``(..., B)``.
    """
    per_component = _distances(q.mean, q.log_var.exp(), prior)
    return 0.5 * ((weights * per_component).sum(-1) - (q.log_var + 1).sum(-1))


def component_kl(q: DiagonalGaussian, components: DiagonalGaussian) -> Tensor:
    """KL(q_i ‖ p_k) of every posterior and every component, in nats.

    Args:
        q: posteriors of z, ``(..., B, D)``.
        components: ``(..., K, D)``.

    Returns:
        ``(..., B, K)``.
    """
    return 0.5 * (_distances(q.mean, q.log_var.exp(), components) - (q.log_var + 1).sum(-1, keepdim=True))


def component_log_prob(value: Tensor, components: DiagonalGaussian) -> Tensor:
    """Log density of each value under each component, in nats.

    Args:
        value: ``(..., B, D)``.
        components: ``(..., K, D)``.

    Returns:
        ``(..., B, K)``.
    """
    return -0.5 * (_distances(value, None, components) + value.shape[-1] * LOG_2PI)


def mixture_log_prob(value: Tensor, components: DiagonalGaussian) -> Tensor:
    """Log Σ_k N(value; m_k, s_k²) / K in nats: ``(..., B, D)`` under ``(..., K, D)`` to ``(..., B)``."""
    return component_log_prob(value, components).logsumexp(-1) - math.log(components.mean.shape[-2])


def take_components(components: DiagonalGaussian, d: Tensor) -> DiagonalGaussian:
    """The component of each image: ``(G, K, D)`` and indices ``(G, B)`` to a Gaussian ``(G, B, D)``."""
    rows = torch.arange(len(d), device=d.device).unsqueeze(1)
    return DiagonalGaussian(components.mean[rows, d], components.log_var[rows, d])


def transport_between(z: Tensor, d: Tensor, source: DiagonalGaussian, target: DiagonalGaussian) -> Tensor:
    """Carries z from one mixture to another: z' = Σ_k π_k [m'_k + s'_k / s_k · (z − m_k)].

    Affine in z, so π averages the two coefficients and no (..., K, z_dim) tensor is made per image.

    Args:
        z: ``(..., B, z_dim)``.
        d: π, ``(..., B, K)``.
        source: the components m_k, s_k that z belongs to, ``(..., K, z_dim)``.
        target: the components m'_k, s'_k.
    """
    scale = target.std / source.std
    shift = target.mean - scale * source.mean
    return z * (d @ scale) + d @ shift


def moments(points: Tensor) -> DiagonalGaussian:
    """Mean and variance of points ``(..., B, D)`` with B ≥ 2, ``(..., D)``."""
    return DiagonalGaussian(points.mean(-2), points.var(-2).log())


def match_moments(points: Tensor, source: DiagonalGaussian, target: DiagonalGaussian) -> Tensor:
    """Moves points ``(..., B, D)`` so that what has the source's mean and variance ``(..., D)`` gets the target's."""
    mean, std = source.mean.unsqueeze(-2), source.std.unsqueeze(-2)
    return target.mean.unsqueeze(-2) + target.std.unsqueeze(-2) / std * (points - mean)


def product_of_gaussians(
    factors: DiagonalGaussian, prior_expert: bool = False, mask: Tensor | None = None
) -> DiagonalGaussian:
    """Normalised product of the B factors (paper, eq. 8-9): Λ = Σ Λ_i, mean = Λ⁻¹ Σ Λ_i mean_i.

    In logarithms: log Λ is a logsumexp over the factors, and each factor's share Λ_i / Λ is a softmax.

    Args:
        factors: one Gaussian per image, ``(..., B, D)``.
        prior_expert: multiply by N(0, I) too, as one factor more. The paper does not.
        mask: which of the factors count, bool ``(..., B)``; all by default. The product of none is N(0, I).

    Returns:
        the product, ``(..., D)``.
    """
    mean, log_precision = factors.mean, -factors.log_var
    if mask is not None:
        log_precision = log_precision.masked_fill(~mask.unsqueeze(-1), -math.inf)
        if not prior_expert:  # where there is no factor: B of N(0, B·I)
            none = ~mask.any(-1)[..., None, None]
            mean, log_precision = (
                mean.masked_fill(none, 0.0),
                log_precision.masked_fill(none, -math.log(mean.shape[-2])),
            )
    if prior_expert:
        standard = torch.zeros_like(mean[..., :1, :])
        mean, log_precision = torch.cat([mean, standard], -2), torch.cat([log_precision, standard], -2)
    share = log_precision.softmax(-2)
    return DiagonalGaussian((share * mean).sum(-2), -log_precision.logsumexp(-2))


def average_of_gaussians(factors: DiagonalGaussian, mask: Tensor | None = None) -> DiagonalGaussian:
    """The Gaussian with the average mean and the average variance of the B factors (Hosoya 2019).

    Unlike the product it grows no narrower with B.

    Args:
        factors: one Gaussian per image, ``(..., B, D)``.
        mask: which of the factors count, bool ``(..., B)``; all by default. The average of none is N(0, I).

    Returns:
        the average, ``(..., D)``.
    """
    mask = torch.ones_like(factors.mean[..., 0], dtype=torch.bool) if mask is None else mask
    mean, log_var = (part.masked_fill(~mask.unsqueeze(-1), 0.0) for part in factors)
    counted = (mask | ~mask.any(-1, keepdim=True)).to(mean.dtype)  # where there is no factor: all, each N(0, I)
    share = (counted / counted.sum(-1, keepdim=True)).unsqueeze(-1)
    return DiagonalGaussian((share * mean).sum(-2), (log_var + share.log()).logsumexp(-2))


def image_log_likelihood(images: Tensor, mean: Tensor, std: float | Tensor) -> Tensor:
    """Log N(images; mean, std² I) with its constant, so a real log density.

    Args:
        images: ``(..., C, H, W)``.
        mean: ``(..., C, H, W)``.
        std: the standard deviation of every pixel, a number or a scalar.

    Returns:
        nats per image, ``(...)``.
    """
    pixels = math.prod(images.shape[-3:])
    images, mean = torch.broadcast_tensors(images, mean)
    squared = mse_loss(mean, images, reduction="none").sum((-3, -2, -1))  # one pass forward, one back
    log_std = std.log() if isinstance(std, Tensor) else math.log(std)
    return -0.5 / std**2 * squared - pixels * (log_std + 0.5 * LOG_2PI)


def hsic(z: Tensor, beta: Tensor, mask: Tensor | None = None) -> Tensor:
    """Dependence of the local latents on the global latent of their group: 0 where the two are independent.

    The Hilbert-Schmidt independence criterion (Gretton et al. 2005), biased estimate over all images of the batch,
    each with the beta of its group. The kernel of z is the mean of three Gaussians, scale² = z_dim · (¼, 1, 4). That of
    beta is one Gaussian, scale² = the total variance of beta in the batch. Only z gets a gradient: with one of its own,
    beta would shrink without end, since the scale follows it.

    Args:
        z: ``(G, B, z_dim)``.
        beta: ``(G, beta_dim)``, G ≥ 2 for a value other than 0.
        mask: which images there are, bool ``(G, B)``; all by default.

    Returns:
        a scalar ≥ 0, up to rounding.
    """
    with torch.autocast(z.device.type, enabled=False):
        count = z.shape[:2].numel() if mask is None else mask.sum()
        weight = torch.full_like(z[..., 0], 1.0) if mask is None else mask.to(z.dtype)
        weight = (weight / count).flatten()  # of each image, adding up to 1
        beta = beta.detach()
        scale = beta.var(0, correction=0).sum().clamp(min=torch.finfo(beta.dtype).tiny)
        groups = torch.exp(-_squared_distances(beta) / (2 * scale))
        of_group = weight.unflatten(0, z.shape[:2]).sum(1)
        mean = groups @ of_group
        centred = groups - mean.unsqueeze(1) - mean + of_group @ mean  # where no gradient flows
        factors = centred.repeat_interleave(z.shape[1], 0).repeat_interleave(z.shape[1], 1)
        factors = weight.unsqueeze(1) * factors * weight / 3
        wide = torch.exp(_squared_distances(z.flatten(0, 1)) / (-8 * z.shape[-1]))  # scale² = 4 · z_dim
        middle = wide.square().square()  # the other scales are powers
        return ((wide + middle + middle.square().square()) * factors).sum()


def _squared_distances(points: Tensor) -> Tensor:
    """Between all pairs of points ``(N, D)``, ``(N, N)``; through products, and never below 0."""
    squares = points.square().sum(-1)
    return (squares.unsqueeze(1) + squares - 2 * points @ points.mT).clamp(min=0)
