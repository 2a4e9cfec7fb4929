"""The networks of Table 2, the heads and the mixture prior. Axes: N images, K components, D dimensions."""

import math

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from ugvae.errors import ConfigError
from ugvae.models import UGVAE
from ugvae.networks.backbones import build_backbone
from ugvae.networks.heads import MAX_LOG_VAR, ComponentHead, GaussianHead, MixturePrior, full_precision

Layer = tuple[type[nn.Module], tuple[int, ...]]


def layers(module: nn.Module) -> list[Layer]:
    """Type and weight shape of each layer with parameters, in order of use; convolutions add stride and padding."""
    kinds = []
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            kind = nn.Conv2d if isinstance(layer, nn.Conv2d) else nn.ConvTranspose2d
            kinds.append((kind, (*layer.weight.shape, layer.stride[0], layer.padding[0])))
        elif isinstance(layer, nn.Linear | nn.BatchNorm2d | nn.GroupNorm):
            kind = nn.Linear if isinstance(layer, nn.Linear) else type(layer)
            kinds.append((kind, tuple(layer.weight.shape)))
    return kinds


def test_table_2_mlp() -> None:
    encoder, decoder = build_backbone("mlp", (1, 28, 28), 30, "batch")
    assert layers(encoder) == [(nn.Linear, (256, 784))]
    assert layers(decoder) == [(nn.Linear, (256, 30)), (nn.Linear, (784, 256))]
    assert isinstance(encoder[-1], nn.ReLU)
    assert isinstance(decoder[1], nn.ReLU)


def test_mlp_starts_at_a_mean_image() -> None:
    encoder, decoder = (network.double() for network in build_backbone("mlp", (1, 4, 4), 3, "batch"))
    images, z, mean = torch.rand(5, 1, 4, 4).double(), torch.randn(5, 3).double(), torch.rand(1, 4, 4).double()
    mean[0, 0, 0], mean[0, 0, 1] = 0, 1
    without_mean = encoder(images - mean)
    before, bias = decoder(z), decoder[2].bias.clone().view(1, 4, 4)
    encoder.start_at(mean)
    decoder.start_at(mean)
    assert_close(encoder(images), without_mean)
    assert_close((decoder(z) - before + bias).sigmoid(), mean.clamp(0.01, 0.99).expand(5, 1, 4, 4))


def test_table_2_conv() -> None:
    encoder, decoder = build_backbone("conv", (3, 64, 64), 70, "batch")
    expected: list[Layer] = []
    for inputs, outputs in [(3, 32), (32, 32), (32, 64), (64, 64)]:
        expected += [(nn.Conv2d, (outputs, inputs, 4, 4, 2, 1)), (nn.BatchNorm2d, (outputs,))]
    expected += [(nn.Conv2d, (256, 64, 4, 4, 1, 0)), (nn.BatchNorm2d, (256,))]
    assert layers(encoder) == expected
    assert [type(layer) for layer in encoder][:3] == [nn.Conv2d, nn.BatchNorm2d, nn.ReLU]

    expected = [(nn.Linear, (256, 70)), (nn.ConvTranspose2d, (256, 64, 4, 4, 1, 0))]
    for inputs, outputs in [(64, 64), (64, 32), (32, 32), (32, 3)]:
        expected += [(nn.ConvTranspose2d, (inputs, outputs, 4, 4, 2, 1))]
    assert layers(decoder) == expected
    assert sum(isinstance(layer, nn.ReLU) for layer in decoder) == 5
    assert isinstance(decoder[-1], nn.ConvTranspose2d)  # logits: the sigmoid belongs to the model


@pytest.mark.parametrize(
    ("backbone", "image_shape", "sizes"),
    [("mlp", (1, 28, 28), (10, 20, 10)), ("conv", (3, 64, 64), (20, 50, 20)), ("conv", (3, 64, 64), (40, 40, 40))],
)
def test_table_2_heads(backbone: str, image_shape: tuple[int, int, int], sizes: tuple[int, int, int]) -> None:
    z, beta, k = sizes
    model = UGVAE(image_shape, z_dim=z, beta_dim=beta, num_components=k, backbone=backbone)
    assert model.z_head.weight.shape == (2 * z, 256)
    assert layers(model.d_head) == [(nn.Linear, (256, z)), (nn.Linear, (k, 256))]
    assert isinstance(model.d_head[1], nn.Tanh)
    assert model.beta_head.weight.shape == (2 * beta, 256 + k)
    assert sum(p.numel() for p in model.mixture_prior.parameters()) == k * (256 * (beta + 1) + 2 * z * 257)
    assert layers(model.decoder)[0] == (nn.Linear, (256, z + beta))


@pytest.mark.parametrize("norm", ["batch", "group", "none"])
@pytest.mark.parametrize("size", [8, 16, 32, 64, 128])
def test_conv_takes_powers_of_two(size: int, norm: str) -> None:
    encoder, decoder = build_backbone("conv", (2, size, size), 5, norm)
    with torch.no_grad():
        assert encoder(torch.rand(2, 2, size, size)).shape == (2, 256)
        assert decoder(torch.randn(2, 5)).shape == (2, 2, size, size)
    kinds = {kind for kind, _ in layers(encoder)} - {nn.Conv2d}
    assert kinds == {"batch": {nn.BatchNorm2d}, "group": {nn.GroupNorm}, "none": set()}[norm]
    assert not {kind for kind, _ in layers(decoder)} & {nn.BatchNorm2d, nn.GroupNorm}


@pytest.mark.parametrize("size", [(28, 28), (4, 4), (1, 1), (48, 48), (64, 32), (32, 64)])
def test_conv_refuses_other_sizes(size: tuple[int, int]) -> None:
    with pytest.raises(ConfigError, match=rf"^backbone: .*{size[0]}×{size[1]}.*image_size"):
        build_backbone("conv", (3, *size), 5, "batch")


def test_unknown_names() -> None:
    with pytest.raises(ConfigError, match=r"^backbone: .*'resnet'"):
        build_backbone("resnet", (1, 28, 28), 5, "batch")
    for backbone in ("mlp", "conv"):
        with pytest.raises(ConfigError, match=r"^norm: .*'layer'"):
            build_backbone(backbone, (1, 32, 32), 5, "layer")


@pytest.mark.parametrize("norm", ["group", "none"])
def test_images_are_independent_without_batch_norm(norm: str) -> None:
    encoder, _ = build_backbone("conv", (1, 16, 16), 5, norm)
    images = torch.rand(3, 1, 16, 16, dtype=torch.float64)
    encoder.double()
    assert_close(encoder(images), torch.cat([encoder(image[None]) for image in images]))


def separate_networks(prior: MixturePrior) -> list[nn.Sequential]:
    """The K networks of ``prior`` as ordinary modules with the same weights."""
    hidden_weights = prior.hidden.weight.chunk(prior.num_components)
    hidden_biases = prior.hidden.bias.chunk(prior.num_components)
    networks = []
    for k in range(prior.num_components):
        first, second = nn.Linear(prior.hidden.in_features, 256), nn.Linear(256, prior.weight.shape[-1])
        state = {"0.weight": hidden_weights[k], "0.bias": hidden_biases[k]}
        state |= {"2.weight": prior.weight[k].T, "2.bias": prior.bias[k, 0]}
        network = nn.Sequential(first, nn.ReLU(), second).double()
        network.load_state_dict(state)
        networks.append(network)
    return networks


@pytest.mark.parametrize("components", [1, 4])
def test_mixture_prior_equals_separate_networks(components: int) -> None:
    prior = MixturePrior(condition_dim=5, z_dim=3, num_components=components).double()
    condition = torch.randn(7, 5, dtype=torch.float64)
    result = prior(condition)
    assert result.mean.shape == result.log_var.shape == (7, components, 3)
    for k, network in enumerate(separate_networks(prior)):
        mean, raw = network(condition).chunk(2, -1)
        assert_close(result.mean[:, k], mean)
        assert_close(result.log_var[:, k], raw.tanh())


def test_mixture_prior_starts_like_separate_linear_layers() -> None:
    prior, plain = MixturePrior(20, 40, 50), nn.Linear(256, 80)
    for batched, bound in [(prior.hidden.weight, 20**-0.5), (prior.weight, 256**-0.5), (prior.bias, 256**-0.5)]:
        assert batched.abs().max() <= bound
        assert batched.std().item() == pytest.approx(bound / 3**0.5, rel=0.05)  # of a uniform distribution
    assert prior.weight.std().item() == pytest.approx(plain.weight.std().item(), rel=0.05)


@pytest.mark.parametrize("scale", [1.0, 1e2, 1e6])
def test_prior_variances_stay_within_e(scale: float) -> None:
    variance = MixturePrior(5, 3, 4)(scale * torch.randn(50, 5)).log_var.exp()
    assert variance.min() >= 1 / math.e - 1e-6
    assert variance.max() <= math.e + 1e-6
    if scale >= 1e2:  # both ends are reached, so the interval is not merely narrower
        assert variance.min() < 0.37
        assert variance.max() > 2.7


@pytest.mark.parametrize("scale", [1e3, 1e10, 1e30])
def test_log_variance_guard(scale: float) -> None:
    q = GaussianHead(256, 4)(scale * torch.randn(20, 256))
    for values in (*q, q.std, q.log_var.exp(), (-q.log_var).exp()):
        assert values.isfinite().all()
    assert q.log_var.abs().max() == MAX_LOG_VAR


def test_gaussian_head_halves() -> None:
    head, features = GaussianHead(6, 4), torch.randn(2, 3, 6)
    mean, log_var = head(features)
    output = features @ head.weight.T + head.bias
    assert_close(mean, output[..., :4])
    assert_close(log_var, output[..., 4:])  # the guard leaves ordinary values alone


def test_heads_leave_autocast_in_float32() -> None:
    z = torch.randn(3, 256)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs = [*GaussianHead(256, 4)(z), ComponentHead(256, 5)(z), *MixturePrior(256, 3, 4)(z)]
    assert {output.dtype for output in outputs} == {torch.float32}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_full_precision_lets_full_precision_pass(dtype: torch.dtype) -> None:
    tensor = torch.zeros(2, dtype=dtype)
    assert full_precision(tensor) is tensor
    assert full_precision(tensor.half()).dtype == full_precision(tensor.bfloat16()).dtype == torch.float32
