"""The models."""

from ugvae.models.base import ELBO, GroupVAE, Posterior
from ugvae.models.ugvae import UGVAE

__all__ = ["ELBO", "UGVAE", "GroupVAE", "Posterior"]
