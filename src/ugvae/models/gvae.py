"""The group-based VAE (Hosoya 2019, arXiv:1809.02383). Axes: G groups, B images per group."""

from typing import ClassVar

from torch import Tensor

from ugvae.distributions import DiagonalGaussian, average_of_gaussians
from ugvae.models.bound import draw_beta
from ugvae.models.mlvae import ContentVAE


class GVAE(ContentVAE):
    """ML-VAE with the *average* of the images' codes for the content of their group, not their product.

    Generative model of one group: beta ~ N(0, I), the content; z_i ~ N(0, I), the style of an image (Hosoya's
    "transformation"); x_i | z_i, beta ~ N(decoder([z_i, beta]), x_std² I).

    Variational family: q(z_i | x_i) Gaussian; q(beta | X) = N(1/B Σ_i mean_i, diag 1/B Σ_i variance_i), of the code of
    image i, from h_i. As in the authors' released code it is the variances that are averaged, not their logarithms. So
    q(beta | X) does not sharpen with the size of the group, as a product does.

    Bound: Σ_i [log p(x_i | z_i, beta) − KL(q(z_i | x_i) ‖ N(0, I))] − KL(q(beta | X) ‖ N(0, I)).

    Its own paper groups images by a label (``data.grouping: attribute``), three of an object; here the groups are those
    of the data, random ones by default. Their networks, of their own for content and style, are those of all models
    here: one pre-encoder, and a head for each.

    Args:
        image_shape: (C, H, W); the command line takes it from the data.
        z_dim: dimensions of the style.
        beta_dim: dimensions of the content.
    """

    can_span: ClassVar[bool] = False

    def q_beta(self, h: Tensor, z: Tensor | None = None, mask: Tensor | None = None) -> DiagonalGaussian:
        return average_of_gaussians(self.beta_factors(h), mask)

    def sample_beta(self, h: Tensor, mask: Tensor | None, halves: bool) -> tuple[Tensor, Tensor]:
        return draw_beta(self.q_beta(h, mask=mask), mask, halves)
