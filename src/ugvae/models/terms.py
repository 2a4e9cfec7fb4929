"""What the models give back: the terms of a bound, posteriors, a draw for the importance-weighted bound.

Axes: G groups, B images per group, K components.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from ugvae.distributions import DiagonalGaussian


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
