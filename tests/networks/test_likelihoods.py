"""Each likelihood is a density: it integrates to 1, and agrees with a restatement. Axes: N images, C channels, H, W."""

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import ContinuousBernoulli, Normal
from torch.testing import assert_close

from ugvae.errors import ConfigError
from ugvae.networks.likelihoods import LIKELIHOODS, Likelihood, bits_per_dim, build_likelihood

LEVELS = torch.arange(256, dtype=torch.float64) / 255
LOGITS = [-40.0, -6.0, -0.7, 0.0, 1e-3, 0.09, 0.11, 2.0, 15.0]
LEARNED = ["learned_std", "discretized_logistic"]
DENSITIES = ["gaussian", "learned_std", "continuous_bernoulli"]


def make(name: str, x_std: float = 0.2) -> Likelihood:
    return build_likelihood(name, x_std).double()


def log_density(likelihood: Likelihood, pixels: Tensor, logit: float) -> Tensor:
    """Of images of one pixel each, ``(N,)``."""
    logits = torch.full((1, 1, 1), logit, dtype=pixels.dtype)
    return likelihood.log_prob(pixels.view(-1, 1, 1, 1), logits).detach()


def logistic_mass(logit: float, std: float) -> Tensor:
    """Of the 256 levels, by differences of the distribution function in float64, with both tails."""
    scale = std * math.sqrt(3) / math.pi
    edges = (torch.arange(255, dtype=torch.float64) + 0.5) / 255
    below = torch.sigmoid((edges - torch.sigmoid(torch.tensor(logit).double())) / scale)
    return torch.cat([below, torch.ones(1)]) - torch.cat([torch.zeros(1), below])


@pytest.mark.parametrize("logit", LOGITS)
@pytest.mark.parametrize("x_std", [0.02, 0.2, 1.0])
@pytest.mark.parametrize("name", DENSITIES)
def test_densities_integrate_to_one_around_their_mean(name: str, x_std: float, logit: float) -> None:
    low, high = (0.0, 1.0) if name == "continuous_bernoulli" else (-8 * x_std, 1 + 8 * x_std)
    pixels = torch.linspace(low, high, 200_001, dtype=torch.float64)
    likelihood = make(name, x_std)
    density = log_density(likelihood, pixels, logit).exp()
    assert torch.trapezoid(density, pixels).item() == pytest.approx(1, abs=1e-6)
    mean = likelihood.mean(torch.tensor(logit, dtype=torch.float64)).item()
    assert torch.trapezoid(density * pixels, pixels).item() == pytest.approx(mean, abs=1e-6)


@pytest.mark.parametrize("logit", LOGITS)
@pytest.mark.parametrize("x_std", [0.002, 0.02, 0.2, 1.0])
def test_masses_of_the_levels_add_up_to_one(x_std: float, logit: float) -> None:
    log_mass = log_density(make("discretized_logistic", x_std), LEVELS, logit) - math.log(255)
    assert log_mass.exp().sum().item() == pytest.approx(1, abs=1e-9)
    expected = logistic_mass(logit, x_std)
    assert_close(log_mass.exp(), expected, rtol=1e-5, atol=1e-12)


def test_a_narrow_density_and_the_masses_of_levels_are_comparable() -> None:
    """Of the same shape, both say the same of an image of any size: 255 is the number of steps between the levels.

    256 would add 48 nats to a 64×64 image in colour.
    """
    std = 0.05
    scale = std * math.sqrt(3) / math.pi
    levels, mean = LEVELS[80:180], torch.sigmoid(torch.tensor(0.1).double())
    away = (levels - mean) / scale
    density = torch.nn.functional.logsigmoid(away) + torch.nn.functional.logsigmoid(-away) - math.log(scale)
    assert_close(log_density(make("discretized_logistic", std), levels, 0.1), density, rtol=0, atol=1e-3)


def test_images_between_two_levels_count_as_the_nearer_one() -> None:
    likelihood = make("discretized_logistic")
    near = LEVELS + torch.empty_like(LEVELS).uniform_(-0.4, 0.4) / 255
    assert_close(log_density(likelihood, near.clamp(0, 1), 0.3), log_density(likelihood, LEVELS, 0.3))
    single = LEVELS.float()  # bytes over 255 in float32
    assert_close(
        log_density(likelihood.float(), single, 0.3), log_density(make("discretized_logistic"), LEVELS, 0.3).float()
    )


@pytest.mark.parametrize("name", DENSITIES)
def test_continuous_densities_are_those_of_torch(name: str) -> None:
    images, logits = torch.rand(5, 2, 3, 4, dtype=torch.float64), 3 * torch.randn(5, 2, 3, 4, dtype=torch.float64)
    likelihood = make(name, 0.3)
    if name == "continuous_bernoulli":
        expected = ContinuousBernoulli(logits=logits)
        assert_close(likelihood.mean(logits), expected.mean, rtol=0, atol=1e-6)
    else:
        expected = Normal(logits.sigmoid(), 0.3)
        assert_close(likelihood.mean(logits), expected.mean)
    assert_close(likelihood.log_prob(images, logits), expected.log_prob(images).sum((1, 2, 3)), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_gradients(name: str) -> None:
    likelihood = make(name)
    images = torch.rand(2, 1, 4, 5, dtype=torch.float64)
    images[0, 0, 0, :2] = torch.tensor([0.0, 1.0])
    images = (images * 255).round() / 255
    logits = torch.cat([torch.linspace(-3, 3, 20), torch.linspace(-0.12, 0.13, 20)]).double().view_as(images)
    parameters = list(likelihood.parameters())
    assert torch.autograd.gradcheck(
        lambda logits, *_: likelihood.log_prob(images, logits), (logits.requires_grad_(), *parameters)
    )
    assert torch.autograd.gradcheck(likelihood.mean, logits)
    assert len(parameters) == (name in LEARNED)


@pytest.mark.parametrize("logit", [-1e4, -300.0, -0.05, 0.0, 0.05, 300.0, 1e4])
@pytest.mark.parametrize("name", LIKELIHOODS)
def test_extreme_logits_stay_finite_in_float32(name: str, logit: float) -> None:
    likelihood = build_likelihood(name, 0.01)
    logits = torch.full((256, 1, 1, 1), logit, requires_grad=True)
    value = likelihood.log_prob(LEVELS.float().view(-1, 1, 1, 1), logits)
    value.sum().backward()
    assert value.isfinite().all()
    assert value.max() <= math.log(255) + 1e-3  # no level has more than all of the mass
    assert logits.grad.isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in likelihood.parameters())
    mean = likelihood.mean(logits)
    assert 0 <= mean.min() <= mean.max() <= 1


@pytest.mark.parametrize("name", LEARNED)
def test_the_learned_width_starts_at_x_std_and_finds_that_of_the_data(name: str) -> None:
    likelihood = make(name, 0.2)
    logits = torch.zeros(2000, 1, 1, 1, dtype=torch.float64)
    start = Normal(0.5, 0.2) if name == "learned_std" else None
    if start:
        assert_close(log_density(likelihood, LEVELS, 0.0), start.log_prob(LEVELS))
    images = ((0.5 + 0.07 * torch.randn_like(logits)).clamp(0, 1) * 255).round() / 255
    optimiser = torch.optim.LBFGS(likelihood.parameters(), max_iter=100)

    def loss() -> Tensor:
        optimiser.zero_grad()
        value = -likelihood.log_prob(images, logits).mean()
        value.backward()
        return value

    before = loss().item()
    optimiser.step(loss)
    gained = before - loss().item()
    assert gained > 0.5  # log(0.2 / 0.07) − ½ is 0.55
    if start:
        assert likelihood.std.item() == pytest.approx((images - 0.5).square().mean().sqrt().item(), rel=1e-3)


def test_a_learned_std_stays_above_one_level() -> None:
    likelihood = make("learned_std")
    with torch.no_grad():
        likelihood.log_excess.fill_(-100.0)
    assert likelihood.std.item() == pytest.approx(1 / 255)
    density = log_density(likelihood, torch.sigmoid(torch.zeros(1, dtype=torch.float64)), 0.0).exp().item()
    mass = math.erf(0.5 / math.sqrt(2))  # of half a standard deviation to either side
    assert density / 255 == pytest.approx(mass, rel=0.05)


def test_bits_per_dimension() -> None:
    uniform = 0.0  # log density of the uniform distribution on [0, 1], whatever the size of the image
    assert bits_per_dim(uniform, 3 * 64 * 64) == pytest.approx(math.log2(255))
    assert bits_per_dim(12 * math.log(255), 12) == pytest.approx(0)  # all of the mass in one level
    masses = logistic_mass(0.4, 0.1)
    nats = log_density(make("discretized_logistic", 0.1), LEVELS, 0.4)
    assert bits_per_dim((masses * nats).sum().item(), 1) == pytest.approx(-(masses * masses.log2()).sum().item())


def test_bad_settings() -> None:
    with pytest.raises(
        ConfigError, match=r"^likelihood: expected gaussian, .* or continuous_bernoulli, got 'bernoulli'"
    ):
        build_likelihood("bernoulli", 0.2)
    with pytest.raises(ConfigError, match=r"^x_std: learned_std .*0.2"):
        build_likelihood("learned_std", 1 / 255)
