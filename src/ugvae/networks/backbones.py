"""The two backbones of the paper's Table 2, and the choice of a backbone by its name.

Axes: N images (groups flattened), G groups, K components, C channels, H and W pixels.
"""

import itertools
import math

import torch
from torch import Tensor, nn

from ugvae.errors import ConfigError, check_choice, check_counts
from ugvae.networks.convolutions import SubPixelUpConv2d, UpConv2d, WholeConv2d, WholeConvTranspose2d
from ugvae.networks.heads import HIDDEN
from ugvae.networks.residual import ResidualDecoder, ResidualEncoder

WIDTH, DEPTH = 24, 1  # of the residual backbone, chosen by its cost (docs/performance.md)


def _norm(kind: str, channels: int) -> list[nn.Module]:
    if kind == "batch":
        return [nn.BatchNorm2d(channels)]
    if kind == "group":
        return [nn.GroupNorm(8, channels)]
    return []


def _conv_widths(image_shape: tuple[int, int, int]) -> list[int]:
    """Channels of the stride-2 stages that bring an image down to 4×4; 32, 32, 64, 64 at 64×64 (Table 2)."""
    _, height, width = image_shape
    stages = round(math.log2(max(height, 1) / 4))
    if height != width or stages < 1 or height != 4 * 2**stages:
        raise ConfigError(
            f"backbone: 'conv' needs square images of 8, 16, 32, 64, 128 … pixels, got {height}×{width}; "
            "set data.image_size to one of these, or backbone to 'mlp'"
        )
    return [32] * min(2, stages) + [64] * (stages - 2)


class MLPEncoder(nn.Sequential):
    """(N, C, H, W) to h (N, 256): Linear, ReLU."""

    def __init__(self, image_shape: tuple[int, int, int]) -> None:
        super().__init__(nn.Flatten(), nn.Linear(math.prod(image_shape), HIDDEN), nn.ReLU())

    @torch.no_grad()
    def start_at(self, mean_image: Tensor) -> None:
        """Moves the bias so that the layer takes images (C, H, W) as if the mean image had been subtracted."""
        _, layer, _ = self
        layer.bias -= layer.weight @ mean_image.flatten()


class MLPDecoder(nn.Sequential):
    """(N, latent_dim) to logits of the image mean (N, C, H, W): Linear, ReLU, Linear."""

    def __init__(self, image_shape: tuple[int, int, int], latent_dim: int) -> None:
        super().__init__(
            nn.Linear(latent_dim, HIDDEN),
            nn.ReLU(),
            nn.Linear(HIDDEN, math.prod(image_shape)),
            nn.Unflatten(-1, image_shape),
        )

    @torch.no_grad()
    def start_at(self, mean_image: Tensor) -> None:
        """Makes the last bias the logits of the mean image (C, H, W), whose pixels are kept from 0 and 1."""
        self[2].bias.copy_(mean_image.flatten().clamp(0.01, 0.99).logit())


class ConvEncoder(nn.Sequential):
    """(N, C, H, W) to h (N, 256): 4×4 convolutions of stride 2 down to 4×4, then one of stride 1; norm and ReLU."""

    def __init__(self, image_shape: tuple[int, int, int], norm: str) -> None:
        widths = [image_shape[0], *_conv_widths(image_shape)]
        layers: list[nn.Module] = []
        for inputs, outputs in itertools.pairwise(widths):
            layers += [nn.Conv2d(inputs, outputs, 4, 2, 1), *_norm(norm, outputs), nn.ReLU(inplace=True)]
        layers += [WholeConv2d(widths[-1], HIDDEN, 4), *_norm(norm, HIDDEN), nn.ReLU(), nn.Flatten()]
        super().__init__(*layers)
        self.to(memory_format=torch.channels_last)

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images.contiguous(memory_format=torch.channels_last))


class ConvDecoder(nn.Sequential):
    """(N, latent_dim) to logits of the image mean (N, C, H, W): the encoder's mirror, with ReLU and no norm."""

    def __init__(self, image_shape: tuple[int, int, int], latent_dim: int) -> None:
        widths = [*reversed(_conv_widths(image_shape)), image_shape[0]]
        layers: list[nn.Module] = [nn.Linear(latent_dim, HIDDEN), nn.ReLU(), nn.Unflatten(-1, (HIDDEN, 1, 1))]
        layers += [WholeConvTranspose2d(HIDDEN, widths[0], 4)]
        for inputs, outputs in itertools.pairwise(widths[:-1]):
            layers += [nn.ReLU(inplace=True), UpConv2d(inputs, outputs)]
        layers += [nn.ReLU(inplace=True), SubPixelUpConv2d(widths[-2], widths[-1])]
        super().__init__(*layers)
        self.to(memory_format=torch.channels_last)


def build_backbone(
    name: str, image_shape: tuple[int, int, int], latent_dim: int, norm: str, width: int = WIDTH, depth: int = DEPTH
) -> tuple[nn.Module, nn.Module]:
    """The pre-encoder and the decoder.

    Args:
        name: ``mlp`` or ``conv``, those of Table 2, or ``residual``.
        image_shape: (C, H, W).
        latent_dim: width of the decoder's input.
        norm: ``batch``, ``group`` or ``none``: the normalisation of the conv encoder.
        width: channels of the residual backbone at half the image's size.
        depth: residual blocks at a quarter and at an eighth of the image's size.

    Raises:
        ConfigError: unknown name or norm, an image size that the backbone cannot take, or a width or depth that has no
            effect.
    """
    check_choice("norm", norm, ("batch", "group", "none"))
    check_choice("backbone", name, ("mlp", "conv", "residual"))
    check_counts(width=width, depth=depth)
    if name == "residual":
        return ResidualEncoder(image_shape, width, depth), ResidualDecoder(image_shape, latent_dim, width, depth)
    for setting, value, default in (("width", width, WIDTH), ("depth", depth, DEPTH)):
        if value != default:
            raise ConfigError(f"{setting}: only backbone 'residual' has one, got {value} with {name!r}")
    if name == "mlp":
        return MLPEncoder(image_shape), MLPDecoder(image_shape, latent_dim)
    return ConvEncoder(image_shape, norm), ConvDecoder(image_shape, latent_dim)
