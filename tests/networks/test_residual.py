"""The residual backbone. Axes: N images, C channels, H and W pixels."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from ugvae.errors import ConfigError
from ugvae.networks.backbones import build_backbone
from ugvae.networks.residual import ResidualBlock


def convolutions(module: nn.Module) -> list[tuple[int, ...]]:
    return [tuple(layer.weight.shape) for layer in module.modules() if isinstance(layer, nn.Conv2d)]


@pytest.mark.parametrize("size", [(8, 8), (64, 64), (24, 40), (48, 16)])
@pytest.mark.parametrize(("width", "depth"), [(8, 1), (16, 3)])
def test_takes_multiples_of_eight(size: tuple[int, int], width: int, depth: int) -> None:
    encoder, decoder = build_backbone("residual", (2, *size), 5, "batch", width, depth)
    with torch.no_grad():
        h, logits = encoder(torch.rand(3, 2, *size)), decoder(torch.randn(3, 5))
    assert h.shape == (3, 256)
    assert logits.shape == (3, 2, *size)
    assert min(h.std(0).max(), logits.std(0).max()) > 0  # they follow their input
    blocks = [(c, c, 3, 3) for c in (2 * width, 4 * width) for _ in range(2 * depth)]
    assert sorted(shape for shape in convolutions(encoder) if shape[2:] == (3, 3)) == blocks
    assert sorted(convolutions(decoder)) == blocks


@pytest.mark.parametrize(
    ("size", "works"), [((28, 28), "32×32"), ((1, 1), "8×8"), ((64, 65), "64×64"), ((60, 36), "64×32")]
)
def test_other_sizes_are_refused_with_one_that_works(size: tuple[int, int], works: str) -> None:
    with pytest.raises(ConfigError, match=rf"^backbone: .*got {size[0]}×{size[1]}.*data.image_size.*{works}"):
        build_backbone("residual", (3, *size), 5, "batch")
    build_backbone("residual", (3, *map(int, works.split("×"))), 5, "batch", width=8)


@pytest.mark.parametrize(("width", "works"), [(1, 8), (12, 16), (30, 32)])
def test_other_widths_are_refused_with_one_that_works(width: int, works: int) -> None:
    with pytest.raises(ConfigError, match=rf"^width: .*got {width}; try {works}$"):
        build_backbone("residual", (3, 8, 8), 5, "batch", width)
    build_backbone("residual", (3, 8, 8), 5, "batch", works)


@pytest.mark.parametrize("backbone", ["mlp", "conv"])
@pytest.mark.parametrize(("name", "value"), [("width", 32), ("depth", 2)])
def test_a_setting_without_effect_is_refused(backbone: str, name: str, value: int) -> None:
    with pytest.raises(ConfigError, match=rf"^{name}: only backbone 'residual' has one, got {value} with '{backbone}'"):
        build_backbone(backbone, (3, 8, 8), 5, "batch", **{name: value})


def test_a_block_starts_as_the_identity_and_learns() -> None:
    block, maps = ResidualBlock(16).double(), torch.randn(2, 16, 4, 6, dtype=torch.float64)
    second = block.layers[-1]
    with torch.no_grad():
        second.bias.zero_()
    assert torch.equal(block(maps), maps)
    block(maps).square().sum().backward()
    assert second.weight.grad.abs().max() > 0
    nn.init.normal_(second.weight)
    first_norm, _, first, second_norm, _, _ = block.layers
    inner = first(torch.relu(first_norm(maps)))
    assert_close(block(maps), maps + second(torch.relu(second_norm(inner))))


def test_images_are_independent_in_training_too() -> None:
    encoder, _ = build_backbone("residual", (1, 16, 24), 5, "batch", 8)
    images = torch.rand(3, 1, 16, 24, dtype=torch.float64)
    encoder.double().train()
    assert_close(encoder(images), torch.cat([encoder(image[None]) for image in images]))


def test_maps_are_channels_last_under_autocast() -> None:
    encoder, decoder = build_backbone("residual", (3, 16, 24), 5, "batch", 8)
    layouts = []

    def watch(layer: nn.Module, arguments: tuple, output: torch.Tensor) -> None:
        layouts.append((output.is_contiguous(memory_format=torch.channels_last), output.dtype))

    watched = [m for m in (*encoder.modules(), *decoder.modules()) if isinstance(m, nn.Conv2d | ResidualBlock)]
    for layer in watched:
        layer.register_forward_hook(watch)
    with torch.autocast("cpu", torch.bfloat16):
        encoder(torch.rand(2, 3, 16, 24))
        decoder(torch.randn(2, 5))
    assert len(layouts) == len(watched) == 11 + 4  # convolutions, blocks
    assert set(layouts) == {(True, torch.bfloat16)}
