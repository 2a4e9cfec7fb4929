"""Convolutions of the paper's sizes, computed in the way that costs least; weights and results are as those of torch.

A convolution whose kernel covers its whole input is one matrix product. A transposed convolution of stride 2 is four
convolutions, one for each parity of row and column (Shi et al. 2016, arXiv:1609.05158). The libraries are slow at some
of these: at the gradient of a transposed convolution's bias, and wherever there are only three channels.

Axes: N images, C channels in, O channels out, H and W pixels.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d, linear, pixel_shuffle


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
        rows_and_columns = self.weight.unflatten(3, (2, 2)).unflatten(2, (2, 2))  # (C, O, 2, a, 2, b): parities a, b
        weight = rows_and_columns.permute(1, 3, 5, 0, 2, 4).flip(-2, -1).flatten(0, 2)  # (O a b, C, 2, 2)
        weight = weight.contiguous(memory_format=torch.channels_last)
        outputs = conv2d(images, weight, self.bias.repeat_interleave(4), padding=1)
        return pixel_shuffle(outputs, 2)[..., 1:-1, 1:-1]
