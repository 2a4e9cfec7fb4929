"""Convolutions of the paper's sizes, computed in the way that costs least; weights and results are as those of torch.

A convolution whose kernel covers its whole input is one matrix product. A transposed convolution of stride 2 is four
convolutions, one for each parity of row and column (Shi et al. 2016, arXiv:1609.05158). The libraries are slow at some
of these: at the gradient of a transposed convolution's bias, and wherever there are only three channels.

Axes: N images, C channels in, O channels out, H and W pixels.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d, linear


class WholeConv2d(nn.Conv2d):
    """A convolution over inputs of the kernel's own size, without padding: (N, C, k, k) to (N, O, 1, 1)."""

    def forward(self, images: Tensor) -> Tensor:
        weight = self.weight.permute(0, 2, 3, 1).flatten(1)  # a view in channels-last layout, as is that of the images
        return linear(images.permute(0, 2, 3, 1).flatten(1), weight, self.bias)[..., None, None]


class WholeConvTranspose2d(nn.ConvTranspose2d):
    """A transposed convolution of inputs of one pixel: (N, C, 1, 1) to (N, O, k, k)."""

    def forward(self, images: Tensor) -> Tensor:
        outputs = images.flatten(1) @ self.weight.permute(0, 2, 3, 1).flatten(1)
        outputs = outputs.unflatten(1, (*self.kernel_size, self.out_channels))
        return (outputs + self.bias.to(outputs.dtype)).permute(0, 3, 1, 2)


class UpConv2d(nn.ConvTranspose2d):
    """A transposed convolution, 4×4, stride 2, padding 1: (N, C, H, W) to (N, O, 2H, 2W); its bias added apart."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, kernel_size=4, stride=2, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        outputs = conv_transpose2d(images, self.weight, None, self.stride, self.padding)
        return outputs.add_(self.bias[:, None, None].to(outputs.dtype))


class SubPixelUpConv2d(UpConv2d):
    """The same where O is small: 2×2 convolutions of the four parities side by side, then put in their places."""

    def forward(self, images: Tensor) -> Tensor:
        taps = self.weight.unflatten(3, (2, 2)).unflatten(2, (2, 2))  # (C, O, 2, a, 2, b): parities a, b
        weight = taps.permute(5, 3, 1, 0, 2, 4).flip(1, -2, -1).flatten(0, 2)  # (b a O, C, 2, 2), even rows first
        weight = weight.contiguous(memory_format=torch.channels_last)
        return interleave(conv2d(images, weight, self.bias.repeat(4), padding=1))


# Operators of their own, since a compiler that looks inside makes slow loops of the index arithmetic.


@torch.library.custom_op("ugvae::interleave", mutates_args=())
def interleave(parities: Tensor) -> Tensor:
    """The four parities of images in their places: (N, b a O, H + 1, W + 1) to (N, O, 2H, 2W)."""
    n, channels, height, width = parities.shape
    images = parities.new_empty(n, channels // 4, 2 * height - 2, 2 * width - 2)
    for rows, source in zip((images[:, :, ::2], images[:, :, 1::2]), even_and_odd_rows(parities), strict=True):
        rows.copy_(source)
    return images


@torch.library.custom_op("ugvae::deinterleave", mutates_args=())
def deinterleave(images: Tensor) -> Tensor:
    """The adjoint of ``interleave``: parities with 0 where no pixel comes from, in channels-last layout."""
    n, channels, height, width = images.shape
    parities = images.new_zeros(n, height // 2 + 1, width // 2 + 1, 4 * channels).permute(0, 3, 1, 2)
    for rows, target in zip((images[:, :, ::2], images[:, :, 1::2]), even_and_odd_rows(parities), strict=True):
        target.copy_(rows)
    return parities


def even_and_odd_rows(parities: Tensor) -> tuple[Tensor, Tensor]:
    """Views of the even and the odd rows of images, each (N, O, H, 2W), in their parities (N, b a O, H + 1, W + 1).

    In channels-last memory, a row of parities less half a pixel at either end is a row of the image, pixel by pixel.
    """
    channels = parities.shape[1] // 4
    rows = parities.permute(0, 2, 3, 1).flatten(2)[..., 2 * channels : -2 * channels]
    rows = rows.unflatten(2, (-1, 2, channels)).permute(0, 4, 1, 3, 2)  # (N, O, H + 1, a, 2W)
    return rows[:, :, :-1, 0], rows[:, :, 1:, 1]


@interleave.register_fake
def _(parities: Tensor) -> Tensor:
    n, channels, height, width = parities.shape
    return parities.new_empty(n, channels // 4, 2 * height - 2, 2 * width - 2)


@deinterleave.register_fake
def _(images: Tensor) -> Tensor:
    n, channels, height, width = images.shape
    return images.new_empty(n, height // 2 + 1, width // 2 + 1, 4 * channels).permute(0, 3, 1, 2)


interleave.register_autograd(lambda ctx, gradient: deinterleave(gradient))
deinterleave.register_autograd(lambda ctx, gradient: interleave(gradient))
