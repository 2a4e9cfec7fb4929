"""What the images of a group share: beta, and its term of the bound. Axes: G groups, B images, R ranks, D beta_dim."""

import torch
from torch import Tensor

from datamodules.samplers import distributed_rank
from ugvae.distributions import DiagonalGaussian, kl_standard_normal, product_of_gaussians
from ugvae.ranks import gather


def sample_shared(factors: DiagonalGaussian, prior_expert: bool, span: bool) -> tuple[Tensor, Tensor]:
    """Samples beta from the product of the factors of a group's images.

    A group that spans the ranks has R·B images, B on each rank. The product over them is the product of the ranks'
    products, so the ranks exchange one Gaussian per group, with gradients; the noise is that of the first rank.

    Args:
        factors: one Gaussian per image of this rank, ``(G, B, D)``.
        prior_expert: multiply by N(0, I) too, once.
        span: the groups span the ranks; a collective call then.

    Returns:
        beta ``(G, D)``, the same on all ranks of a group, and KL(q(beta | X, Z) ‖ N(0, I)) in nats ``(G,)``: where the
        group spans R ranks, this rank's share of it, one R-th, so that the ranks' bounds sum to that of the group.
    """
    num_ranks = distributed_rank()[1] if span else 1
    if num_ranks == 1:
        q_beta = product_of_gaussians(factors, prior_expert)
        return q_beta.sample(), kl_standard_normal(q_beta)
    part = product_of_gaussians(factors)
    everything = gather(torch.cat([*part, torch.randn_like(part.mean)], -1)).transpose(0, 1)  # (G, R, 3 D)
    mean, log_var, noise = everything.chunk(3, -1)
    q_beta = product_of_gaussians(DiagonalGaussian(mean, log_var), prior_expert)
    beta = torch.addcmul(q_beta.mean, q_beta.std, noise[:, 0].detach())
    return beta, kl_standard_normal(q_beta) / num_ranks
