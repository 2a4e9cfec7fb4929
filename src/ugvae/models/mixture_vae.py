"""What the VAEs share whose prior is a mixture that nothing drives: no beta, no w.

Axes: G groups, B images per group, K components.
"""

from abc import abstractmethod

from torch import Tensor

from ugvae.distributions import DiagonalGaussian, component_kl, kl_uniform, mixture_log_prob
from ugvae.models.base import BaseVAE
from ugvae.models.bound import Bound, Posterior


class MixtureVAE(BaseVAE):
    """A mixture of K Gaussians as the prior of z, the same for every image. A subclass says what the components are.

    Generative model of one image: d_i ~ Cat(1/K); z_i | d_i = k ~ p_k = N(m_k, diag s_k²);
    x_i | z_i ~ N(decoder(z_i), x_std² I).

    Variational family: q(z_i | x_i) q(d_i | x_i) with a Gaussian q(z_i | x_i), and q(d_i | x_i) = Cat(π_i) exactly
    where the bound is highest: π_ik ∝ exp(−KL(q(z_i | x_i) ‖ p_k)). A network q(d | z) could only come close to it.

    Bound, d summed out: Σ_i [log p(x_i | z_i) − Σ_k π_ik KL(q(z_i | x_i) ‖ p_k) − KL(π_i ‖ uniform)]. At these π the
    two KL terms add up to −log Σ_k exp(−KL(q(z_i | x_i) ‖ p_k)) / K, which is at least KL(q(z_i | x_i) ‖ Σ_k p_k / K).

    A subclass sets ``num_components``, K, and has no global latent (``beta_dim`` 0).
    """

    @abstractmethod
    def components(self) -> DiagonalGaussian:
        """The components p_k of the prior, a Gaussian ``(K, z_dim)``."""

    def prior(self, condition: Tensor) -> DiagonalGaussian:
        """The components under every condition ``(N, 0)``: the same, a Gaussian ``(N, K, z_dim)``."""
        return DiagonalGaussian(*(part.expand(len(condition), -1, -1) for part in self.components()))

    def features_and_components(self, images: Tensor, mask: Tensor | None = None) -> tuple[Tensor, DiagonalGaussian]:
        """Features h ``(G, B, 256)`` of float images ``(G, B, C, H, W)``, and the components ``(K, z_dim)``."""
        return self.encode(images, mask), self.components()

    def _bound(self, images: Tensor, mask: Tensor | None = None) -> Bound:
        h, components = self.features_and_components(images, mask)
        q_z = self.z_head(h)
        kl = component_kl(q_z, components)
        terms = {
            "reconstruction": self.log_likelihood(images, q_z.sample()),
            "kl_z": ((-kl).softmax(-1) * kl).sum(-1),
            "kl_d": kl_uniform(-kl),
        }
        return Bound(terms, mask=mask)

    def posterior(self, h: Tensor, mask: Tensor | None = None) -> Posterior:
        q_z = self.z_head(h)
        return Posterior(q_z, (-component_kl(q_z, self.components())).softmax(-1))

    def sample_z(self, groups: int, group_size: int, d: Tensor, beta: None) -> Tensor:
        mean, log_var = self.components()
        return DiagonalGaussian(mean[d], log_var[d]).sample()

    def _log_prior(self, z: Tensor, h: Tensor, beta: None) -> Tensor:
        return mixture_log_prob(z, self.components())
