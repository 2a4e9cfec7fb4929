"""The Unsupervised Global VAE (Peis, Olmos, Artés-Rodríguez 2020, arXiv:2012.08234).

Axes: G groups, B images per group, K components.
"""

import torch
from jsonargparse.typing import PositiveInt
from torch import Tensor

from ugvae.distributions import (
    DiagonalGaussian,
    kl_uniform,
    mixture_kl,
    mixture_log_prob,
    product_of_gaussians,
    take_components,
)
from ugvae.errors import check_counts
from ugvae.models.base import BaseVAE, ImageShape
from ugvae.models.bound import Bound, Posterior, sample_beta
from ugvae.networks.heads import HIDDEN, ComponentHead, GaussianHead, MixturePrior


class UGVAE(BaseVAE):
    """A mixture prior over local latents, driven by a global latent that a group of images shares.

    Generative model of one group: beta ~ N(0, I); d_i ~ Cat(1/K); z_i | d_i = k, beta ~ N(m_k(beta), diag s_k²(beta));
    x_i | z_i, beta ~ N(decoder([z_i, beta]), x_std² I).

    Variational family: q(z_i | x_i) Gaussian; q(d_i | z_i) = Cat(π_i) of the sampled z_i; q(beta | X, Z) the product of
    one Gaussian factor per image from [h_i, π_i] (eq. 8-9).

    Bound (eq. 11), d summed out: Σ_i [log p(x_i | z_i, beta) − Σ_k π_ik KL(q(z_i | x_i) ‖ p(z | k, beta))
    − KL(π_i ‖ uniform)] − KL(q(beta | X, Z) ‖ N(0, I)).

    Args:
        image_shape: (C, H, W); the command line takes it from the data.
        z_dim: dimensions of the local latent.
        beta_dim: dimensions of the global latent.
        num_components: K.
        prior_expert: multiply N(0, I) into the product of factors; the paper does not.
    """

    family = "grouped"

    def __init__(
        self,
        image_shape: ImageShape,
        z_dim: PositiveInt = 10,
        beta_dim: PositiveInt = 20,
        num_components: PositiveInt = 10,
        prior_expert: bool = False,
        **kwargs,
    ) -> None:
        sizes = {"beta_dim": beta_dim, "num_components": num_components}
        check_counts(**sizes)
        super().__init__(image_shape, z_dim, beta_dim, **kwargs)
        self.keep_settings(**sizes, prior_expert=prior_expert)
        self.num_components, self.condition_dim = num_components, beta_dim
        self.prior_expert = prior_expert
        self.d_head = ComponentHead(z_dim, num_components)
        self.beta_head = GaussianHead(HIDDEN + num_components, beta_dim)
        self.mixture_prior = MixturePrior(beta_dim, z_dim, num_components)

    def beta_factors(self, h: Tensor, z: Tensor | None = None) -> DiagonalGaussian:
        if z is None or self.local_posterior == "given_beta":  # beta is inferred before d: π is uniform
            pi = h.new_full((*h.shape[:2], self.num_components), 1 / self.num_components)
        else:
            pi = self.d_head(z).softmax(-1)
        return self._factors(h, pi)

    def _factors(self, h: Tensor, pi: Tensor) -> DiagonalGaussian:
        return self.beta_head(torch.cat([h, pi.to(h.dtype)], -1))

    def _bound(self, images: Tensor, mask: Tensor | None = None, halves: bool = False) -> Bound:
        h = self.encode(images, mask)
        beta_first = self.local_posterior == "given_beta"
        if beta_first:
            beta, kl_beta = sample_beta(self.beta_factors(h), self.prior_expert, self.span_devices, mask, halves)
        q_z = self.q_z(h, beta if beta_first else None)
        z = q_z.sample()
        logits = self.d_head(z)
        pi = logits.softmax(-1)
        if not beta_first:
            beta, kl_beta = sample_beta(self._factors(h, pi), self.prior_expert, self.span_devices, mask, halves)
        terms = {
            "reconstruction": self.log_likelihood(images, z, beta),
            "kl_z": mixture_kl(q_z, self.prior(beta), pi),
            "kl_d": kl_uniform(logits),
            "kl_beta": kl_beta,
        }
        return Bound(terms, self.dependence(z, beta, mask), mask)

    def posterior(self, h: Tensor, mask: Tensor | None = None) -> Posterior:
        if self.local_posterior == "given_beta":
            q_beta = self.q_beta(h, mask=mask)
            q_z = self.q_z(h, q_beta.mean)
            return Posterior(q_z, self.d_head(q_z.mean).softmax(-1), q_beta)
        q_z = self.q_z(h)
        pi = self.d_head(q_z.mean).softmax(-1)
        return Posterior(q_z, pi, product_of_gaussians(self._factors(h, pi), self.prior_expert, mask))

    def prior(self, beta: Tensor) -> DiagonalGaussian:
        """Global latent ``(G, beta_dim)`` to the components of p(z | beta), a Gaussian ``(G, K, z_dim)``."""
        return self.mixture_prior(beta)

    def sample_z(self, groups: int, group_size: int, d: Tensor, beta: Tensor) -> Tensor:
        return take_components(self.prior(beta), d).sample()

    def _log_prior(self, z: Tensor, h: Tensor, beta: Tensor) -> Tensor:
        return mixture_log_prob(z, self.prior(beta))
