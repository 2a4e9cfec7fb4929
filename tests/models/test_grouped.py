"""The grouped family: how images make one content, and pairs that find what they share. Axes: G groups, B images."""

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from tests.helpers.gaussians import gaussian
from tests.helpers.reference import fixed_noise, kl_normal, linear_gaussian, recorded_noise
from tests.helpers.reference_models import encode, kl_standard, log_likelihood
from tests.helpers.small_models import B, G, make, make_images, quiet_trainer
from ugvae.datamodules import DigitsDataModule
from ugvae.distributions import DiagonalGaussian, average_of_gaussians
from ugvae.errors import ConfigError
from ugvae.models import GVAE, MLVAE, UGVAE, VAE, AdaGVAE, AdaMLVAE, BaseVAE, NeuralStatistician

EXACT = {"rtol": 0, "atol": 1e-10}
adaptive = pytest.mark.parametrize("model_class", [AdaGVAE, AdaMLVAE])


def test_average_is_of_means_and_variances() -> None:
    factors = gaussian(4, 5, 3)
    average = average_of_gaussians(factors)
    assert_close(average.mean, factors.mean.sum(1) / 5)
    assert_close(average.log_var.exp(), factors.log_var.exp().sum(1) / 5)
    mask = torch.arange(5) < torch.tensor([[5], [1], [3], [0]])
    masked = average_of_gaussians(factors, mask)
    for row, size in enumerate((5, 1, 3)):
        alone = average_of_gaussians(DiagonalGaussian(*(part[row, :size] for part in factors)))
        assert_close(DiagonalGaussian(*(part[row] for part in masked)), alone)
    assert not masked.mean[3].any(), "of none it is N(0, I)"
    assert_close(masked.log_var[3], torch.zeros_like(masked.log_var[3]))


def test_average_of_extreme_variances_in_float32() -> None:
    log_var = torch.tensor([[-200.0], [-100.0]])
    average = average_of_gaussians(DiagonalGaussian(torch.zeros(2, 1), log_var))
    assert_close(average.log_var, torch.tensor([-100.0 - 0.6931472]))


def test_gvae_of_groups_of_one_is_the_mlvae() -> None:
    gvae, mlvae = make(GVAE), make(MLVAE)
    mlvae.load_state_dict(gvae.state_dict())
    images = make_images(gvae, 3, 1)
    with recorded_noise() as noise:
        expected = mlvae.elbo(images)
    with fixed_noise(*noise):
        assert_close(dict(gvae.elbo(images)), dict(expected), **EXACT)
    more = make_images(gvae, 3, 4)
    assert (gvae.infer(more).beta.log_var > mlvae.infer(more).beta.log_var).all(), "a product is sharper"


def test_neural_statistician_of_groups_of_one_is_the_ugvae_of_one_component() -> None:
    """A hidden layer that is the identity of features above 0, and the statistics that π = 1 adds in the bias."""
    model, ugvae = make(NeuralStatistician), make(UGVAE, num_components=1, local_posterior="given_beta")
    with torch.no_grad():
        first, _, last = model.statistic_network
        first.weight.copy_(torch.eye(256))
        first.bias.zero_()
        ugvae.beta_head.weight[:, :-1], ugvae.beta_head.weight[:, -1] = last.weight, 0
        ugvae.beta_head.bias.copy_(last.bias)
        for name in ("encoder", "decoder", "z_head", "mixture_prior"):
            getattr(ugvae, name).load_state_dict(getattr(model, name).state_dict())
    images = make_images(model, 3, 1)
    with recorded_noise() as noise:
        bound = model.elbo(images)
    with fixed_noise(*noise):
        expected = ugvae.elbo(images)
    assert not expected["kl_d"].any()
    assert_close(dict(bound), {name: expected[name] for name in bound}, **EXACT)
    beta = torch.randn(2, 3, 4, dtype=torch.float64)
    for way in ("fixed", "transported"):
        assert_close(model.translate(images, *beta, way), ugvae.translate(images, *beta, way), **EXACT)


def test_local_posterior_of_the_neural_statistician_sees_the_context_unless_told_otherwise() -> None:
    assert make(NeuralStatistician).hparams["local_posterior"] == "given_beta"
    model = make(NeuralStatistician, local_posterior="given_x")
    images = make_images(model)
    assert_close(model.infer(images).z.mean[:, :1], model.infer(images[:, :1]).z.mean, **EXACT)
    sees = make(NeuralStatistician)
    assert not torch.allclose(sees.infer(images).z.mean[:, :1], sees.infer(images[:, :1]).z.mean)


@pytest.mark.parametrize("model_class", [GVAE, NeuralStatistician])
def test_groups_that_span_devices_are_refused_by_name(model_class: type[BaseVAE]) -> None:
    with pytest.raises(ConfigError, match=f"^span_devices: the beta of {model_class.__name__} is no product"):
        make(model_class, span_devices=True)


def plain_pair(model: BaseVAE, images: Tensor, noise: Tensor) -> Tensor:
    """The training objective of two images, one dimension at a time, in variances."""
    own = [linear_gaussian(model.z_head, encode(model, image)) for image in images]
    (mean_1, variance_1), (mean_2, variance_2) = own
    divergence = [
        kl_normal(*(part[d : d + 1] for part in (mean_1, variance_1, mean_2, variance_2))) for d in range(len(mean_1))
    ]
    threshold = (min(divergence) + max(divergence)) / 2
    total = torch.zeros(()).double()
    for (mean, variance), image, draw in zip(own, images, noise, strict=True):
        mean, variance = mean.clone(), variance.clone()
        for d, value in enumerate(divergence):
            if value >= threshold:
                continue
            if type(model) is AdaGVAE:
                mean[d], variance[d] = (mean_1[d] + mean_2[d]) / 2, (variance_1[d] + variance_2[d]) / 2
            else:
                precision = 1 / variance_1[d] + 1 / variance_2[d]
                mean[d] = (mean_1[d] / variance_1[d] + mean_2[d] / variance_2[d]) / precision
                variance[d] = 1 / precision
        total = total + log_likelihood(model, image, mean + variance.sqrt() * draw)
        total = total - model.beta * kl_standard(mean, variance)
    return total


@adaptive
def test_pairs_share_the_dimensions_that_differ_least(model_class: type[BaseVAE]) -> None:
    model = make(model_class, z_dim=6, beta=3.0)
    images = make_images(model, 2, 4)
    with recorded_noise() as noise:
        bound = model._training_bound(images)
    with torch.no_grad():
        expected = [
            sum(plain_pair(model, images[g, i : i + 2], noise[0][g, i : i + 2]) for i in (0, 2)) for g in range(2)
        ]
    assert_close(model.objective(bound).detach(), torch.stack(expected), **EXACT)
    own = model.infer(images).z
    joined = model.joined(own)
    shared = (joined.mean != own.mean).unflatten(1, (-1, 2))
    assert torch.equal(shared[:, :, 0], shared[:, :, 1])
    assert shared.any(-1).all()
    assert not shared.all(-1).any(), "the one that differs most is never shared"
    pairs = joined.mean.unflatten(1, (-1, 2))
    assert torch.equal(pairs[:, :, 0][shared[:, :, 0]], pairs[:, :, 1][shared[:, :, 1]])


@adaptive
def test_an_image_without_a_partner_is_as_in_the_vae(model_class: type[BaseVAE]) -> None:
    model = make(model_class)
    images, sizes = make_images(model, 3, 5), torch.tensor([[5], [2], [3]])
    mask = torch.arange(5) < sizes
    with recorded_noise() as noise:
        bound = model._training_bound(images, mask)
    for group, size in enumerate(sizes.flatten().tolist()):
        rows = slice(group, group + 1)
        with fixed_noise(noise[0][rows, :size]):
            alone = model._training_bound(images[rows, :size])
        assert_close(bound.total[rows], alone.total, **EXACT)
        if size % 2:
            with fixed_noise(noise[0][rows, size - 1 : size]):
                last = model.elbo(images[rows, size - 1 : size])
            assert_close(alone["reconstruction"][:, -1:], last["reconstruction"], **EXACT)


def test_a_pair_of_one_image_is_as_in_the_vae_and_so_is_evaluation() -> None:
    model, vae = make(AdaGVAE), make(VAE)
    vae.load_state_dict(model.state_dict())
    images = make_images(model)
    twice = images[:, :1].expand(-1, 2, -1, -1, -1)
    for ours, group in ((model._training_bound, twice), (model.elbo, images)):
        with recorded_noise() as noise:
            bound = ours(group)
        with fixed_noise(*noise):
            assert_close(dict(bound), dict(vae.elbo(group)), **EXACT)


@adaptive
def test_adaptive_models_train_on_the_bound_of_pairs(model_class: type[BaseVAE]) -> None:
    model = make(model_class, (1, 8, 8), double=False, beta=2.0).train()
    images = torch.randint(256, (G, B, 1, 8, 8), dtype=torch.uint8)
    torch.manual_seed(0)
    loss, sums = model.training_outputs(images)
    torch.manual_seed(0)
    bound = model._training_bound(model.to_unit(images))
    assert_close(loss, -(bound["reconstruction"] - 2 * bound["kl_z"]).mean())
    assert_close(sums.values[0], (bound["reconstruction"] - bound["kl_z"]).sum())
    loss.backward()
    assert all(parameter.grad.abs().max() > 0 for parameter in model.parameters())
    trainer = quiet_trainer(max_epochs=1, limit_train_batches=3, limit_val_batches=2)
    trainer.fit(model, DigitsDataModule(image_size=8, group_size=3))
    assert trainer.callback_metrics["val/elbo"].isfinite()
