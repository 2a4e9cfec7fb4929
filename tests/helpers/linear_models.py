"""Models made linear, whose log-likelihood has a closed form: ``make_linear``, and ``exact_log_likelihood`` of them.

Axes: B images of one group, C channels, H and W pixels.
"""

import itertools
import math

import torch
from torch import Tensor, nn
from torch.distributions import MultivariateNormal

from tests.helpers.reference import component_of
from tests.helpers.reference_models import mixture_components
from ugvae.models import BaseVAE
from ugvae.networks.heads import GaussianHead


@torch.no_grad()
def make_linear(model: BaseVAE) -> None:
    """Makes decoder and mixture prior linear, with random weights, and the posteriors wide enough to cover the exact.

    Component k is z ~ N(A_k c + a_k, diag s_k²), where c is beta or w: ReLU(c) and ReLU(−c) make c. A mixture that
    nothing drives stays as it is.
    """
    model.decoder = nn.Linear(model.z_dim + model.beta_dim, math.prod(model.image_shape)).to(model.dtype)
    nn.init.normal_(model.decoder.weight, std=0.5)

    def linear_decode(latent: Tensor) -> Tensor:
        return model.decoder(latent).unflatten(-1, model.image_shape)

    model._decode = linear_decode
    model.likelihood.mean = lambda logits: logits
    for head in (module for module in model.modules() if isinstance(module, GaussianHead)):
        head.bias[head.out_features // 2 :] = 1.0
    if model.condition_dim:
        prior, width = model.mixture_prior, model.condition_dim
        slopes = 0.5 * torch.randn(model.num_components, width, model.z_dim, dtype=model.dtype)
        hidden = torch.zeros(model.num_components, prior.weight.shape[1], width, dtype=model.dtype)
        hidden[:, :width], hidden[:, width : 2 * width] = torch.eye(width), -torch.eye(width)
        prior.hidden.weight.copy_(hidden.flatten(0, 1))
        prior.hidden.bias.zero_()
        prior.weight.zero_()
        prior.weight[:, :width, : model.z_dim], prior.weight[:, width : 2 * width, : model.z_dim] = slopes, -slopes
        nn.init.normal_(prior.bias)


@torch.no_grad()
def exact_log_likelihood(model: BaseVAE, images: Tensor) -> Tensor:
    """log p(X) of one group ``(B, C, H, W)`` under a linear model, by enumeration of every assignment of d."""
    if not model.beta_dim and len(images) > 1:
        return sum(exact_log_likelihood(model, image[None]) for image in images)
    weight, offset = model.decoder.weight, model.decoder.bias
    of_z, of_beta = weight[:, : model.z_dim], weight[:, model.z_dim :]
    noise = model.x_std**2 * torch.eye(len(weight), dtype=model.dtype)
    eye = torch.eye(model.beta_dim or model.condition_dim, dtype=model.dtype)
    parts = []  # of each component: mean, slope on beta or w, covariance given it
    for k in range(max(1, model.num_components)):
        slope = of_z.new_zeros(model.z_dim, len(eye))
        if model.condition_dim:
            mean, variance = component_of(model, k, eye.new_zeros(len(eye)))
            slope = torch.stack([component_of(model, k, axis)[0] - mean for axis in eye], 1)
        elif model.num_components:
            mean, variance = mixture_components(model)[k]
        else:
            mean, variance = of_z.new_zeros(model.z_dim), of_z.new_ones(model.z_dim)
        slope = of_z @ slope + (of_beta if model.beta_dim else 0)
        parts.append((of_z @ mean + offset, slope, of_z @ variance.diag() @ of_z.T + noise))
    values = []
    for d in itertools.product(parts, repeat=len(images)):
        means, slopes, covariances = zip(*d, strict=True)
        joint = torch.cat(slopes) @ torch.cat(slopes).T + torch.block_diag(*covariances)
        values.append(MultivariateNormal(torch.cat(means), joint).log_prob(images.flatten()))
    return torch.stack(values).logsumexp(0) - len(images) * math.log(len(parts))
