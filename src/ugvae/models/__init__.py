"""The models."""

from ugvae.models.base import GroupVAE
from ugvae.models.beta_vae import BetaVAE
from ugvae.models.bound import ELBO, Posterior
from ugvae.models.gmvae import GMVAE
from ugvae.models.mlvae import MLVAE
from ugvae.models.nested_vae import NestedVAE
from ugvae.models.ugvae import UGVAE
from ugvae.models.vae import VAE

__all__ = ["ELBO", "GMVAE", "MLVAE", "UGVAE", "VAE", "BetaVAE", "GroupVAE", "NestedVAE", "Posterior"]
