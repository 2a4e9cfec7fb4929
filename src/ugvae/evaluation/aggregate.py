"""Where beta is: the aggregated posterior of groups, its principal axes, and what part of KL_beta is information.

The aggregated posterior is the mixture (1/N) Σ_n q(beta | X_n, Z_n) of the posteriors of N groups. Its samples are
betas of the kind that the decoder has seen; draws of N(0, I) need not be.

Axes: N groups, D beta_dim, A principal axes, R steps of a walk.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ugvae.distributions import DiagonalGaussian, component_log_prob, kl_standard_normal

DRAWS = 4096  # of the aggregate, in all: the standard error is about 0.02 nats
DRAWS_AT_ONCE = 512  # bounds the memory: each is weighed under all N posteriors
NEAR = 0.5  # nats below log N: there the number of groups limits what shows
LEVELS = (0.05, 0.95)  # quantiles of the aggregate from which a walk goes to which
AXES = 5  # principal axes that are shown, at most
HALVINGS = 80  # of the interval of the scale: to the last digit of a double
SMALLEST, LARGEST = -8.0, 16.0  # decimal logarithms of the scales that are tried


@dataclass(frozen=True)
class Information:
    """KL_beta in its two parts (Hoffman, Johnson 2016), nats per group.

    mean KL(q_n ‖ N(0, I)) = I(beta; group) + KL(aggregate ‖ N(0, I)). The aggregate is the mixture of the N posteriors.
    Its density is exact, and the mean over it is by samples with a fixed seed.

    Attributes:
        information: I(beta; group), the mean KL(q_n ‖ aggregate). It cannot exceed ``most``: near it, it is a lower
            bound of what beta knows.
        mismatch: KL(aggregate ‖ N(0, I)), the rest.
        error: standard error of both, of the samples.
        most: log N.
        gaussian: the mean KL(q_n ‖ Gaussian with the mean and covariance of the aggregate), in closed form. It is an
            upper bound of the information, and N does not limit it.
    """

    information: float
    mismatch: float
    error: float
    most: float
    gaussian: float

    @property
    def limited(self) -> bool:
        """Whether the number of groups limits the information that shows: then beta may know more."""
        return self.most - self.information < NEAR

    def __str__(self) -> str:
        above, below = ("≥ ", "≤ ") if self.limited else ("", "")
        return f"information {above}{self.information:.1f} + mismatch {below}{self.mismatch:.1f}"


@torch.no_grad()
def information(q: DiagonalGaussian, seed: int = 0) -> Information:
    """How much the posteriors ``(N, D)`` of N ≥ 2 groups tell of which group it is, and where they are.

    Args:
        q: one posterior per group.
        seed: of the samples.
    """
    q = DiagonalGaussian(q.mean.double(), q.log_var.double())
    samples, groups = _samples(q, seed), len(q.mean)
    own = q.log_prob(samples).flatten()
    parts = samples.flatten(0, 1).split(DRAWS_AT_ONCE)
    aggregate = torch.cat([component_log_prob(part, q).logsumexp(1) for part in parts]) - math.log(groups)
    ratio = own - aggregate
    known = float(ratio.mean())
    return Information(
        information=known,
        mismatch=float(kl_standard_normal(q).mean()) - known,
        error=float(ratio.std() / len(ratio) ** 0.5),
        most=math.log(groups),
        gaussian=gaussian_information(q),
    )


def _samples(q: DiagonalGaussian, seed: int) -> Tensor:
    """About 4,096 samples of the aggregate, as many of each posterior ``(N, D)``, ``(S, N, D)``."""
    shape = -(-DRAWS // len(q.mean)), *q.mean.shape
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return q.mean + q.std * noise.to(q.mean)


def gaussian_information(q: DiagonalGaussian, scale: float = 1.0) -> float:
    """Mean KL of posteriors ``(N, D)`` to the Gaussian with the mean and covariance of their mixture, nats per group.

    ½ log det(V + C) − ½ mean Σ log σ², where V is the mean variance of the posteriors and C the covariance of their
    means. The mixture lies below the Gaussian in entropy, so this is at least I(beta; group).

    Args:
        q: one posterior per group.
        scale: of the means.
    """
    constant, spread = _spectrum(q)
    return constant + 0.5 * float((scale**2 * spread).log1p().sum())


def matched_scale(q: DiagonalGaussian, nats: float) -> float | None:
    """The factor of the means at which posteriors ``(N, D)`` have a given ``gaussian_information``, by bisection.

    The Gaussian estimate is taken, and not that of the mixture, which no scale lifts above log N.

    Args:
        q: one posterior per group.
        nats: the information to be reached, per group.

    Returns:
        the scale; 0 where the variances alone carry that much; None where the means do not differ at all.
    """
    constant, spread = _spectrum(q)

    def reached(exponent: float) -> float:
        return constant + 0.5 * float((100**exponent * spread).log1p().sum())

    low, high = SMALLEST, LARGEST
    if reached(low) >= nats:
        return 0.0
    if reached(high) < nats:
        return None
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if reached(middle) < nats else (low, middle)
    return 10**high


def _spectrum(q: DiagonalGaussian) -> tuple[float, Tensor]:
    """The information that the variances alone carry, and the eigenvalues ``(D,)`` of C relative to V."""
    variance = q.log_var.double().exp().mean(0)
    constant = 0.5 * float((variance.log() - q.log_var.double().mean(0)).sum())
    centred = (q.mean.double() - q.mean.double().mean(0)) / variance.sqrt()
    return constant, torch.linalg.eigvalsh(centred.T @ centred / len(centred)).clamp(min=0)


class PrincipalAxes(NamedTuple):
    """The axes along which the posterior means of groups differ most, and where the aggregated posterior lies on them.

    Attributes:
        mean: of the aggregate, ``(D,)``.
        directions: of unit length, ``(A, D)``.
        places: samples of the aggregate along each axis, relative to the mean, ``(samples, A)``.
        shares: of the variance between the means, ``(A,)``; all 0 if they do not differ.
    """

    mean: Tensor
    directions: Tensor
    places: Tensor
    shares: Tensor

    def walk(self, axis: int, steps: int) -> Tensor:
        """Betas ``(R, D)`` along an axis at equal steps of its quantiles, from 0.05 to 0.95."""
        levels = torch.linspace(*LEVELS, steps, dtype=self.places.dtype)
        return self.mean + self.places[:, axis].quantile(levels).unsqueeze(1) * self.directions[axis]


def principal_axes(q: DiagonalGaussian, seed: int = 0) -> PrincipalAxes:
    """The principal axes of the posterior means of N ≥ 2 groups, ``q (N, D)``, with samples of the aggregate on them.

    The axes are those of the means, and not of the samples: the width of the posteriors is alike in all groups, and
    where it is large it would hide the directions in which they differ.

    Args:
        q: one posterior per group.
        seed: of the samples.
    """
    q = DiagonalGaussian(q.mean.double(), q.log_var.double())
    samples = _samples(q, seed).flatten(0, 1)
    mean = samples.mean(0)
    _, sizes, directions = torch.linalg.svd(q.mean - q.mean.mean(0), full_matrices=False)
    variances = sizes.square()
    largest = directions.gather(1, directions.abs().argmax(1, keepdim=True))
    directions = (directions * largest.sign())[:AXES]  # a direction and its opposite are one axis
    shares = variances / variances.sum().clamp(min=torch.finfo(variances.dtype).tiny)
    return PrincipalAxes(mean, directions, (samples - mean) @ directions.T, shares[:AXES])
