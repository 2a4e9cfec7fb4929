"""The Multi-Level VAE (Bouchacourt, Tomioka, Nowozin 2018, arXiv:1705.08841). Axes: G groups, B images per group."""

from abc import abstractmethod

from jsonargparse.typing import PositiveInt
from torch import Tensor

from ugvae.distributions import DiagonalGaussian, kl_standard_normal
from ugvae.errors import check_counts
from ugvae.models.base import BaseVAE, ImageShape
from ugvae.models.bound import Bound, Posterior, sample_beta
from ugvae.networks.heads import HIDDEN, GaussianHead


class ContentVAE(BaseVAE):
    """A content that a group of images shares, beta, and a style of each image, z, both standard normal.

    A subclass says how the content of a group is inferred.

    Args:
        image_shape: (C, H, W); the command line takes it from the data.
        z_dim: dimensions of the style.
        beta_dim: dimensions of the content.
    """

    family = "grouped"

    def __init__(self, image_shape: ImageShape, z_dim: PositiveInt = 10, beta_dim: PositiveInt = 20, **kwargs) -> None:
        check_counts(beta_dim=beta_dim)
        super().__init__(image_shape, z_dim, beta_dim, **kwargs)
        self.keep_settings(beta_dim=beta_dim)
        self.beta_head = GaussianHead(HIDDEN, beta_dim)

    @abstractmethod
    def sample_beta(self, h: Tensor, mask: Tensor | None, halves: bool) -> tuple[Tensor, Tensor]:
        """A sample of q(beta | X), ``(G, beta_dim)``, and its KL in nats, ``(G,)``; arguments as in ``draw_beta``."""

    def beta_factors(self, h: Tensor, z: Tensor | None = None) -> DiagonalGaussian:
        return self.beta_head(h)

    def _bound(self, images: Tensor, mask: Tensor | None = None, halves: bool = False) -> Bound:
        h = self.encode(images, mask)
        if self.local_posterior == "given_beta":
            beta, kl_beta = self.sample_beta(h, mask, halves)
            q_z = self.q_z(h, beta)
            z = q_z.sample()
        else:
            q_z = self.q_z(h)
            z = q_z.sample()
            beta, kl_beta = self.sample_beta(h, mask, halves)
        reconstruction = self.log_likelihood(images, z, beta)
        terms = {"reconstruction": reconstruction, "kl_z": kl_standard_normal(q_z), "kl_beta": kl_beta}
        return Bound(terms, self.dependence(z, beta, mask), mask)

    def posterior(self, h: Tensor, mask: Tensor | None = None) -> Posterior:
        q_beta = self.q_beta(h, mask=mask)
        return Posterior(self.q_z(h, q_beta.mean), beta=q_beta)


class MLVAE(ContentVAE):
    """A content that a group of images shares, and a style of each image, both standard normal: UG-VAE without d.

    Generative model of one group: beta ~ N(0, I), the content; z_i ~ N(0, I), the style;
    x_i | z_i, beta ~ N(decoder([z_i, beta]), x_std² I).

    Variational family: q(z_i | x_i) Gaussian; q(beta | X) ∝ Π_i q(beta | x_i), the product of one Gaussian factor per
    image (Bouchacourt et al. 2018, eq. 4-5), from h_i.

    Bound (eq. 3): Σ_i [log p(x_i | z_i, beta) − KL(q(z_i | x_i) ‖ N(0, I))] − KL(q(beta | X) ‖ N(0, I)).

    Its own paper groups images by a label (``data.grouping: attribute``); the UG-VAE paper trains it on random groups
    (Fig. 4 and 11), the default here too.

    Args:
        image_shape: (C, H, W); the command line takes it from the data.
        z_dim: dimensions of the style.
        beta_dim: dimensions of the content.
        prior_expert: multiply N(0, I) into the product of factors; the paper does not.
    """

    def __init__(
        self,
        image_shape: ImageShape,
        z_dim: PositiveInt = 10,
        beta_dim: PositiveInt = 20,
        prior_expert: bool = False,
        **kwargs,
    ) -> None:
        super().__init__(image_shape, z_dim, beta_dim, **kwargs)
        self.keep_settings(prior_expert=prior_expert)
        self.prior_expert = prior_expert

    def sample_beta(self, h: Tensor, mask: Tensor | None, halves: bool) -> tuple[Tensor, Tensor]:
        return sample_beta(self.beta_factors(h), self.prior_expert, self.span_devices, mask, halves)
