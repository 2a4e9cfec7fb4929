"""The Neural Statistician (Edwards & Storkey 2017, arXiv:1606.02185). Axes: G groups, B images per group."""

from typing import ClassVar, Literal

from jsonargparse.typing import PositiveInt
from torch import Tensor, nn

from ugvae.distributions import (
    DiagonalGaussian,
    kl_gaussians,
    mixture_log_prob,
    take_components,
)
from ugvae.errors import check_counts
from ugvae.models.base import BaseVAE, ImageShape
from ugvae.models.bound import Bound, Posterior, draw_beta
from ugvae.networks.heads import HIDDEN, GaussianHead, MixturePrior


class NeuralStatistician(BaseVAE):
    """The context of a group, by a network that pools statistics of its images, drives the prior of their latents.

    Generative model of one group (theirs in brackets): beta ~ N(0, I), the context [c];
    z_i | beta ~ N(m(beta), diag s²(beta)) [z]; x_i | z_i, beta ~ N(decoder([z_i, beta]), x_std² I). It is that of
    ``UGVAE`` with a single component, K = 1, and the same network for it, whose variances lie in [1/e, e].

    Variational family: q(beta | X) = N(statistic_network(1/B Σ_i h_i)), the statistic network after mean pooling;
    q(z_i | x_i, beta) Gaussian.

    Bound: Σ_i [log p(x_i | z_i, beta) − KL(q(z_i | x_i, beta) ‖ p(z_i | beta))]
    − KL(q(beta | X) ‖ N(0, I)).

    What is simplified: one stochastic layer of z, where they stack several; images pass the pre-encoder of all models
    before pooling, and one hidden layer after it; no dropout of images within a group, and no weight of the
    reconstruction that falls over the epochs. Their groups share a label; here they are those of the data.

    Args:
        image_shape: (C, H, W); the command line takes it from the data.
        z_dim: dimensions of the local latent.
        beta_dim: dimensions of the context.
        local_posterior: ``given_beta`` is the paper's here.
    """

    family = "grouped"
    can_span: ClassVar[bool] = False

    def __init__(
        self,
        image_shape: ImageShape,
        z_dim: PositiveInt = 10,
        beta_dim: PositiveInt = 20,
        local_posterior: Literal["given_x", "given_beta"] = "given_beta",
        **kwargs,
    ) -> None:
        check_counts(beta_dim=beta_dim)
        super().__init__(image_shape, z_dim, beta_dim, local_posterior=local_posterior, **kwargs)
        self.keep_settings(beta_dim=beta_dim)
        self.num_components, self.condition_dim = 1, beta_dim
        self.statistic_network = nn.Sequential(nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), GaussianHead(HIDDEN, beta_dim))
        self.mixture_prior = MixturePrior(beta_dim, z_dim, 1)

    def q_beta(self, h: Tensor, z: Tensor | None = None, mask: Tensor | None = None) -> DiagonalGaussian:
        if mask is None:
            return self.statistic_network(h.mean(1))
        count = mask.sum(1, keepdim=True).clamp(min=1)  # the empty half of a group has statistics of 0
        return self.statistic_network(h.masked_fill(~mask.unsqueeze(-1), 0.0).sum(1) / count)

    def _bound(self, images: Tensor, mask: Tensor | None = None, halves: bool = False) -> Bound:
        h = self.encode(images, mask)
        beta, kl_beta = draw_beta(self.q_beta(h, mask=mask), mask, halves)
        q_z = self.q_z(h, beta)
        z = q_z.sample()
        terms = {
            "reconstruction": self.log_likelihood(images, z, beta),
            "kl_z": kl_gaussians(q_z, self.prior(beta)),
            "kl_beta": kl_beta,
        }
        return Bound(terms, self.dependence(z, beta, mask), mask)

    def posterior(self, h: Tensor, mask: Tensor | None = None) -> Posterior:
        q_beta = self.q_beta(h, mask=mask)
        return Posterior(self.q_z(h, q_beta.mean), h.new_ones(*h.shape[:2], 1), q_beta)

    def prior(self, beta: Tensor) -> DiagonalGaussian:
        """Context ``(G, beta_dim)`` to p(z | beta), a Gaussian ``(G, 1, z_dim)``: a mixture of one component."""
        return self.mixture_prior(beta)

    def sample_z(self, groups: int, group_size: int, d: Tensor, beta: Tensor) -> Tensor:
        return take_components(self.prior(beta), d).sample()

    def _log_prior(self, z: Tensor, h: Tensor, beta: Tensor) -> Tensor:
        return mixture_log_prob(z, self.prior(beta))
