"""The models."""

from ugvae.models.base import BaseVAE
from ugvae.models.beta_vae import BetaVAE
from ugvae.models.bound import Bound, Posterior
from ugvae.models.gmvae import GMVAE
from ugvae.models.mlvae import MLVAE
from ugvae.models.nested_vae import NestedVAE
from ugvae.models.ugvae import UGVAE
from ugvae.models.vae import VAE

__all__ = ["GMVAE", "MLVAE", "UGVAE", "VAE", "BaseVAE", "BetaVAE", "Bound", "NestedVAE", "Posterior"]
