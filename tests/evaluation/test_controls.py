"""What training has to beat. Axes: M images, N groups, B images per group."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from tests.helpers.small_models import every_model, make
from ugvae.data.table import ImageTable
from ugvae.distributions import DiagonalGaussian
from ugvae.errors import ConfigError
from ugvae.evaluation.aggregate import gaussian_information, matched_scale
from ugvae.evaluation.classification import classify_groups
from ugvae.evaluation.controls import (
    FITTED,
    SAME_INFORMATION,
    UNTRAINED,
    Controls,
    encode_controls,
    fit_batchnorm,
    mean_images,
    samples_at_information,
    untrained,
)
from ugvae.evaluation.encoding import encode_images
from ugvae.models import UGVAE, BaseVAE


def conv(norm: str = "batch") -> UGVAE:
    return make(UGVAE, (2, 8, 8), double=False, backbone="conv", norm=norm)


def weights(model: BaseVAE) -> torch.Tensor:
    return torch.cat([weight.detach().flatten() for weight in model.parameters()])


@every_model
def test_untrained_network_is_the_same_with_other_weights(model_class: type[BaseVAE]) -> None:
    torch.manual_seed(7)
    model = make(model_class)
    state = torch.get_rng_state()
    first, again, other = untrained(model), untrained(model), untrained(model, seed=1)
    assert torch.equal(state, torch.get_rng_state())
    assert dict(first.hparams) == dict(model.hparams)
    assert first.dtype == model.dtype
    assert not first.training
    assert torch.equal(weights(first), weights(again))
    assert not torch.equal(weights(first), weights(model))
    assert not torch.equal(weights(first), weights(other))


@pytest.mark.parametrize(("num_images", "batches"), [(300, [300]), (1100, [512, 512]), (3000, [512] * 4)])
def test_batchnorm_is_fitted_to_images_and_no_weight_changes(num_images: int, batches: list[int]) -> None:
    """The first layer sees the images themselves: its statistics are those of their convolution."""
    model = conv()
    before = weights(model)
    images = torch.randint(256, (num_images, 2, 8, 8), dtype=torch.uint8)
    assert fit_batchnorm(model, images, seed=3)
    assert torch.equal(weights(model), before)
    assert not any(module.training for module in model.modules())
    first, norm = model.encoder[0], model.encoder[1]
    order = torch.randperm(num_images, generator=torch.Generator().manual_seed(3))
    seen = [first(images[rows] / 255).detach() for rows in order.split(512)[: len(batches)]]
    assert [len(part) for part in seen] == batches
    assert_close(norm.running_mean, torch.stack([part.mean((0, 2, 3)) for part in seen]).mean(0))
    assert_close(norm.running_var, torch.stack([part.var((0, 2, 3)) for part in seen]).mean(0))
    assert norm.momentum == nn.BatchNorm2d(1).momentum, "as it was, should the network be trained on"


def test_fitted_features_are_spread_as_wide_as_batchnorm_makes_them() -> None:
    images = torch.randint(100, 140, (600, 2, 8, 8), dtype=torch.uint8)
    controls = encode_controls(conv(), images, images, seeds=[0, 1])
    assert list(controls.encoded) == [UNTRAINED, FITTED]
    assert controls.note is None
    for raw, fitted in zip(*controls.encoded.values(), strict=True):
        assert torch.equal(weights(raw.model), weights(fitted.model))
        assert raw.h.std(0).mean() < 0.1 * fitted.h.std(0).mean()
        assert 0.3 < fitted.h.std(0).mean() < 1, "of the positive half of a standard normal: 0.58"
    first, second = controls.encoded[UNTRAINED]
    assert not torch.equal(first.h, second.h), "each repetition has weights of its own"


@pytest.mark.parametrize("norm", ["group", "none"])
def test_no_batchnorm_is_said(norm: str) -> None:
    model, images = conv(norm), torch.randint(256, (20, 2, 8, 8), dtype=torch.uint8)
    assert not fit_batchnorm(model, images)
    controls = encode_controls(model, images, images, [0])
    assert list(controls.encoded) == [UNTRAINED]
    assert controls.note == "the network has no BatchNorm: there are no statistics to fit"


def test_a_control_without_weights_for_every_seed_is_refused() -> None:
    images = torch.randint(256, (60, 2, 8, 8), dtype=torch.uint8)
    encoded = encode_images(conv(), images)
    with pytest.raises(ConfigError, match=r"^seeds: controls take one set of weights for each of the 3 seeds$"):
        classify_groups(encoded, Controls({UNTRAINED: [encoded]}, None), ImageTable(images), None, seeds=range(3))


@torch.no_grad()
def test_samples_at_the_same_information() -> None:
    """The scale is found on the first groups; the samples are those of the scaled means, under the given seeds."""
    torch.manual_seed(7)
    trained, before = make(UGVAE, double=False), untrained(make(UGVAE, double=False))
    images = torch.randint(256, (80, *trained.image_shape), dtype=torch.uint8)
    first, second = torch.randint(80, (40, 5)), torch.randint(80, (30, 5))
    ours, theirs = encode_images(trained, images), encode_images(before, images)
    nats, samples = samples_at_information(
        *([encoded.beta(rows) for rows in (first, second)] for encoded in (ours, theirs)), [3, 4]
    )
    assert nats == gaussian_information(ours.beta(first))
    scale = matched_scale(theirs.beta(first), nats)
    assert gaussian_information(theirs.beta(first), scale) == pytest.approx(nats)
    for rows, seed, part in zip((first, second), (3, 4), samples, strict=True):
        beta = theirs.beta(rows)
        torch.manual_seed(seed)
        want = DiagonalGaussian(scale * beta.mean, beta.log_var).sample()
        assert_close(torch.from_numpy(part[f"{SAME_INFORMATION} beta sample"]), want)
    assert samples_at_information([ours.beta(first)], [], [3]) == (nats, [{}])
    assert samples_at_information([], [], [3]) == (None, [{}])


@torch.no_grad()
def test_samples_at_levels_of_information() -> None:
    """Both networks are brought to a level on the first groups; noise makes it less, and a scale more."""
    torch.manual_seed(7)
    trained, before = make(UGVAE, double=False), untrained(make(UGVAE, double=False))
    images, groups = torch.randint(256, (80, *trained.image_shape), dtype=torch.uint8), torch.randint(80, (40, 5))
    networks = {
        "beta sample": encode_images(trained, images).beta(groups),
        "untrained beta sample": encode_images(before, images).beta(groups),
    }
    nats, (samples,) = samples_at_information(*([beta] for beta in networks.values()), [3], levels=[0.005, 20])
    assert list(samples) == [f"{SAME_INFORMATION} beta sample"] + [
        f"{name} at {level} nats" for level in ("0.005", "20") for name in networks
    ]
    assert 0.005 < nats < 20
    for name, beta in networks.items():
        for level in (0.005, 20):
            scale = matched_scale(beta, level)
            assert gaussian_information(beta, scale) == pytest.approx(level)
            torch.manual_seed(3)
            want = DiagonalGaussian(scale * beta.mean, beta.log_var).sample()
            assert_close(torch.from_numpy(samples[f"{name} at {level:g} nats"]), want)


@torch.no_grad()
def test_a_level_that_the_variances_alone_exceed_is_left_out() -> None:
    """No noise of one size for all groups hides that their variances differ."""
    torch.manual_seed(7)
    model = make(UGVAE, double=False)
    images, groups = torch.randint(256, (80, *model.image_shape), dtype=torch.uint8), torch.randint(80, (40, 5))
    beta = encode_images(model, images).beta(groups)
    least = gaussian_information(beta, scale=0)
    assert least > 0
    _, (samples,) = samples_at_information([beta], [beta], [3], levels=[least / 2, 2 * least])
    assert list(samples)[1:] == [f"{name} at {2 * least:g} nats" for name in ("beta sample", "untrained beta sample")]


@pytest.mark.parametrize("pixels_at_once", [3, 4096])
def test_mean_image_is_the_mean(pixels_at_once: int) -> None:
    images, groups = torch.randint(256, (300, 1, 2, 2), dtype=torch.uint8), torch.randint(250, (37, 4))
    want = (images[groups].double() / 255).mean(1).flatten(1)
    assert_close(torch.from_numpy(mean_images(images, groups, pixels_at_once)).double(), want, atol=1e-6, rtol=0)
