"""The models."""

from ugvae.models.base import BaseVAE
from ugvae.models.beta_vae import BetaVAE
from ugvae.models.bound import Bound, Posterior
from ugvae.models.gmm_prior_vae import GMMPriorVAE
from ugvae.models.gmvae import GMVAE
from ugvae.models.mlvae import MLVAE
from ugvae.models.nested_vae import NestedVAE
from ugvae.models.ugvae import UGVAE
from ugvae.models.vae import VAE
from ugvae.models.vamp_prior_vae import VampPriorVAE

__all__ = [
    "GMVAE",
    "MLVAE",
    "UGVAE",
    "VAE",
    "BaseVAE",
    "BetaVAE",
    "Bound",
    "GMMPriorVAE",
    "NestedVAE",
    "Posterior",
    "VampPriorVAE",
]
