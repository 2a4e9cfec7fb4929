"""The convolutions against torch's own."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from ugvae.networks.convolutions import (
    SubPixelUpConv2d,
    UpConv2d,
    WholeConv2d,
    WholeConvTranspose2d,
    deinterleave,
    interleave,
)

CASES = [
    (WholeConv2d(6, 5, 4), nn.Conv2d(6, 5, 4), (3, 6, 4, 4)),
    (WholeConvTranspose2d(6, 5, 4), nn.ConvTranspose2d(6, 5, 4), (3, 6, 1, 1)),
    (UpConv2d(6, 5), nn.ConvTranspose2d(6, 5, 4, 2, 1), (3, 6, 7, 8)),
    (SubPixelUpConv2d(6, 3), nn.ConvTranspose2d(6, 3, 4, 2, 1), (3, 6, 7, 8)),
    (SubPixelUpConv2d(2, 1), nn.ConvTranspose2d(2, 1, 4, 2, 1), (1, 2, 1, 1)),
]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(("ours", "theirs", "shape"), CASES)
def test_values_and_gradients_are_those_of_torch(
    ours: nn.Module, theirs: nn.Module, shape: tuple[int, ...], layout: torch.memory_format
) -> None:
    ours, theirs = ours.double().to(memory_format=layout), theirs.double()
    ours.load_state_dict(theirs.state_dict())  # the same parameters, so checkpoints do not depend on the way
    torch.manual_seed(0)
    images = torch.randn(shape, dtype=torch.float64)
    inputs, expected = (copy.requires_grad_() for copy in (images.clone(), images.clone()))
    output, reference = ours(inputs.contiguous(memory_format=layout)), theirs(expected)
    assert_close(output, reference)
    weights = torch.randn_like(reference)
    (output * weights).sum().backward()
    (reference * weights).sum().backward()
    assert_close(inputs.grad, expected.grad)
    for ours_parameter, their_parameter in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert_close(ours_parameter.grad, their_parameter.grad)
    ours.zero_grad()
    theirs.zero_grad()


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_interleave_is_an_operator_that_torch_can_trace(layout: torch.memory_format) -> None:
    for operator, shape in ((interleave, (2, 12, 3, 4)), (deinterleave, (2, 3, 4, 6))):
        argument = torch.randn(shape).contiguous(memory_format=layout).requires_grad_()
        torch.library.opcheck(operator, (argument,))


@pytest.mark.parametrize(("ours", "theirs", "shape"), CASES)
def test_bfloat16_is_near(ours: nn.Module, theirs: nn.Module, shape: tuple[int, ...]) -> None:
    ours, theirs = ours.float(), theirs.float()
    ours.load_state_dict(theirs.state_dict())
    images = torch.rand(shape)
    with torch.autocast("cpu", torch.bfloat16):
        output = ours(images)
    assert output.dtype == torch.bfloat16
    assert_close(output.float(), theirs(images), rtol=0.02, atol=0.02)
