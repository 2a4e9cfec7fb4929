"""Densities, divergences and products of diagonal Gaussians, as pure functions.

Axes: ``...`` any leading axes, G groups, B images of a group, K mixture components, D latent dimensions.
Every divergence and log density is in nats. Precisions are handled as logarithms throughout: a raw ``exp`` of a
log-variance over- or underflows as soon as one of them is extreme.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

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


def mixture_kl(q: DiagonalGaussian, prior: DiagonalGaussian, weights: Tensor) -> Tensor:
    """Σ_k π_ik KL(q_i ‖ p_k): the local term of the ELBO with d summed out (paper, eq. 11).

    Expanding the square leaves one matrix product of ``(B, 2D)`` by ``(2D, K)``, so that no ``(B, K, D)`` tensor is
    made. The prior means are centred first, which keeps the expansion free of cancellation when they share an offset.

    Args:
        q: posteriors of z, ``(..., B, D)``.
        prior: the mixture p(z | k, beta), ``(..., K, D)``.
        weights: π, ``(..., B, K)``, rows summing to one.

    Returns:
        nats per image, ``(..., B)``.
    """
    with torch.autocast(q.mean.device.type, enabled=False):  # matrix products of a density stay in full precision
        centre = prior.mean.mean(-2, keepdim=True)
        mean, component_mean = q.mean - centre, prior.mean - centre
        precision = (-prior.log_var).exp()
        left = torch.cat([mean.square() + q.log_var.exp(), mean], -1)
        right = torch.cat([precision, -2 * component_mean * precision], -1)
        constant = (component_mean.square() * precision + prior.log_var).sum(-1)
        per_component = left @ right.mT + constant.unsqueeze(-2)
        return 0.5 * ((weights * per_component).sum(-1) - (q.log_var + 1).sum(-1))


def product_of_gaussians(factors: DiagonalGaussian, prior_expert: bool = False) -> DiagonalGaussian:
    """Normalised product of the B factors (paper, eq. 8-9): Λ = Σ Λ_i, mean = Λ⁻¹ Σ Λ_i mean_i.

    In logarithms: log Λ is a logsumexp over the factors, and each factor's share Λ_i / Λ is a softmax.

    Args:
        factors: one Gaussian per image, ``(..., B, D)``.
        prior_expert: multiply by N(0, I) too, as one factor more. The paper does not.

    Returns:
        the product, ``(..., D)``.
    """
    mean, log_precision = factors.mean, -factors.log_var
    if prior_expert:
        standard = torch.zeros_like(mean[..., :1, :])
        mean, log_precision = torch.cat([mean, standard], -2), torch.cat([log_precision, standard], -2)
    share = log_precision.softmax(-2)
    return DiagonalGaussian((share * mean).sum(-2), -log_precision.logsumexp(-2))


def image_log_likelihood(images: Tensor, mean: Tensor, std: float) -> Tensor:
    """Log N(images; mean, std² I) with its constant, so a real log density.

    Args:
        images: ``(..., C, H, W)``.
        mean: ``(..., C, H, W)``.
        std: x_std, the standard deviation of every pixel.

    Returns:
        nats per image, ``(...)``.
    """
    pixels = math.prod(images.shape[-3:])
    squared = (images - mean).square().sum((-3, -2, -1))
    return -0.5 / std**2 * squared - pixels * (math.log(std) + 0.5 * LOG_2PI)
