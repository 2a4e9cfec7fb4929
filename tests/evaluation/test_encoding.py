"""Many groups, and large ones: the work grows with them and not faster, and float32 holds. Axes: N groups, B images."""

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from tests.helpers.small_models import make
from ugvae.data.known_groups import draw_groups
from ugvae.evaluation.encoding import IMAGES_AT_ONCE, encode_beta, encode_groups
from ugvae.models import UGVAE

SIZE = 16  # images of a group


@pytest.fixture
def images() -> Tensor:
    return torch.randint(256, (64, 1, 8, 8), dtype=torch.uint8)


@pytest.mark.parametrize("count", [1_000, 10_000])
def test_work_is_linear_in_the_groups(images: Tensor, count: int) -> None:
    """Counts the images that pass the encoder and the head of z, in batches of bounded size."""
    model, passed = make(UGVAE, (1, 8, 8), double=False), {"encoder": [], "z_head": []}
    for name, sizes in passed.items():
        layer = getattr(model, name)
        layer.register_forward_hook(lambda _, inputs, out, sizes=sizes: sizes.append(inputs[0].shape[:-1].numel()))
    groups = draw_groups(torch.arange(64), count, SIZE, torch.Generator().manual_seed(0))
    beta = encode_groups(model, images, groups).beta
    assert sum(passed["z_head"]) == count * SIZE
    assert max(passed["z_head"]) <= IMAGES_AT_ONCE
    passed["z_head"].clear()
    passed["encoder"].clear()
    assert_close(encode_beta(model, images, groups).mean, beta.mean, rtol=1e-4, atol=1e-5)
    assert len(passed["encoder"]) == 1  # every image once, however many groups it is in
    assert sum(passed["z_head"]) == count * SIZE


def test_float32_holds_for_groups_of_4096(images: Tensor) -> None:
    groups = torch.randint(64, (1, 4096))
    single, double = (make(UGVAE, (1, 8, 8), double=double) for double in (False, True))
    double.load_state_dict(single.state_dict())
    betas = [encode_beta(model, images, groups) for model in (single, double)]
    assert_close(betas[0].mean.double(), betas[1].mean, rtol=1e-3, atol=1e-4)
    assert_close(betas[0].log_var.double(), betas[1].log_var, rtol=1e-4, atol=1e-4)
    images = images[groups].float() / 255
    bounds = [model.elbo(images.to(model.dtype)).total.item() for model in (single, double)]
    assert bounds[0] == pytest.approx(bounds[1], rel=1e-2)
