"""The models."""

from ugvae.models.ada import AdaGVAE, AdaMLVAE
from ugvae.models.base import BaseVAE
from ugvae.models.beta_vae import BetaVAE
from ugvae.models.bound import Bound, Posterior
from ugvae.models.gmm_prior_vae import GMMPriorVAE
from ugvae.models.gmvae import GMVAE
from ugvae.models.gvae import GVAE
from ugvae.models.mlvae import MLVAE
from ugvae.models.nested_vae import NestedVAE
from ugvae.models.neural_statistician import NeuralStatistician
from ugvae.models.ugvae import UGVAE
from ugvae.models.vae import VAE
from ugvae.models.vamp_prior_vae import VampPriorVAE

__all__ = [
    "GMVAE",
    "GVAE",
    "MLVAE",
    "UGVAE",
    "VAE",
    "AdaGVAE",
    "AdaMLVAE",
    "BaseVAE",
    "BetaVAE",
    "Bound",
    "GMMPriorVAE",
    "NestedVAE",
    "NeuralStatistician",
    "Posterior",
    "VampPriorVAE",
]
