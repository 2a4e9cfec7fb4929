"""The β-VAE (Higgins et al. 2017, ICLR). Axes: G groups."""

from jsonargparse.typing import NonNegativeFloat, PositiveInt
from torch import Tensor

from ugvae.errors import check_not_negative
from ugvae.models.base import ImageShape
from ugvae.models.bound import Bound
from ugvae.models.vae import VAE


class BetaVAE(VAE):
    """A VAE trained with a heavier KL term, so that its dimensions share less.

    Generative model and variational family: those of ``VAE``.

    Objective (Higgins et al. 2017, eq. 4): Σ_i [log p(x_i | z_i) − β KL(q(z_i | x_i) ‖ N(0, I))]. It is what training
    maximises; ``elbo`` reports the terms unweighted, and its total is the bound on log p(x) for every β. β = 1 is
    ``VAE``. This β is a number and has nothing to do with ``beta``, the global latent of other models.

    Args:
        image_shape: (C, H, W); the command line takes it from the data.
        z_dim: dimensions of the local latent.
        beta: weight of the KL term, β ≥ 0.
    """

    def __init__(
        self, image_shape: ImageShape, z_dim: PositiveInt = 10, beta: NonNegativeFloat = 10.0, **kwargs
    ) -> None:
        check_not_negative(beta=beta)
        super().__init__(image_shape, z_dim, **kwargs)
        self.keep_settings(beta=beta)
        self.beta = beta

    def objective(self, bound: Bound) -> Tensor:
        return bound.weighted(kl_z=self.beta).total
