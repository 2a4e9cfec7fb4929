"""Small UG-VAEs, with images and noise to fit. Axes: G groups, B images, K components."""

import torch
from torch import Tensor

from tests.helpers.reference import fixed_noise
from ugvae.models import UGVAE, Bound

G, B, Z, BETA, K = 2, 3, 3, 4, 5
SHAPES = {"mlp": (2, 5, 7), "conv": (2, 16, 16)}
BACKBONES = [("mlp", "batch"), ("conv", "batch"), ("conv", "group"), ("conv", "none")]


def make(backbone: str = "mlp", double: bool = True, **settings) -> UGVAE:
    """A small model in eval mode; a BatchNorm has seen some images, so that its statistics matter."""
    settings = {"z_dim": Z, "beta_dim": BETA, "num_components": K, **settings}
    model = UGVAE(SHAPES[backbone], backbone=backbone, **settings)
    model.to(torch.float64 if double else torch.float32)
    with torch.no_grad():
        model.elbo(make_images(model, 2, 16))
    return model.eval()


def make_images(model: UGVAE, groups: int = G, size: int = B) -> Tensor:
    return torch.rand(groups, size, *model.image_shape, dtype=model.dtype)


def make_noise(model: UGVAE, groups: int = G, size: int = B) -> tuple[Tensor, Tensor]:
    draw = torch.randn(groups, size, model.z_dim, dtype=model.dtype)
    return draw, torch.randn(groups, model.beta_dim, dtype=model.dtype)


def elbo_with(model: UGVAE, images: Tensor, noise: tuple[Tensor, Tensor]) -> Bound:
    with fixed_noise(*noise):
        return model.elbo(images)
