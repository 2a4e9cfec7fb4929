"""The NestedVAE (Vowels, Camgoz, Bowden 2020, arXiv:2002.11576). Axes: G groups, B images per group."""

from typing import Literal

import torch
from jsonargparse.typing import NonNegativeFloat, PositiveInt
from torch import Tensor, nn

from ugvae.distributions import DiagonalGaussian, kl_standard_normal
from ugvae.errors import ConfigError, check_choice, check_counts, check_not_negative
from ugvae.models.base import BaseVAE, ImageShape
from ugvae.models.bound import Bound, Posterior
from ugvae.networks.heads import HIDDEN, GaussianHead, full_precision


class NestedVAE(BaseVAE):
    """Two images that share a label: an outer VAE encodes both, an inner VAE maps one's latent to the other's.

    What the inner VAE can carry over is what the two have in common; the KL of its latent keeps the rest out.

    Generative model. Outer, of each image: z_i ~ N(0, I); x_i | z_i ~ N(decoder(z_i), x_std² I). Inner, of the latent
    of image i's partner j: c ~ N(0, I); z_j | c ~ N(inner_decoder(c), I).

    Variational family: q(z_i | x_i) Gaussian, the same networks for both images; q(c | z_i) Gaussian.

    Objective (Vowels et al. 2020), both directions of each pair, one sample of z and of c:
    Σ_i [log p(x_i | z_i) − λ_outer KL(q(z_i | x_i) ‖ N(0, I))]
    + Σ_i [log p(z_j(i) | c_i) − λ_inner KL(q(c | z_i) ‖ N(0, I))].
    ``elbo`` reports all terms unweighted; its total is the outer bound on log p(images), comparable with the other
    models. docs/model.md has the settings that follow the authors' released code, and what still differs from it.

    Images 2i and 2i + 1 of a group are a pair, so groups must share a label (``data.grouping: attribute``) and have an
    even size. That is weak supervision, which no other model here is given.

    Args:
        image_shape: (C, H, W); the command line takes it from the data.
        z_dim: dimensions of the outer latent.
        common_dim: dimensions of the inner latent, what the images of a pair have in common.
        outer_kl_weight: λ_outer ≥ 0.
        inner_kl_weight: λ_inner ≥ 0.
        joint: let the inner objective train the outer encoder too. False stops the gradient at z: the outer VAE is
            trained as if it were alone.
        inner_sees: what of z the inner VAE is given and has to give back: ``samples`` of q(z | x), those that are
            decoded, or its ``means``. The latent c is sampled in both.
    """

    family = "labelled"
    data_grouping = "attribute"

    def __init__(
        self,
        image_shape: ImageShape,
        z_dim: PositiveInt = 10,
        common_dim: PositiveInt = 10,
        outer_kl_weight: NonNegativeFloat = 1.0,
        inner_kl_weight: NonNegativeFloat = 1.0,
        joint: bool = True,
        inner_sees: Literal["samples", "means"] = "samples",
        **kwargs,
    ) -> None:
        weights = {"outer_kl_weight": outer_kl_weight, "inner_kl_weight": inner_kl_weight}
        check_counts(common_dim=common_dim)
        check_not_negative(**weights)
        check_choice("inner_sees", inner_sees, ("samples", "means"))
        super().__init__(image_shape, z_dim, 0, **kwargs)
        self.keep_settings(common_dim=common_dim, **weights, joint=joint, inner_sees=inner_sees)
        self.outer_kl_weight, self.inner_kl_weight = outer_kl_weight, inner_kl_weight
        self.joint, self.inner_sees = joint, inner_sees
        self.inner_encoder = nn.Sequential(nn.Linear(z_dim, HIDDEN), nn.ReLU(), GaussianHead(HIDDEN, common_dim))
        self.inner_decoder = nn.Sequential(nn.Linear(common_dim, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, z_dim))

    def _bound(self, images: Tensor, mask: Tensor | None = None) -> Bound:
        if images.shape[1] % 2:
            raise ConfigError(f"group_size: images 2i and 2i + 1 are a pair, so it must be even, got {images.shape[1]}")
        if mask is not None:
            raise ConfigError("data.grouping: NestedVAE takes pairs, and groups of unequal size leave images alone")
        q_z = self.z_head(self.encode(images, mask))
        z = q_z.sample()
        reconstruction = self.log_likelihood(images, z)
        given = z if self.inner_sees == "samples" else q_z.mean
        given = given if self.joint else given.detach()
        q_common = self.inner_encoder(given)
        predicted = full_precision(self.inner_decoder(q_common.sample()))
        target = DiagonalGaussian(predicted, torch.zeros_like(predicted))
        inner = {
            "inner_reconstruction": target.log_prob(partners(given)),
            "inner_kl": kl_standard_normal(q_common),
        }
        return Bound({"reconstruction": reconstruction, "kl_z": kl_standard_normal(q_z)}, beside=inner, mask=mask)

    def objective(self, bound: Bound) -> Tensor:
        inner = bound["inner_reconstruction"] - self.inner_kl_weight * bound["inner_kl"]
        return bound.weighted(kl_z=self.outer_kl_weight).total + inner.sum(-1)

    def posterior(self, h: Tensor, mask: Tensor | None = None) -> Posterior:
        return Posterior(self.z_head(h))

    def infer_common(self, images: Tensor) -> DiagonalGaussian:
        """q(c | z) at the mean of z, of each image alone: ``(G, B, common_dim)``."""
        return self.inner_encoder(self.infer(images).z.mean)


def partners(value: Tensor) -> Tensor:
    """``(G, B, D)`` with images 2i and 2i + 1 of each group exchanged."""
    return value.unflatten(1, (-1, 2)).flip(2).flatten(1, 2)
