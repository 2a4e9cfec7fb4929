"""What the models give back: the terms of a bound, posteriors, a draw for the importance-weighted bound.

Axes: G groups, B images per group, K components.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from ugvae.distributed import distributed_rank, gather
from ugvae.distributions import DiagonalGaussian, kl_standard_normal, product_of_gaussians


class ELBO(NamedTuple):
    """The terms of the evidence lower bound, in nats. All KL terms are ≥ 0; one that a model lacks is 0.

    A model with further terms returns a tuple of its own, which begins with these four and has a ``total`` too.

    Attributes:
        reconstruction: log p(x | z, beta) per image, ``(G, B)``.
        kl_z: local Gaussian term per image, ``(G, B)``.
        kl_d: component term per image, ``(G, B)``.
        kl_beta: global term per group, ``(G,)``; of groups that span R processes, one R-th of it on each.
    """

    reconstruction: Tensor
    kl_z: Tensor
    kl_d: Tensor
    kl_beta: Tensor

    @property
    def total(self) -> Tensor:
        """The bound itself, nats per group, ``(G,)``; of groups that span processes, this one's share."""
        return (self.reconstruction - self.kl_z - self.kl_d).sum(-1) - self.kl_beta


def without_mixture(reconstruction: Tensor, kl_z: Tensor, kl_beta: Tensor | None = None) -> ELBO:
    """The bound of a model without components, and without a global latent if ``kl_beta`` is None."""
    zero = torch.zeros_like(reconstruction)
    return ELBO(reconstruction, kl_z, kl_d=zero, kl_beta=zero[:, 0] if kl_beta is None else kl_beta)


class Posterior(NamedTuple):
    """Posterior of the latents at their means, without sampling. A latent that the model lacks is None.

    Attributes:
        z: Gaussian ``(G, B, z_dim)``.
        d: component probabilities ``(G, B, K)``.
        beta: Gaussian ``(G, beta_dim)``.
    """

    z: DiagonalGaussian
    d: Tensor | None = None
    beta: DiagonalGaussian | None = None


class GlobalDraw(NamedTuple):
    """One draw of what the images of a group share, from which the importance-weighted bound goes on.

    Attributes:
        h: features of the images, ``(G, B, 256)``.
        z: q(z | x), ``(G, B, z_dim)``.
        beta: sample of q(beta | X, Z⁰), ``(G, beta_dim)``; None if the model has no global latent.
        log_weight: log p(beta) − log q(beta | X, Z⁰) in nats, ``(G,)``.
    """

    h: Tensor
    z: DiagonalGaussian
    beta: Tensor | None
    log_weight: Tensor


def sample_shared(factors: DiagonalGaussian, prior_expert: bool, span: bool) -> tuple[Tensor, Tensor]:
    """Samples beta from the product of the factors of a group's images.

    A group that spans the ranks has R·B images, B on each rank. The product over them is the product of the ranks'
    products, so the ranks exchange one Gaussian per group, with gradients; the noise is that of the first rank.

    Args:
        factors: one Gaussian per image of this rank, ``(G, B, D)``.
        prior_expert: multiply by N(0, I) too, once.
        span: the groups span the ranks; a collective call then.

    Returns:
        beta ``(G, D)``, the same on all ranks of a group, and KL(q(beta | X, Z) ‖ N(0, I)) in nats ``(G,)``: where the
        group spans R ranks, this rank's share of it, one R-th, so that the ranks' bounds sum to that of the group.
    """
    num_ranks = distributed_rank()[1] if span else 1
    if num_ranks == 1:
        q_beta = product_of_gaussians(factors, prior_expert)
        return q_beta.sample(), kl_standard_normal(q_beta)
    part = product_of_gaussians(factors)
    everything = gather(torch.cat([*part, torch.randn_like(part.mean)], -1)).transpose(0, 1)  # (G, R, 3 D)
    mean, log_var, noise = everything.chunk(3, -1)
    q_beta = product_of_gaussians(DiagonalGaussian(mean, log_var), prior_expert)
    beta = torch.addcmul(q_beta.mean, q_beta.std, noise[:, 0].detach())
    return beta, kl_standard_normal(q_beta) / num_ranks


def check_images(images: Tensor, image_shape: tuple[int, int, int], dtype: torch.dtype) -> None:
    """Raises a ValueError that says what is wrong with ``images``.

    Args:
        images: should be ``(G, B, C, H, W)`` in [0, 1].
        image_shape: (C, H, W) of the model.
        dtype: of the model's weights.
    """
    if images.ndim != 5 or tuple(images.shape[2:]) != image_shape or 0 in images.shape:
        c, h, w = image_shape
        raise ValueError(f"images: expected (G, B, {c}, {h}, {w}) with G, B ≥ 1, got {tuple(images.shape)}")
    if not images.is_floating_point():
        raise ValueError(f"images: expected float in [0, 1], got {images.dtype}; divide uint8 by 255")
    if images.dtype != dtype and not torch.is_autocast_enabled(images.device.type):
        raise ValueError(f"images: expected {dtype}, the type of the model's weights, got {images.dtype}")
    low, high = images.aminmax()
    if not (low >= 0 and high <= 1):
        raise ValueError(f"images: expected values in [0, 1], got {low:.3g} to {high:.3g}")
