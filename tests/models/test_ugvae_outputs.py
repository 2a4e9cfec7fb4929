"""What a UG-VAE gives back: posteriors, samples, decoded and translated images. Axes: G groups, B images."""

import itertools

import pytest
import torch
from torch.testing import assert_close

from tests.helpers.reference import fixed_noise
from tests.helpers.small_ugvae import BETA, SHAPES, B, G, K, Z, make, make_images


def test_infer() -> None:
    model = make()
    images = make_images(model)
    posterior, again = model.infer(images), model.infer(images)
    assert posterior.z.mean.shape == posterior.z.log_var.shape == (G, B, Z)
    assert posterior.beta.mean.shape == posterior.beta.log_var.shape == (G, BETA)
    assert_close(posterior.d.sum(-1), torch.ones(G, B, dtype=torch.float64))
    assert all(torch.equal(a, b) for a, b in zip((*posterior.z, posterior.d), (*again.z, again.d), strict=True))
    assert torch.equal(posterior.beta.mean, again.beta.mean)
    assert_close(posterior.d, model.d_head(posterior.z.mean).softmax(-1))


@torch.no_grad()
def test_sample() -> None:
    model = make()
    images = model.sample(4, 6)
    assert images.shape == (4, 6, *model.image_shape)
    for component in (-1, K):
        with pytest.raises(ValueError, match=f"^component: expected 0 to {K - 1}, got {component}"):
            model.sample(1, 1, component)
    for k in range(K):
        torch.manual_seed(k)
        beta = torch.randn(4, BETA, dtype=torch.float64)
        centre = model.prior(beta).mean[:, k : k + 1].expand(4, 6, Z)
        torch.manual_seed(k)
        with fixed_noise(torch.zeros(4, 6, Z, dtype=torch.float64)):
            assert_close(model.sample(4, 6, component=k), model.decode(centre, beta))
        with fixed_noise(torch.zeros(4, 6, Z, dtype=torch.float64)):
            given = model.sample(4, 6, k, beta + 1)
        assert_close(given, model.decode(model.prior(beta + 1).mean[:, [k] * 6], beta + 1))


@torch.no_grad()
def test_sample_draws_every_component_alike() -> None:
    model = make()
    with fixed_noise(torch.zeros(1, 5000, Z, dtype=torch.float64)):
        images = model.sample(1, 5000)
    counts = images.flatten(0, 1).flatten(1).unique(dim=0, return_counts=True)[1]
    assert len(counts) == K
    assert (counts - 1000).abs().max() < 150  # five standard deviations


@pytest.mark.parametrize("backbone", SHAPES)
def test_decode(backbone: str) -> None:
    model = make(backbone)
    z, beta = 1e4 * torch.randn(G, B, Z, dtype=torch.float64), torch.randn(G, BETA, dtype=torch.float64)
    images = model.decode(z, beta)
    assert images.shape == (G, B, *model.image_shape)
    assert 0 <= images.min() <= images.max() <= 1
    z = z / 1e4
    assert_close(model.decode(z, beta)[1, 2], torch.sigmoid(model.decoder(torch.cat([z[1, 2], beta[1]])[None])[0]))


def test_translate() -> None:
    model = make("conv")
    images, (source, target) = make_images(model), 2 * torch.randn(2, G, BETA, dtype=torch.float64)
    posterior = model.infer(images)
    for transport in (False, True):
        same = model.translate(images, source, source, transport)
        assert_close(same, model.decode(posterior.z.mean, source))
    assert_close(model.translate(images, source, target, way="fixed"), model.decode(posterior.z.mean, target))

    here, there = model.prior(source), model.prior(target)
    z = torch.zeros(G, B, Z, dtype=torch.float64)
    for g, i, k in itertools.product(range(G), range(B), range(K)):
        scale = (there.log_var[g, k].exp() / here.log_var[g, k].exp()).sqrt()
        z[g, i] += posterior.d[g, i, k] * (there.mean[g, k] + scale * (posterior.z.mean[g, i] - here.mean[g, k]))
    assert_close(model.translate(images, source, target), model.decode(z, target))
    assert not torch.allclose(z, posterior.z.mean, atol=1e-3)
