"""The residual backbone: a better bound on photographs than the backbones of Table 2 have, for more work.

Pre-activation blocks (He et al. 2016, arXiv:1603.05027) with GroupNorm, which couples no images. Images are brought to
an eighth of their size in three steps of two: a 4×4 convolution, then two of 2×2. The residual blocks come after the
second and the third, where a 3×3 convolution costs little and sees much. The decoder is the mirror.

Axes: N images, C channels, H and W pixels.
"""

import torch
from einops.layers.torch import Rearrange
from torch import Tensor, nn

from ugvae.errors import ConfigError
from ugvae.networks.convolutions import SubPixelUpConv2d
from ugvae.networks.heads import HIDDEN

SCALE = 8  # of an image to the smallest maps
GROUPS = 8  # of GroupNorm


class ResidualBlock(nn.Module):
    """(N, C, H, W) to the same: x + conv(ReLU(norm(conv(ReLU(norm(x)))))); at the start x alone."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        first, second = (nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))
        nn.init.zeros_(second.weight)  # so that deep networks start as shallow ones
        self.layers = nn.Sequential(*norm_relu(channels), first, *norm_relu(channels), second)

    def forward(self, maps: Tensor) -> Tensor:
        return maps + self.layers(maps)


class ResidualEncoder(nn.Sequential):
    """(N, C, H, W) to h (N, 256)."""

    def __init__(self, image_shape: tuple[int, int, int], width: int, depth: int) -> None:
        channels, *smallest = check_sizes(image_shape, width)
        super().__init__(
            nn.Conv2d(channels, width, 4, stride=2, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, 2 * width, 2, stride=2),
            *(ResidualBlock(2 * width) for _ in range(depth)),
            nn.Conv2d(2 * width, 4 * width, 2, stride=2),
            *(ResidualBlock(4 * width) for _ in range(depth)),
            *norm_relu(4 * width),
            Rearrange("n c h w -> n (h w c)"),  # a view, in channels-last layout
            nn.Linear(4 * width * smallest[0] * smallest[1], HIDDEN),
            nn.ReLU(),
        )
        self.to(memory_format=torch.channels_last)

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images.contiguous(memory_format=torch.channels_last))


class ResidualDecoder(nn.Sequential):
    """(N, latent_dim) to logits (N, C, H, W)."""

    def __init__(self, image_shape: tuple[int, int, int], latent_dim: int, width: int, depth: int) -> None:
        channels, *smallest = check_sizes(image_shape, width)
        super().__init__(
            nn.Linear(latent_dim, HIDDEN),
            nn.ReLU(),
            nn.Linear(HIDDEN, 4 * width * smallest[0] * smallest[1]),
            Rearrange("n (h w c) -> n c h w", h=smallest[0], w=smallest[1]),
            *(ResidualBlock(4 * width) for _ in range(depth)),
            nn.ConvTranspose2d(4 * width, 2 * width, 2, stride=2),
            *(ResidualBlock(2 * width) for _ in range(depth)),
            nn.ConvTranspose2d(2 * width, width, 2, stride=2),
            nn.ReLU(inplace=True),
            SubPixelUpConv2d(width, channels),
        )
        self.to(memory_format=torch.channels_last)


def norm_relu(channels: int) -> tuple[nn.Module, nn.Module]:
    """What comes before each convolution of a block."""
    return nn.GroupNorm(GROUPS, channels), nn.ReLU(inplace=True)


def check_sizes(image_shape: tuple[int, int, int], width: int) -> tuple[int, int, int]:
    """Channels of the images, and height and width of the smallest maps.

    Raises:
        ConfigError: sizes that do not divide; the message names what does.
    """
    channels, height, columns = image_shape
    if height % SCALE or columns % SCALE:
        nearest = "×".join(str(max(SCALE, round(side / SCALE) * SCALE)) for side in (height, columns))
        raise ConfigError(
            f"backbone: 'residual' needs images whose sides are multiples of {SCALE}, got {height}×{columns}; set "
            f"data.image_size so that they are, such as {nearest}, or backbone to 'mlp'"
        )
    if width % GROUPS:
        nearest = max(GROUPS, round(width / GROUPS) * GROUPS)
        raise ConfigError(
            f"width: expected a multiple of {GROUPS}, the groups of GroupNorm, got {width}; try {nearest}"
        )
    return channels, height // SCALE, columns // SCALE
