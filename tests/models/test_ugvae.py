"""The bound of the UG-VAE, against the plain restatement in reference.py. Axes: G groups, B images, K components."""

import itertools
import math

import pytest
import torch
from sklearn.datasets import load_digits
from torch.distributions import Normal
from torch.testing import assert_close

from tests.helpers.reference import PlainUGVAE, copy_weights, fixed_noise, kl_normal, reference_elbo
from tests.helpers.small_ugvae import BACKBONES, BETA, SHAPES, B, G, K, Z, elbo_with, make, make_images, make_noise
from ugvae.models import UGVAE


@pytest.mark.parametrize("prior_expert", [False, True])
@pytest.mark.parametrize(("backbone", "norm"), BACKBONES)
def test_elbo_equals_reference(backbone: str, norm: str, prior_expert: bool) -> None:
    model = make(backbone, norm=norm, prior_expert=prior_expert, x_std=0.3)
    images, noise = make_images(model), make_noise(model)
    elbo, expected = elbo_with(model, images, noise), reference_elbo(model, images, *noise)
    for name, term in elbo.items():
        assert term.shape == ((G,) if name == "kl_beta" else (G, B))
        assert_close(term, expected[name], msg=lambda text, name=name: f"{name}: {text}")
    per_image = expected["reconstruction"] - expected["kl_z"] - expected["kl_d"]
    assert_close(elbo.total, per_image.sum(1) - expected["kl_beta"])
    assert_close(model.loss(elbo), -elbo.total.mean() / B)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("backbone", SHAPES)
def test_plain_model_computes_the_same(backbone: str, training: bool) -> None:
    model = make(backbone)
    plain = PlainUGVAE(SHAPES[backbone], backbone, Z, BETA, K, x_std=model.x_std).double()
    copy_weights(model, plain)
    for network in (model, plain):
        network.train(training)
    images, noise = make_images(model, 1), make_noise(model, 1)
    expected = plain.elbo(images[0], noise[0][0], noise[1][0])
    elbo = elbo_with(model, images, noise)
    for name, term in elbo.items():
        assert_close(term[0], expected[name], msg=lambda text, name=name: f"{name}: {text}")

    with fixed_noise(noise[0][0], noise[1][0]):
        loss = plain.loss(images[0])
    assert_close(loss, model.loss(elbo))
    loss.backward()
    model.loss(elbo).backward()
    assert_close(
        torch.stack([net[0].weight.grad for net in plain.prior_nets]).flatten(0, 1),
        model.mixture_prior.hidden.weight.grad,
    )
    assert_close(plain.z_net.weight.grad, model.z_head.weight.grad)


def test_local_terms_equal_brute_force_over_every_assignment_of_d() -> None:
    model = make(num_components=3)
    images, (z_noise, beta_noise) = make_images(model, 1), make_noise(model, 1)
    elbo = elbo_with(model, images, (z_noise, beta_noise))
    q_z = model.z_head(model.encode(images))
    z = q_z.mean + q_z.std * z_noise
    pi = model.d_head(z).softmax(-1)
    q_beta = model.q_beta(model.encode(images), z)
    prior = model.prior(q_beta.mean + q_beta.std * beta_noise)
    expected = torch.zeros((), dtype=torch.float64)
    for d in itertools.product(range(3), repeat=B):  # all 27 joint assignments of the three images
        log_q = sum(pi[0, i, k].log() for i, k in enumerate(d))
        divergence = sum(
            kl_normal(q_z.mean[0, i], q_z.log_var[0, i].exp(), prior.mean[0, k], prior.log_var[0, k].exp())
            for i, k in enumerate(d)
        )
        expected = expected + log_q.exp() * (divergence + log_q + B * math.log(3))
    assert_close((elbo["kl_z"] + elbo["kl_d"]).sum(), expected)


@torch.no_grad()
def test_elbo_is_the_expected_log_ratio_of_the_joint_densities() -> None:
    """E_q[log p(x, z, d, beta) − log q(z, d, beta | x)] by Monte Carlo, for a q(d | z) that ignores z.

    Where d and beta do depend on the sampled z, averaging KL(q(z) ‖ p(z | d, beta)) leaves out a covariance.
    """
    model = make(num_components=3, x_std=1.0)
    model.d_head[2].weight.zero_()
    model.d_head[2].bias.copy_(torch.tensor([1.0, 0.0, -1.0]))
    samples = 20_000
    images = make_images(model, 1).expand(samples, -1, -1, -1, -1)
    z_noise, beta_noise = make_noise(model, samples)
    total = elbo_with(model, images, (z_noise, beta_noise)).total

    q_z, pi, q_beta = model.infer(images)
    q_z, q_beta = Normal(q_z.mean, q_z.std), Normal(q_beta.mean, q_beta.std)
    z, beta = q_z.loc + q_z.scale * z_noise, q_beta.loc + q_beta.scale * beta_noise
    prior = model.prior(beta)
    components = Normal(prior.mean.unsqueeze(1), prior.std.unsqueeze(1)).log_prob(z.unsqueeze(2)).sum(-1)
    local = (pi * (components - math.log(3) - pi.log())).sum((1, 2)) - q_z.log_prob(z).sum((1, 2))
    likelihood = Normal(model.decode(z, beta), 1.0).log_prob(images).sum((1, 2, 3, 4))
    ratio = likelihood + local + (Normal(0.0, 1.0).log_prob(beta) - q_beta.log_prob(beta)).sum(1)
    difference = total - ratio
    error = difference.std() / samples**0.5
    assert error < 0.05
    assert abs(difference.mean()) < 5 * error


def test_one_component_has_no_kl_d() -> None:
    model = make(num_components=1)
    elbo = model.elbo(make_images(model))
    assert torch.equal(elbo["kl_d"], torch.zeros(G, B, dtype=torch.float64))
    assert elbo["kl_z"].min() > 0


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(("backbone", "norm"), BACKBONES)
def test_groups_do_not_see_each_other(backbone: str, norm: str, training: bool) -> None:
    coupled = training and (backbone, norm) == ("conv", "batch")  # why evaluation always runs in eval mode
    model = make(backbone, norm=norm).train(training)
    images, noise = make_images(model), make_noise(model)
    other = torch.cat([images[:1], 1 - images[1:] ** 2])
    before, after = elbo_with(model, images, noise), elbo_with(model, other, noise)
    for name, first in before.items():
        second = after[name]
        assert torch.allclose(first[0], second[0], rtol=1e-12, atol=1e-12) != coupled
        assert not torch.allclose(first[1], second[1])


def test_images_share_beta_within_a_group_in_any_order() -> None:
    model = make("conv")
    images, order = make_images(model, size=6), torch.randperm(6)
    before, after = model.infer(images), model.infer(images[:, order])
    assert_close(before.beta, after.beta)
    assert_close(before.z.mean[:, order], after.z.mean)
    assert_close(before.d[:, order], after.d)
    changed = images.clone()
    changed[0, 3] = 0
    assert not torch.allclose(model.infer(changed).beta.mean[0], before.beta.mean[0])


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(("backbone", "norm"), BACKBONES)
def test_every_parameter_learns(backbone: str, norm: str, training: bool) -> None:
    model = make(backbone, norm=norm).train(training)
    model.loss(model.elbo(make_images(model, 2, 8))).backward()
    before_batch_norm = {f"encoder.{i}.bias" for i in (0, 3, 6)} if backbone == "conv" and norm == "batch" else set()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        if not training or name not in before_batch_norm:  # in training BatchNorm takes such a bias away again
            assert parameter.grad.abs().max() > 1e-9, name
    for gradient in (model.mixture_prior.weight.grad, model.mixture_prior.hidden.weight.grad.unflatten(0, (K, -1))):
        assert (gradient.abs().amax((1, 2)) > 1e-9).all()  # each of the K networks


def test_loss_falls_on_real_images() -> None:
    images = torch.tensor(load_digits().images, dtype=torch.float32).div(16).view(-1, 1, 1, 8, 8)
    model = UGVAE((1, 8, 8), z_dim=4, beta_dim=4, num_components=3)
    optimiser, losses = torch.optim.Adam(model.parameters(), model.learning_rate), []
    for _ in range(60):
        loss = model.loss(model.elbo(images[torch.randint(1500, (2, 32))].squeeze(2)))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    held_out = model.eval().elbo(images[1500:1756].view(8, 32, 1, 8, 8))
    mean_image = Normal(images[:1500].mean(0), model.x_std).log_prob(images[1500:1756]).sum((1, 2, 3, 4)).mean()
    assert losses[-1] < losses[0] - 50
    assert -model.loss(held_out) > mean_image  # nats: better than a decoder that ignores its input


EXTREME = {
    "zeros": lambda shape: torch.zeros(2, 4, *shape),
    "ones": lambda shape: torch.ones(2, 4, *shape),
    "one image repeated": lambda shape: torch.rand(shape).expand(2, 4, *shape),
    "groups of one": lambda shape: torch.rand(2, 1, *shape),
    "a large group": lambda shape: torch.rand(1, 1024, *shape),
}


@pytest.mark.parametrize("components", [1, K])
@pytest.mark.parametrize("name", EXTREME)
@pytest.mark.parametrize(("backbone", "norm"), [("mlp", "batch"), ("conv", "batch"), ("conv", "group")])
def test_extreme_images(backbone: str, norm: str, name: str, components: int) -> None:
    model = make(backbone, norm=norm, num_components=components, double=False).train()
    elbo = model.elbo(EXTREME[name](model.image_shape))
    model.loss(elbo).backward()
    assert all(term.isfinite().all() for term in (*elbo.values(), *(p.grad for p in model.parameters())))
    assert min(term.min() for term in (elbo["kl_z"], elbo["kl_d"], elbo["kl_beta"])) >= -1e-5
