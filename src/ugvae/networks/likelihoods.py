"""The likelihoods p(x | logits): what the decoder's output says of the pixels of an image.

An image holds 256 grey levels k, as x = k / 255. Neighbours lie 1/255 apart, so a density p of x gives a level the mass
p / 255. All likelihoods here are densities of x in that sense, and their nats can be compared: that of discrete levels
is their mass times 255. (255 and not 256, as there are 255 steps from 0 to 1: with 256, each 64×64 colour image would
seem 48 nats more probable.) A bound in nats per image becomes bits per dimension by ``bits_per_dim``.

A density of data with few values can grow without end where pixels do not vary. So what is learned here stays where no
level has a mass p / 255 above 1.

Axes: C channels, H and W pixels; ``...`` any leading axes, by which images and logits may broadcast.
"""

import math
from abc import abstractmethod

import torch
from torch import Tensor, nn
from torch.nn.functional import hardtanh, logsigmoid

from ugvae.distributions import image_log_likelihood
from ugvae.errors import ConfigError, check_choice

STEPS = 255  # from black to white
LOG_STEPS = math.log(STEPS)  # nats per dimension from the mass of a level to a density of x in [0, 1]
IMAGE = (-3, -2, -1)  # axes


class Likelihood(nn.Module):
    """Base: the mean image is the sigmoid of the logits."""

    def mean(self, logits: Tensor) -> Tensor:
        """The mean image ``(..., C, H, W)`` in [0, 1]."""
        return logits.sigmoid()

    @abstractmethod
    def log_prob(self, images: Tensor, logits: Tensor) -> Tensor:
        """Log density of images ``(..., C, H, W)`` in [0, 1], nats per image ``(...)``."""


class Gaussian(Likelihood):
    """N(x; mean, σ_x² I), the paper's.

    Args:
        x_std: σ_x.
    """

    def __init__(self, x_std: float) -> None:
        super().__init__()
        self.x_std = x_std

    def log_prob(self, images: Tensor, logits: Tensor) -> Tensor:
        return image_log_likelihood(images, self.mean(logits), self.x_std)


class LearnedGaussian(Likelihood):
    """N(x; mean, σ² I) with a learned σ, one for all pixels and channels (Rybkin et al. 2021, arXiv:2006.13202).

    At its optimum σ² is the mean squared error. One σ, as it then stays a number to hold against ``x_std``, and the
    errors of the three colours of a photograph are alike. It stays above 1/255, one level: there the density over 255
    is the mass of a level within 4 %, and a smaller σ would tell of the grey levels, not of the images.

    Args:
        x_std: where σ starts, above 1/255.
    """

    def __init__(self, x_std: float) -> None:
        super().__init__()
        if not x_std > 1 / STEPS:
            raise ConfigError(f"x_std: learned_std starts there, and σ stays above 1/{STEPS}; got {x_std}, try 0.2")
        self.log_excess = nn.Parameter(torch.tensor(math.log(x_std - 1 / STEPS)))

    @property
    def std(self) -> Tensor:
        """σ, a scalar."""
        return 1 / STEPS + self.log_excess.exp()

    def log_prob(self, images: Tensor, logits: Tensor) -> Tensor:
        return image_log_likelihood(images, self.mean(logits), self.std)


class DiscretizedLogistic(Likelihood):
    """A logistic distribution cut into the 256 levels (Kingma et al. 2016, arXiv:1606.04934), times 255.

    P(k) = F(k + ½) − F(k − ½) with F the logistic distribution function around 255 · mean, of a learned scale that all
    pixels share; the tails beyond 0 and 255 belong to these levels. Images between two levels count as the nearer one.
    The mean is that of the logistic distribution before its tails are folded in.

    In logarithms: F(a) − F(b) = F(a) (1 − F(b)) (1 − e^(b − a)), where a − b is one step over the scale.

    Args:
        x_std: where the standard deviation of the logistic distribution starts.
    """

    def __init__(self, x_std: float) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(math.log(STEPS * x_std * math.sqrt(3) / math.pi)))  # in levels

    def log_prob(self, images: Tensor, logits: Tensor) -> Tensor:
        level, scale = (STEPS * images).round(), self.log_scale.exp()
        distance = level - STEPS * self.mean(logits)
        below = logsigmoid((distance + 0.5) / scale).where(level < STEPS, 0.0)
        above = logsigmoid((0.5 - distance) / scale).where(level > 0, 0.0)
        inner = (-torch.expm1(-1 / scale)).log().where((level > 0) & (level < STEPS), 0.0)
        return (below + above + inner + LOG_STEPS).sum(IMAGE)


class ContinuousBernoulli(Likelihood):
    """p(x) = e^(ηx) η / (e^η − 1) on [0, 1] (Loaiza-Ganem & Cunningham 2019, arXiv:1907.06845); the logits are η.

    Often e^(ηx) / (1 + e^η), the Bernoulli distribution's mass of 0 and 1, is taken of grey levels. That integrates to
    less than 1, so it is no density of them; the constant of this one makes it a density. |η| stays below 255: there
    the density at black or white has all its mass in one level.
    """

    def mean(self, logits: Tensor) -> Tensor:
        """1 / (1 − e^(−η)) − 1 / η = ½ + ½ (coth ½η − 1 / ½η)."""
        half = 0.5 * hardtanh(logits, -STEPS, STEPS)
        small, far = half.abs() < SERIES, half.where(half.abs() >= SERIES, 1.0)
        return 0.5 + 0.5 * torch.where(small, half / 3 - half**3 / 45, 1 / far.tanh() - 1 / far)

    def log_prob(self, images: Tensor, logits: Tensor) -> Tensor:
        half = 0.5 * hardtanh(logits, -STEPS, STEPS)
        small, far = half.abs() < SERIES, half.abs().where(half.abs() >= SERIES, 1.0)
        # log(sinh h / h), without the overflow of sinh
        constant = torch.where(small, half**2 / 6 - half**4 / 180, far + ((1 - (-2 * far).exp()) / (2 * far)).log())
        return (half * (2 * images - 1) - constant).sum(IMAGE)


SERIES = 0.05  # below it series to the fourth order, within 1e-9, replace differences of large numbers


def build_likelihood(name: str, x_std: float) -> Likelihood:
    """The likelihood of that name.

    Args:
        name: ``gaussian``, ``learned_std``, ``discretized_logistic`` or ``continuous_bernoulli``.
        x_std: σ_x of the first, where the next two start; without effect on the last.

    Raises:
        ConfigError: unknown name, or an ``x_std`` from which it cannot start.
    """
    check_choice("likelihood", name, LIKELIHOODS)
    return ContinuousBernoulli() if name == "continuous_bernoulli" else LIKELIHOODS[name](x_std)


LIKELIHOODS: dict[str, type[Likelihood]] = {
    "gaussian": Gaussian,
    "learned_std": LearnedGaussian,
    "discretized_logistic": DiscretizedLogistic,
    "continuous_bernoulli": ContinuousBernoulli,
}


def bits_per_dim(nats: float, dims: int) -> float:
    """A log density of images as bits that their grey levels take: −log₂ of the mass of a level, per dimension.

    Args:
        nats: log density per image, or a bound on it.
        dims: C · H · W.
    """
    return (LOG_STEPS - nats / dims) / math.log(2)
