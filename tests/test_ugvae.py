"""The UG-VAE itself, against the plain restatement in reference.py. Axes: G groups, B images, K components."""

import itertools
import math
from pathlib import Path

import pytest
import torch
from pytorch_lightning import Trainer
from sklearn.datasets import load_digits
from torch import Tensor
from torch.distributions import Normal
from torch.testing import assert_close

from tests.reference import PlainUGVAE, copy_weights, fixed_noise, kl_normal, reference_elbo
from ugvae.errors import ConfigError
from ugvae.models import ELBO, UGVAE

G, B, Z, BETA, K = 2, 3, 3, 4, 5
SHAPES = {"mlp": (2, 5, 7), "conv": (2, 16, 16)}
BACKBONES = [("mlp", "batch"), ("conv", "batch"), ("conv", "group"), ("conv", "none")]


def make(backbone: str = "mlp", double: bool = True, **settings) -> UGVAE:
    """A small model in eval mode; a BatchNorm has seen some images, so that its statistics matter."""
    settings = {"z_dim": Z, "beta_dim": BETA, "num_components": K, **settings}
    model = UGVAE(SHAPES[backbone], backbone=backbone, **settings)
    model.to(torch.float64 if double else torch.float32)
    with torch.no_grad():
        model.elbo(make_images(model, 2, 16))
    return model.eval()


def make_images(model: UGVAE, groups: int = G, size: int = B) -> Tensor:
    return torch.rand(groups, size, *model.image_shape, dtype=model.dtype)


def make_noise(model: UGVAE, groups: int = G, size: int = B) -> tuple[Tensor, Tensor]:
    draw = torch.randn(groups, size, model.z_dim, dtype=model.dtype)
    return draw, torch.randn(groups, model.beta_dim, dtype=model.dtype)


def elbo_with(model: UGVAE, images: Tensor, noise: tuple[Tensor, Tensor]) -> ELBO:
    with fixed_noise(*noise):
        return model.elbo(images)


@pytest.mark.parametrize("prior_expert", [False, True])
@pytest.mark.parametrize(("backbone", "norm"), BACKBONES)
def test_elbo_equals_reference(backbone: str, norm: str, prior_expert: bool) -> None:
    model = make(backbone, norm=norm, prior_expert=prior_expert, x_std=0.3)
    images, noise = make_images(model), make_noise(model)
    elbo, expected = elbo_with(model, images, noise), reference_elbo(model, images, *noise)
    for name, term in elbo._asdict().items():
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
    for name, term in elbo._asdict().items():
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
    q_z = model.z_head(model._encode(images))
    pi = model.d_head(q_z.mean + q_z.std * z_noise).softmax(-1)
    q_beta = model._global_posterior(model._encode(images), pi)
    prior = model.prior(q_beta.mean + q_beta.std * beta_noise)
    expected = torch.zeros((), dtype=torch.float64)
    for d in itertools.product(range(3), repeat=B):  # all 27 joint assignments of the three images
        log_q = sum(pi[0, i, k].log() for i, k in enumerate(d))
        divergence = sum(
            kl_normal(q_z.mean[0, i], q_z.log_var[0, i].exp(), prior.mean[0, k], prior.log_var[0, k].exp())
            for i, k in enumerate(d)
        )
        expected = expected + log_q.exp() * (divergence + log_q + B * math.log(3))
    assert_close((elbo.kl_z + elbo.kl_d).sum(), expected)


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
    assert torch.equal(elbo.kl_d, torch.zeros(G, B, dtype=torch.float64))
    assert elbo.kl_z.min() > 0


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(("backbone", "norm"), BACKBONES)
def test_groups_do_not_see_each_other(backbone: str, norm: str, training: bool) -> None:
    coupled = training and (backbone, norm) == ("conv", "batch")  # why evaluation always runs in eval mode
    model = make(backbone, norm=norm).train(training)
    images, noise = make_images(model), make_noise(model)
    other = torch.cat([images[:1], 1 - images[1:] ** 2])
    before, after = elbo_with(model, images, noise), elbo_with(model, other, noise)
    for first, second in zip(before, after, strict=True):
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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x[0], r"expected \(G, B, 2, 5, 7\).*got \(3, 2, 5, 7\)"),
        (lambda x: x[:, :, :1], r"expected \(G, B, 2, 5, 7\).*got \(2, 3, 1, 5, 7\)"),
        (lambda x: x.mT, r"got \(2, 3, 2, 7, 5\)"),
        (lambda x: x[:0], r"G, B ≥ 1, got \(0, 3, 2, 5, 7\)"),
        (lambda x: x[:, :0], r"G, B ≥ 1, got \(2, 0, 2, 5, 7\)"),
        (lambda x: (255 * x).byte(), r"uint8.*255"),
        (lambda x: 255 * x, r"\[0, 1\], got .* to 2\d\d"),
        (lambda x: x - 1, r"\[0, 1\], got -"),
        (lambda x: torch.where(x == x.max(), math.nan, x), r"\[0, 1\], got nan"),
        (lambda x: torch.where(x == x.max(), math.inf, x), r"\[0, 1\], got .*inf"),
    ],
)
def test_bad_images(change, message: str) -> None:
    model = make()
    images = change(make_images(model))
    beta = torch.zeros(len(images), BETA, dtype=torch.float64)
    for use in (model.elbo, model.infer, lambda x: model.translate(x, beta, beta)):
        with pytest.raises(ValueError, match=f"^images: .*{message}"):
            use(images)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *itertools.product(["z_dim", "beta_dim", "num_components", "x_std", "learning_rate"], [0, -1, math.nan]),
        *itertools.product(["image_shape"], [(28, 28), (1, 0, 28), ()]),
        *[("backbone", "resnet"), ("norm", "layer")],
    ],
)
def test_bad_settings_name_the_key(key: str, value) -> None:
    with pytest.raises(ConfigError, match=f"^{key}: "):
        UGVAE(**{"image_shape": (1, 28, 28), key: value})


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
    assert_close(model.translate(images, source, target, transport=False), model.decode(posterior.z.mean, target))

    here, there = model.prior(source), model.prior(target)
    z = torch.zeros(G, B, Z, dtype=torch.float64)
    for g, i, k in itertools.product(range(G), range(B), range(K)):
        scale = (there.log_var[g, k].exp() / here.log_var[g, k].exp()).sqrt()
        z[g, i] += posterior.d[g, i, k] * (there.mean[g, k] + scale * (posterior.z.mean[g, i] - here.mean[g, k]))
    assert_close(model.translate(images, source, target), model.decode(z, target))
    assert not torch.allclose(z, posterior.z.mean, atol=1e-3)


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
    assert all(term.isfinite().all() for term in (*elbo, *(p.grad for p in model.parameters())))
    assert min(term.min() for term in (elbo.kl_z, elbo.kl_d, elbo.kl_beta)) >= -1e-5


def test_training_step_takes_bytes_and_autocast_keeps_float32() -> None:
    model = make("conv", double=False)
    batch = {"image": torch.randint(256, (G, B, 2, 16, 16), dtype=torch.uint8), "index": torch.zeros(G, B)}
    noise, kept = make_noise(model), batch["image"].clone()
    exact = elbo_with(model, kept / 255, noise)
    with fixed_noise(*noise):
        assert_close(model.training_step(batch, 0), model.loss(exact))
    assert torch.equal(batch["image"], kept)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = elbo_with(model, kept / 255, noise)
    assert {term.dtype for term in half} == {torch.float32}
    for term, expected in zip(half, exact, strict=True):
        assert_close(term, expected, rtol=0.05, atol=0.05)


def test_checkpoint_holds_plain_types(tmp_path: Path) -> None:
    settings = {"z_dim": Z, "beta_dim": BETA, "num_components": K, "x_std": 0.3, "backbone": "conv", "norm": "group"}
    model = UGVAE((2, 16, 16), **settings, prior_expert=True).eval()
    hparams = dict(model.hparams)
    assert settings.items() <= hparams.items()
    assert "latent_dim" not in hparams
    for value in hparams.values():
        assert type(value) in (int, float, str, bool, tuple, list, type(None))

    torch.save({"hparams": hparams, "weights": model.state_dict()}, tmp_path / "plain.pt")
    saved = torch.load(tmp_path / "plain.pt", weights_only=True)
    again = UGVAE(**saved["hparams"]).eval()
    again.load_state_dict(saved["weights"])

    trainer = Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False)
    trainer.strategy.connect(model)
    trainer.save_checkpoint(tmp_path / "lightning.ckpt")
    loaded = UGVAE.load_from_checkpoint(tmp_path / "lightning.ckpt", map_location="cpu", weights_only=True).eval()

    images = make_images(model)
    for other in (again, loaded):
        assert other.prior_expert
        assert other.x_std == 0.3
        assert_close(other.infer(images).beta, model.infer(images).beta)
