"""The adaptive group VAEs (Locatello, Poole, Rätsch, Schölkopf, Bachem, Tschannen 2020, arXiv:2002.02886).

Axes: G groups, B images per group, P = ⌊B/2⌋ pairs of a group, D z_dim.
"""

import torch
from jsonargparse.typing import NonNegativeFloat, PositiveInt
from torch import Tensor

from ugvae.distributions import (
    DiagonalGaussian,
    average_of_gaussians,
    kl_gaussians,
    kl_standard_normal,
    product_of_gaussians,
)
from ugvae.models.base import ImageShape
from ugvae.models.beta_vae import BetaVAE
from ugvae.models.bound import Bound


class AdaGVAE(BetaVAE):
    """A VAE trained on pairs of images that share some of their factors; which dimensions these are, it finds itself.

    Generative model of one image, and what evaluation uses: those of ``VAE``, with q(z_i | x_i) of each image alone.
    There is no global latent: the pairs are no more than the supervision of z.

    Training takes images 2i and 2i + 1 of a group as a pair (x_1, x_2), as in the paper, whatever the size of the
    group; an image without a partner stays alone. With δ_d = KL(q(z_d | x_1) ‖ q(z_d | x_2)) of each dimension d, those
    with δ_d < τ = ½ (min_d δ_d + max_d δ_d) are taken as shared: there both images get one posterior q̃, of the average
    mean and the average variance. In the others q̃ is their own.

    Objective: Σ_i [log p(x_i | z_i) − β KL(q̃(z_i | x_1, x_2) ‖ N(0, I))], z_i drawn from q̃ for each image
    alone. ``elbo`` is the bound of ``VAE``, so that it compares with that of every other model; the terms in training
    are those of q̃, unweighted, a lower bound too.

    The paper draws pairs that differ in few known factors, which is weak supervision. Here they are images of a group,
    which share what the groups of the data share: with random groups nothing in particular, and then what is taken as
    shared costs in the bound.

    Args:
        image_shape: (C, H, W); the command line takes it from the data.
        z_dim: dimensions of the latent.
        beta: weight of the KL term, β ≥ 0; it has nothing to do with ``beta``, the global latent of other models.
    """

    family = "grouped"

    def __init__(
        self, image_shape: ImageShape, z_dim: PositiveInt = 10, beta: NonNegativeFloat = 1.0, **kwargs
    ) -> None:
        super().__init__(image_shape, z_dim, beta, **kwargs)

    def _training_bound(self, images: Tensor, mask: Tensor | None = None) -> Bound:
        q_z = self.joined(self.z_head(self.encode(images, mask)), mask)
        reconstruction = self.log_likelihood(images, q_z.sample())
        return Bound({"reconstruction": reconstruction, "kl_z": kl_standard_normal(q_z)}, mask=mask)

    def joined(self, q_z: DiagonalGaussian, mask: Tensor | None = None) -> DiagonalGaussian:
        """q̃: the posteriors ``(G, B, D)`` with the shared dimensions of each pair joined; mask ``(G, B)``."""
        paired = q_z.mean.shape[1] // 2 * 2
        pairs = DiagonalGaussian(*(part[:, :paired].unflatten(1, (-1, 2)) for part in q_z))  # (G, P, 2, D)
        first, second = (DiagonalGaussian(*(part[:, :, i].unsqueeze(-1) for part in pairs)) for i in (0, 1))
        divergence = kl_gaussians(first, second)  # of each dimension, (G, P, D)
        shared = divergence < (divergence.amin(-1, keepdim=True) + divergence.amax(-1, keepdim=True)) / 2
        if mask is not None:
            shared = shared & mask[:, :paired].unflatten(1, (-1, 2)).all(-1, keepdim=True)
        parts = zip(self.in_common(pairs), pairs, q_z, strict=True)
        return DiagonalGaussian(
            *(
                torch.cat([torch.where(shared.unsqueeze(2), one.unsqueeze(2), two).flatten(1, 2), own[:, paired:]], 1)
                for one, two, own in parts
            )
        )

    def in_common(self, pairs: DiagonalGaussian) -> DiagonalGaussian:
        """The one posterior of two images, ``(G, P, 2, D)`` to ``(G, P, D)``."""
        return average_of_gaussians(pairs)


class AdaMLVAE(AdaGVAE):
    """``AdaGVAE`` with the product of the two posteriors, as in ML-VAE, for the dimensions that a pair shares.

    The paper names the product; the authors' released code gives it twice the variance, the harmonic mean of the two.
    All else is that of ``AdaGVAE``.

    Args:
        image_shape: (C, H, W); the command line takes it from the data.
        z_dim: dimensions of the latent.
        beta: weight of the KL term, β ≥ 0.
    """

    def in_common(self, pairs: DiagonalGaussian) -> DiagonalGaussian:
        return product_of_gaussians(pairs)
