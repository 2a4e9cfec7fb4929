"""The VAE with a learned Gaussian mixture as its prior, as in VaDE (Jiang et al. 2017, arXiv:1611.05148).

Axes: K components.
"""

import torch
from jsonargparse.typing import PositiveInt
from torch import nn

from ugvae.distributions import DiagonalGaussian
from ugvae.errors import check_counts
from ugvae.models.base import ImageShape
from ugvae.models.mixture_vae import MixtureVAE


class GMMPriorVAE(MixtureVAE):
    """A learned mixture of K Gaussians as the prior of z: what a mixture does without a global latent.

    Generative model of one image (Jiang et al. 2017, section 3; theirs in brackets): d_i ~ Cat(1/K) [c];
    z_i | d_i = k ~ N(m_k, diag s_k²); x_i | z_i ~ N(decoder(z_i), x_std² I). m_k and s_k are parameters. s_k² stays
    within [1/e, e], as in ``UGVAE``; since the scale of z is free, that bounds the ratio of two components alone.

    Variational family and bound: those of ``MixtureVAE``. Its π_i are the mean-field optimum of Johnson et al. (2016,
    arXiv:1603.06277), q(d_i) ∝ exp(E_q[log p(z_i, d_i)]), with the encoder in the place of their optimal q(z_i).
    VaDE puts p(d_i | z_i) of one sample z_i into the same terms, which gives a bound that is lower or the same.

    With K = 1 it is ``VAE``: term by term where the component is N(0, I), as at the start; and up to an affine map of
    z, which the first layer of the decoder and the last of the encoder can undo, wherever it moves.

    Args:
        image_shape: (C, H, W); the command line takes it from the data.
        z_dim: dimensions of the local latent.
        num_components: K.
    """

    def __init__(
        self, image_shape: ImageShape, z_dim: PositiveInt = 10, num_components: PositiveInt = 10, **kwargs
    ) -> None:
        check_counts(num_components=num_components)
        super().__init__(image_shape, z_dim, 0, **kwargs)
        self.keep_settings(num_components=num_components)
        self.num_components = num_components
        means = torch.randn(num_components, z_dim)
        self.prior_mean = nn.Parameter(means - means.mean(0))  # a single component starts at 0
        self.prior_log_var = nn.Parameter(torch.zeros(num_components, z_dim))

    def components(self) -> DiagonalGaussian:
        return DiagonalGaussian(self.prior_mean, self.prior_log_var.tanh())
