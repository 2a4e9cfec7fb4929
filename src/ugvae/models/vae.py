"""The variational autoencoder (Kingma & Welling 2014, arXiv:1312.6114). Axes: G groups, B images per group."""

from jsonargparse.typing import PositiveInt
from torch import Tensor

from ugvae.distributions import kl_standard_normal
from ugvae.models.base import BaseVAE, ImageShape
from ugvae.models.bound import Bound, Posterior


class VAE(BaseVAE):
    """Local latents with a standard normal prior, and nothing that a group shares.

    Generative model of one image: z_i ~ N(0, I); x_i | z_i ~ N(decoder(z_i), x_std² I).

    Variational family: q(z_i | x_i) Gaussian.

    Bound (Kingma & Welling 2014, eq. 3), of a group of independent images:
    Σ_i [log p(x_i | z_i) − KL(q(z_i | x_i) ‖ N(0, I))].

    Args:
        image_shape: (C, H, W); the command line takes it from the data.
        z_dim: dimensions of the local latent.
    """

    def __init__(self, image_shape: ImageShape, z_dim: PositiveInt = 10, **kwargs) -> None:
        super().__init__(image_shape, z_dim, 0, **kwargs)

    def _bound(self, images: Tensor, mask: Tensor | None = None) -> Bound:
        q_z = self.z_head(self.encode(images, mask))
        reconstruction = self.log_likelihood(images, q_z.sample())
        return Bound({"reconstruction": reconstruction, "kl_z": kl_standard_normal(q_z)}, mask=mask)

    def posterior(self, h: Tensor, mask: Tensor | None = None) -> Posterior:
        return Posterior(self.z_head(h))
