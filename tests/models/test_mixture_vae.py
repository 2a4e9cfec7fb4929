"""Mixture priors that nothing drives: where they are other models, and that their bound is one. Axes: K components."""

import math

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from tests.helpers.reference import fixed_noise, recorded_noise
from tests.helpers.reference_models import mixture_components
from tests.helpers.small_models import B, G, make, make_images
from ugvae.distributions import DiagonalGaussian, component_kl, mixture_log_prob
from ugvae.models import VAE, BaseVAE, Bound, GMMPriorVAE, VampPriorVAE

MIXTURES = [GMMPriorVAE, VampPriorVAE]
SHARED = ("encoder", "decoder", "z_head")


def bounds_with_the_same_noise(models: tuple[BaseVAE, BaseVAE], images: Tensor) -> tuple[Bound, Bound]:
    with recorded_noise() as noise:
        first = models[0].elbo(images)
    with fixed_noise(*noise):
        return first, models[1].elbo(images)


def with_the_networks_of(model: BaseVAE, other: BaseVAE) -> BaseVAE:
    for name in SHARED:
        getattr(other, name).load_state_dict(getattr(model, name).state_dict())
    return other


def test_one_component_starts_as_the_vae() -> None:
    mixture = make(GMMPriorVAE, num_components=1)
    vae = with_the_networks_of(mixture, make(VAE))
    ours, expected = bounds_with_the_same_noise((mixture, vae), make_images(vae))
    assert not ours["kl_d"].any()
    assert_close({name: ours[name] for name in expected}, dict(expected), rtol=0, atol=1e-12)
    for bound in (ours, expected):
        bound.total.sum().backward()
    for name in SHARED:
        for one, other in zip(getattr(mixture, name).parameters(), getattr(vae, name).parameters(), strict=True):
            assert_close(one.grad, other.grad)


@torch.no_grad()
def test_one_component_anywhere_is_the_vae_of_another_scale() -> None:
    """z = m + s · z' with z' ~ N(0, I): the same bound from a VAE whose layers next to z undo the map."""
    mixture = make(GMMPriorVAE, num_components=1)
    mixture.prior_mean.normal_()
    mixture.prior_log_var.normal_()
    vae = with_the_networks_of(mixture, make(VAE))
    mean, log_var = (part[0] for part in mixture.components())
    std, first, dim = (0.5 * log_var).exp(), vae.decoder[0], vae.z_dim
    first.bias += first.weight @ mean
    first.weight *= std
    vae.z_head.bias[:dim] -= mean
    vae.z_head.bias[:dim] /= std
    vae.z_head.weight[:dim] /= std.unsqueeze(1)
    vae.z_head.bias[dim:] -= log_var
    ours, expected = bounds_with_the_same_noise((mixture, vae), make_images(vae))
    assert_close({name: ours[name] for name in expected}, dict(expected))


@torch.no_grad()
def test_vamp_prior_is_the_mixture_of_the_posteriors_of_its_pseudo_inputs() -> None:
    vamp = make(VampPriorVAE)
    assert 0 < vamp.pseudo_inputs.min() < vamp.pseudo_inputs.max() < 1
    mixture = with_the_networks_of(vamp, make(GMMPriorVAE, num_components=vamp.num_components))
    posterior = vamp.infer(vamp.pseudo_inputs.unsqueeze(0)).z
    mixture.prior_mean.copy_(posterior.mean[0])
    mixture.prior_log_var.copy_(posterior.log_var[0].atanh())
    images = make_images(vamp)
    ours, expected = bounds_with_the_same_noise((vamp, mixture), images)
    assert_close(dict(ours), dict(expected))
    assert_close(vamp.infer(images).d, mixture.infer(images).d)


@pytest.mark.parametrize("model_class", MIXTURES)
@torch.no_grad()
def test_the_terms_are_at_their_least_and_above_the_divergence_from_the_mixture(model_class: type[BaseVAE]) -> None:
    """Of all q(d | x) the closed form is the best one, and it stays above KL(q ‖ mixture), here by Monte Carlo."""
    model = make(model_class)
    for parameter in model.z_head.parameters():
        parameter.mul_(4)  # components and posteriors that lie apart
    images = make_images(model)
    bound, q_z, components = model.elbo(images), model.infer(images).z, model.components()
    divergence = bound["kl_z"] + bound["kl_d"]
    kl = component_kl(q_z, components)
    assert_close(divergence, math.log(model.num_components) - (-kl).logsumexp(-1))
    for _ in range(50):
        pi = (torch.randn_like(kl) - kl).softmax(-1)
        assert ((pi * (kl + pi.log())).sum(-1) + math.log(model.num_components) > divergence).all()
    draws = DiagonalGaussian(*(part.expand(20_000, -1, -1, -1) for part in q_z))
    z = draws.sample()
    ratio = draws.log_prob(z) - mixture_log_prob(z, components)
    error = ratio.std(0) / len(ratio) ** 0.5
    assert (ratio.mean(0) < divergence + 4 * error).all()
    assert (error < 0.1 * divergence).all()


@pytest.mark.parametrize("model_class", MIXTURES)
@torch.no_grad()
def test_samples_of_a_component_are_around_its_mean(model_class: type[BaseVAE]) -> None:
    model = make(model_class)
    for k, (mean, _) in enumerate(mixture_components(model)):
        with fixed_noise(torch.zeros(2, 3, model.z_dim, dtype=torch.float64)):
            assert_close(model.sample(2, 3, component=k), model.decode(mean.expand(2, 3, -1)))


def test_images_and_pseudo_inputs_have_the_statistics_of_batchnorm_in_common() -> None:
    """In one pass, without the images that a mask leaves out; afterwards each alone gives what both gave."""
    model = make(VampPriorVAE, (1, 8, 8), backbone="conv").train()
    other = make(VampPriorVAE, (1, 8, 8), backbone="conv").train()
    other.load_state_dict(model.state_dict())
    images, mask = make_images(model), torch.ones(G, B, dtype=torch.bool)
    mask[1, 2:] = False
    h, components = model.features_and_components(images, mask)
    together = other.encoder(torch.cat([images[mask], other.pseudo_inputs]))
    assert_close(h[mask], together[: int(mask.sum())])
    assert_close(components, model.z_head(together[int(mask.sum()) :]))
    for name, buffer in model.named_buffers():
        assert_close(buffer, other.get_buffer(name))
    model.eval()
    assert_close(model.features_and_components(images), (model.encode(images), model.components()))
