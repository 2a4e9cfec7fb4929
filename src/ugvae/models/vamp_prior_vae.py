"""The VAE with a VampPrior (Tomczak & Welling 2018, arXiv:1705.07120).

Axes: G groups, B images per group, K pseudo-inputs, C channels, H and W pixels.
"""

import torch
from jsonargparse.typing import PositiveInt
from torch import Tensor, nn

from ugvae.distributions import DiagonalGaussian
from ugvae.errors import check_counts
from ugvae.models.base import ImageShape
from ugvae.models.mixture_vae import MixtureVAE


class VampPriorVAE(MixtureVAE):
    """The average of the posteriors of K learned images, the pseudo-inputs, as the prior of z.

    Generative model of one image (Tomczak & Welling 2018, section 2): z_i ~ p(z) = Σ_k q(z | u_k) / K, with the encoder
    q of the model itself and pseudo-inputs u_k, which are parameters; x_i | z_i ~ N(decoder(z_i), x_std² I). So
    d_i ~ Cat(1/K) says which pseudo-input z_i comes from.

    Variational family: q(z_i | x_i) Gaussian; q(d_i | x_i) as in ``MixtureVAE``.

    Bound: that of ``MixtureVAE``, with p_k = q(z | u_k). The paper's has the log density of the mixture at one sample z
    in the place of the two KL terms: log q(z_i | x_i) − log p(z_i). It is higher on average, by
    E_q[KL(π_i ‖ p(d_i | z_i))], and noisier: terms of single images may be below 0. The
    importance-weighted bound uses the density of the mixture.

    Args:
        image_shape: (C, H, W); the command line takes it from the data.
        z_dim: dimensions of the local latent.
        num_pseudo_inputs: K; 500 in the paper. All of them are encoded in every step.
    """

    def __init__(
        self, image_shape: ImageShape, z_dim: PositiveInt = 10, num_pseudo_inputs: PositiveInt = 100, **kwargs
    ) -> None:
        check_counts(num_pseudo_inputs=num_pseudo_inputs)
        super().__init__(image_shape, z_dim, 0, **kwargs)
        self.keep_settings(num_pseudo_inputs=num_pseudo_inputs)
        self.num_components = num_pseudo_inputs
        self.pseudo_logits = nn.Parameter(torch.randn(num_pseudo_inputs, *self.image_shape))

    @property
    def pseudo_inputs(self) -> Tensor:
        """The pseudo-inputs u_k in [0, 1], ``(K, C, H, W)``."""
        return self.pseudo_logits.sigmoid()

    def components(self) -> DiagonalGaussian:
        return self.z_head(self.encoder(self.pseudo_inputs))

    def features_and_components(self, images: Tensor, mask: Tensor | None = None) -> tuple[Tensor, DiagonalGaussian]:
        """As in ``MixtureVAE``, in one pass: images and pseudo-inputs have the statistics of BatchNorm in common."""
        pseudo_inputs, groups = self.pseudo_inputs, images.shape[:2]
        together = torch.cat([images.flatten(0, 1), pseudo_inputs]).unsqueeze(0)
        if mask is not None:
            mask = torch.cat([mask.flatten(), mask.new_ones(self.num_components)]).unsqueeze(0)
        h, of_pseudo_inputs = self.encode(together, mask).squeeze(0).split([groups.numel(), self.num_components])
        return h.unflatten(0, groups), self.z_head(of_pseudo_inputs)
