"""Random groups of which each gets one random change of style, shared by all its images. No label is used.

The changes are computed where the images are, for all groups at once. Axes: N groups of an epoch, G groups of a batch,
B images per group, A changes, C channels, H and W pixels.
"""

from collections.abc import Callable, Sequence
from functools import cache, reduce
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import grid_sample, pad

from ugvae.data.samplers import RandomGroupSampler, epoch_seed
from ugvae.data.table import AMOUNTS
from ugvae.errors import ConfigError

Change = Callable[[Tensor, Tensor], Tensor]  # images (G, B, C, H, W), amounts (G, 1, 1, 1, 1), to float images
ChangeName = Literal["thickness", "shear", "contrast", "brightness", "colour"]

REACH = 1 / 28  # of H: how far strokes grow or shrink at the amounts 1 and −1, one pixel of MNIST
SLOPE = 0.4  # columns per row at the amount 1
GAIN = 0.5  # a factor is between 1 − GAIN and 1 + GAIN
TONE = 0.3  # the same, for the gains of red and of blue


def largest_nearby(images: Tensor, reach: int) -> Tensor:
    """The largest value within ``reach`` rows and columns of each pixel, uint8 ``(..., H, W)``.

    All images stand in one line, with so much padding between their rows that no row meets the next. On a CPU
    ``max_pool2d``, which takes floats, would cost about as much as the whole step of the ``mlp``.
    """
    padded = pad(images, (reach,) * 4)
    line = padded.flatten()
    for stride in (1, padded.shape[-1]):  # to the right, then downwards
        length = len(line) - 2 * reach * stride
        line = reduce(torch.maximum, (line[shift * stride :][:length] for shift in range(2 * reach + 1)))
    return line.as_strided(images.shape, padded.stride())  # the first of a square is where the pixel is without padding


def thickness(images: Tensor, amount: Tensor) -> Tensor:
    """Bright strokes grow (amount above 0) or shrink: a share of the way to the largest or smallest of the neighbours.

    A grey erosion is a dilation of the negative, so that one dilation does both. The images are uint8.
    """
    seen = images ^ (amount < 0).byte().mul(255)  # the negative where strokes shrink
    growth = largest_nearby(seen, max(1, round(REACH * images.shape[-1]))) - seen
    return torch.addcmul(images.float(), amount, growth.float())


@cache
def shear_grid(height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Where ``grid_sample`` finds each pixel, (x, y) from −1 to 1, and what an amount of 1 adds; both (H, W, 2)."""
    rows, columns = (torch.arange(1 - side, side, 2, device=device) / side for side in (height, width))
    rows, columns = torch.meshgrid(rows, columns, indexing="ij")
    move = -SLOPE * height / width * rows
    return torch.stack([columns, rows], -1), torch.stack([move, torch.zeros_like(move)], -1)


def shear(images: Tensor, amount: Tensor) -> Tensor:
    """A figure moves to the right below the middle, and to the left above it: ``slant`` grows by 0.4 × amount.

    What comes in from outside is as the edge.
    """
    places, move = shear_grid(*images.shape[-2:], images.device)
    grid = torch.addcmul(places, amount.squeeze(-1), move)  # (G, H, W, 2), one for all images of a group
    moved = grid_sample(images.flatten(1, 2).float(), grid, padding_mode="border", align_corners=False)
    return moved.view_as(images)


def contrast(images: Tensor, amount: Tensor) -> Tensor:
    """The distance of each pixel from the mean of its image, times 1 + 0.5 × amount."""
    images = images.float()
    return torch.lerp(images.mean((-3, -2, -1), keepdim=True), images, 1 + GAIN * amount)


def brightness(images: Tensor, amount: Tensor) -> Tensor:
    """All pixels times 1 + 0.5 × amount; black stays black."""
    return images.float() * (1 + GAIN * amount)


def colour(images: Tensor, amount: Tensor) -> Tensor:
    """Warmer (amount above 0) or colder: red times 1 + 0.3 × amount, blue times 1 − 0.3 × amount. C is 3."""
    direction = torch.tensor([1.0, 0.0, -1.0], device=images.device).view(3, 1, 1)
    return images.float() * (1 + TONE * amount * direction)


CHANGES: dict[ChangeName, Change] = {  # in the order in which they are made; the first gets bytes
    "thickness": thickness,
    "shear": shear,
    "contrast": contrast,
    "brightness": brightness,
    "colour": colour,
}


def changes_for(channels: int, names: Sequence[ChangeName] | None) -> list[ChangeName]:
    """The changes in the order in which they are made; by default those that suit the number of channels.

    Raises:
        ConfigError: ``colour`` without three channels.
    """
    if names is None:
        names = ["contrast", "brightness", "colour"] if channels == 3 else ["thickness", "shear", "brightness"]
    if "colour" in names and channels != 3:
        raise ConfigError(f"changes: colour needs images of 3 channels, they have {channels}; leave it out")
    return [name for name in CHANGES if name in names]


def change_groups(images: Tensor, names: Sequence[ChangeName], amounts: Tensor) -> Tensor:
    """Every image of a group changed alike, uint8 ``(G, B, C, H, W)``.

    Args:
        images: uint8 ``(G, B, C, H, W)``.
        names: A keys of ``CHANGES``.
        amounts: ``(G, A)`` from −1 to 1; 0 changes nothing.
    """
    changed = images
    for name, amount in zip(names, amounts.T, strict=True):
        changed = CHANGES[name](changed, amount.view(-1, 1, 1, 1, 1))
    return changed.round_().clamp_(0, 255).to(torch.int32).to(torch.uint8)  # by way of integers 3 times as fast


class AugmentedGroupSampler(RandomGroupSampler):
    """Random groups, and for each group how much it is changed: a function of the seed, the epoch and the group.

    So neither a resumed run nor another number of processes changes a group otherwise, and all parts of a group that
    spans processes are changed alike.

    Args:
        num_images: size of the table.
        num_changes: A.
        **options: the options of ``GroupSampler``.
    """

    def __init__(self, num_images: int, num_changes: int, **options) -> None:
        super().__init__(num_images, **options)
        self.num_changes = num_changes

    def entries(self) -> dict[str, Sequence[Tensor]]:
        seed = epoch_seed(epoch_seed(self.seed, self.epoch), 1)  # another one than that of the groups
        generator = torch.Generator().manual_seed(seed)
        amounts = 2 * torch.rand(self.num_groups, self.num_changes, generator=generator) - 1
        return {AMOUNTS: self.share(amounts).split(self.groups_per_batch)}
