"""The importance-weighted bound on the log-likelihood of groups (Burda, Grosse, Salakhutdinov 2016, arXiv:1509.00519).

Axes: G groups, B images per group, S draws per group, T draws per image.
"""

import math

import torch
from torch import Tensor

from ugvae.models.base import GroupVAE


@torch.no_grad()
def importance_weighted_bound(
    model: GroupVAE, images: Tensor, group_samples: int = 10, image_samples: int = 50, images_per_chunk: int = 8192
) -> Tensor:
    """A lower bound on log p(X) of each group, d summed out, tighter with more draws.

    For s = 1 … S: Z⁰ ~ q(Z | X), beta_s ~ q(beta | X, Z⁰), then T fresh z_it ~ q(z | x_i) per image;
    logmeanexp_s [log p(beta_s) − log q(beta_s | X, Z⁰) + Σ_i logmeanexp_t (log p(x_i | z_it, beta_s)
    + log p(z_it | beta_s) − log q(z_it | x_i))]. What stands inside the outer logarithm has mean p(X).

    The images of a model without a global latent are independent, so all S·T draws go to each image:
    Σ_i logmeanexp over S·T. That is as much computation, and the tighter bound.

    Args:
        model: in eval mode.
        images: float ``(G, B, C, H, W)`` in [0, 1].
        group_samples: S.
        image_samples: T.
        images_per_chunk: images decoded at once, which bounds the memory.

    Returns:
        nats per group, ``(G,)``.

    Raises:
        ValueError: S or T below 1, or wrong images.
    """
    if group_samples < 1 or image_samples < 1:
        raise ValueError(f"samples: expected S, T ≥ 1, got {group_samples}, {image_samples}")
    model.check_images(images)
    if not model.beta_dim:
        group_samples, image_samples = 1, group_samples * image_samples
    total = images.new_full(images.shape[:1], -math.inf)
    chunk = max(1, images_per_chunk // (images.shape[0] * images.shape[1]))
    for _ in range(group_samples):
        draw = model.draw_global(images)
        per_image = images.new_full(images.shape[:2], -math.inf)
        for start in range(0, image_samples, chunk):
            weights = model.local_log_weights(images, draw, min(chunk, image_samples - start))
            per_image = torch.logaddexp(per_image, weights.logsumexp(1))
        per_group = draw.log_weight + (per_image - math.log(image_samples)).sum(-1)
        total = torch.logaddexp(total, per_group)
    return total - math.log(group_samples)
