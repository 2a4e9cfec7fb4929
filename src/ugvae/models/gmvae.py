"""The Gaussian-mixture VAE (Dilokthanakul et al. 2016, arXiv:1611.02648).

Axes: G groups, B images per group, N = G·B images, K components.
"""

from jsonargparse.typing import PositiveInt
from torch import Tensor

from ugvae.distributions import (
    DiagonalGaussian,
    component_log_prob,
    kl_standard_normal,
    kl_uniform,
    mixture_kl,
    mixture_log_prob,
    standard_normal_log_prob,
    take_components,
)
from ugvae.errors import check_counts
from ugvae.models.base import BaseVAE, ImageShape
from ugvae.models.bound import Bound, Posterior
from ugvae.networks.heads import HIDDEN, GaussianHead, MixturePrior


class GMVAE(BaseVAE):
    """A mixture prior over local latents, driven by a noise variable of each image: UG-VAE for groups of one image.

    Generative model of one image (Dilokthanakul et al. 2016, eq. 1; theirs in brackets): w_i ~ N(0, I) [w];
    d_i ~ Cat(1/K) [z]; z_i | d_i = k, w_i ~ N(m_k(w_i), diag s_k²(w_i)) [x]; x_i | z_i ~ N(decoder(z_i), x_std² I) [y].

    Variational family (eq. 3): q(z_i | x_i) and q(w_i | x_i) Gaussian, and the exact p(d_i | z_i, w_i) by Bayes,
    π_ik ∝ N(z_i; m_k(w_i), s_k²(w_i)). A network q(d | z), as in ``UGVAE``, could only come close to it, and would be
    blind to w; the exact posterior costs one product that the bound needs anyway.

    Bound (eq. 4-5), d summed out: Σ_i [log p(x_i | z_i) − Σ_k π_ik KL(q(z_i | x_i) ‖ p(z | k, w_i))
    − KL(π_i ‖ uniform) − KL(q(w_i | x_i) ‖ N(0, I))]: the paper's reconstruction, conditional prior, z-prior and
    w-prior terms. π is taken at the sampled z and w, the KL in closed form; that is still a lower bound, since
    Σ_k π_k KL(q ‖ p_k) + KL(π ‖ uniform) ≥ KL(q ‖ Σ_k p_k / K) for any π. The paper's remedy against a collapse of
    the clusters, a floor under the z-prior term, is left out.

    Args:
        image_shape: (C, H, W); the command line takes it from the data.
        z_dim: dimensions of the local latent.
        w_dim: dimensions of the noise.
        num_components: K.
    """

    def __init__(
        self,
        image_shape: ImageShape,
        z_dim: PositiveInt = 10,
        w_dim: PositiveInt = 20,
        num_components: PositiveInt = 10,
        **kwargs,
    ) -> None:
        sizes = {"w_dim": w_dim, "num_components": num_components}
        check_counts(**sizes)
        super().__init__(image_shape, z_dim, 0, **kwargs)
        self.keep_settings(**sizes)
        self.num_components, self.condition_dim = num_components, w_dim
        self.w_head = GaussianHead(HIDDEN, w_dim)
        self.mixture_prior = MixturePrior(w_dim, z_dim, num_components)

    def prior(self, w: Tensor) -> DiagonalGaussian:
        """Noise ``(N, w_dim)`` to the components of p(z | w), a Gaussian ``(N, K, z_dim)``."""
        return self.mixture_prior(w)

    def _bound(self, images: Tensor, mask: Tensor | None = None) -> Bound:
        h = self.encode(images, mask)
        q_z, q_w = self.z_head(h), self.w_head(h)
        z = q_z.sample()
        components = self.prior(q_w.sample().flatten(0, 1))
        logits = component_log_prob(as_groups_of_one(z), components)  # of π: the prior of d is uniform
        kl_z = mixture_kl(DiagonalGaussian(*map(as_groups_of_one, q_z)), components, logits.softmax(-1))
        return Bound(
            {
                "reconstruction": self.log_likelihood(images, z),
                "kl_z": kl_z.view(images.shape[:2]),
                "kl_d": kl_uniform(logits).view(images.shape[:2]),
                "kl_w": kl_standard_normal(q_w),
            },
            mask=mask,
        )

    def posterior(self, h: Tensor, mask: Tensor | None = None) -> Posterior:
        q_z = self.z_head(h)
        components = self.prior(self.w_head(h).mean.flatten(0, 1))
        pi = component_log_prob(as_groups_of_one(q_z.mean), components).softmax(-1)
        return Posterior(q_z, pi.view(*h.shape[:2], -1))

    def sample_z(self, groups: int, group_size: int, d: Tensor, beta: None) -> Tensor:
        components = self.prior(self.standard_normal(groups * group_size, self.condition_dim))
        return take_components(components, d.view(-1, 1)).sample().view(groups, group_size, self.z_dim)

    def _log_prior(self, z: Tensor, h: Tensor, beta: None) -> Tensor:
        q_w = self.w_head(h)
        w = q_w.sample()
        log_prior = mixture_log_prob(as_groups_of_one(z), self.prior(w.flatten(0, 1))).view(z.shape[:2])
        return log_prior + standard_normal_log_prob(w) - q_w.log_prob(w)


def as_groups_of_one(value: Tensor) -> Tensor:
    """``(G, B, D)`` to ``(G·B, 1, D)``, since each image has a mixture of its own here."""
    return value.flatten(0, 1).unsqueeze(1)
