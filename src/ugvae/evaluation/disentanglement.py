"""How far single dimensions of a latent code single known factors: six published scores, on any latents and factors.

Factors are columns of the data, as whole numbers without an order; latents are posterior means. A score that compares
factors with one another (DCI's disentanglement, modularity, the FactorVAE score) takes two: of one factor it is perfect
whatever the latents are, and it is left out. All scores but SAP are 1 at best. Their value by chance is not 0 in
general, so they belong beside those of permuted factors and of an untrained network.

Axes: N rows, D dimensions of the latent, F factors.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import entr
from sklearn.metrics import mutual_info_score

from ugvae.errors import ConfigError
from ugvae.evaluation.factor_classifiers import explicitness, forest_importance, separability

BINS = 20  # of equal width, into which a latent is cut, as in Locatello et al. 2019
DRAWS, VOTES = 64, 800  # of the FactorVAE score: rows of a vote, and votes to learn from and to be judged on


@dataclass(frozen=True)
class FactorScores:
    """What the latents say of one factor.

    Attributes:
        mig: mutual information gap (Chen et al. 2018), see ``information_gap``.
        sap: separated attribute predictability (Kumar et al. 2018): how well thresholds on the best dimension tell the
            values apart, minus the second best (``separability``). At most 1 − 1/V with V values.
        completeness: of DCI (Eastwood and Williams 2018), see ``complete``.
        informativeness: of DCI: balanced accuracy of a random forest on all dimensions.
        explicitness: Ridgeway and Mozer 2018, see ``explicitness``.
    """

    mig: float
    sap: float
    completeness: float
    informativeness: float
    explicitness: float


@dataclass(frozen=True)
class Scores:
    """All scores of some latents.

    Attributes:
        factors: those of every factor by itself, by name.
        disentanglement: of DCI, see ``disentangled``; None with one factor, like the next two.
        modularity: see ``modularity``.
        factor_vae: see ``factor_vae_score``.
    """

    factors: dict[str, FactorScores]
    disentanglement: float | None = None
    modularity: float | None = None
    factor_vae: float | None = None


@dataclass(frozen=True)
class Disentanglement:
    """Scores of one latent, beside its controls.

    Attributes:
        rows: N, images or groups.
        dimensions: D.
        values: number of different values, by factor.
        scores: by network: ``trained``, ``untrained``, and ``permuted``, the trained one with the factors of
            other rows.
        group_size: images per group; None where the rows are images.
        bins: into which a latent is cut for the mutual information.
    """

    rows: int
    dimensions: int
    values: dict[str, int]
    scores: dict[str, Scores]
    group_size: int | None = None
    bins: int = BINS


def measure(latents: np.ndarray, factors: Mapping[str, np.ndarray], bins: int = BINS, seed: int = 0) -> Scores:
    """All scores of latents.

    Args:
        latents: ``(N, D)`` with D ≥ 2.
        factors: integers ``(N,)`` by name, two values or more, each in at least 4 rows.
        bins: into which a latent is cut for the mutual information.
        seed: of the halves, the forests and the votes.

    Raises:
        ConfigError: no dimension varies.
    """
    latents, columns = np.asarray(latents, np.float64), np.stack(list(factors.values()), 1)
    if not np.ptp(latents, 0).any():
        raise ConfigError("latents: no dimension varies, so they tell nothing apart")
    information = mutual_information(latents, columns, bins)
    importance, informativeness = forest_importance(latents, columns, seed)
    by_factor = zip(
        information_gap(information, columns),
        _gap(separability(latents, columns, seed)),
        complete(importance),
        informativeness,
        explicitness(latents, columns, seed),
        strict=True,
    )
    scored = {name: FactorScores(*map(float, row)) for name, row in zip(factors, by_factor, strict=True)}
    if len(scored) < 2:
        return Scores(scored)
    votes = factor_vae_score(latents, columns, seed=seed)
    return Scores(scored, disentangled(importance), modularity(information), votes)


def mutual_information(latents: np.ndarray, factors: np.ndarray, bins: int = BINS) -> np.ndarray:
    """I(latent; factor) in nats, ``(D, F)``, from counts of latents in bins of equal width between their extremes.

    Counts of few rows show more information than there is, by about (bins − 1)(values − 1) / 2N nats.

    Args:
        latents: ``(N, D)``.
        factors: integers ``(N, F)``.
        bins: of each latent.

    Example:
        >>> latents = np.array([[0.0, 0.0], [0.1, 0.0], [0.9, 0.0], [1.0, 1.0]])
        >>> mutual_information(latents, np.array([[0], [0], [1], [1]]), bins=2).round(4).tolist()
        [[0.6931], [0.2158]]
    """
    low, span = latents.min(0), np.ptp(latents, 0)
    places = (latents - low) / np.where(span > 0, span, 1) * bins
    cut = np.minimum(places.astype(int), bins - 1)
    return np.array([[mutual_info_score(factor, latent) for factor in factors.T] for latent in cut.T])


def information_gap(information: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """MIG of each factor, ``(F,)``: the largest minus the second largest information, over the factor's entropy.

    Chen et al. 2018, eq. 6. It is 1 if one dimension knows the factor and no other knows anything of it.

    Args:
        information: ``(D, F)`` in nats.
        factors: integers ``(N, F)``.
    """
    entropy = [entr(np.unique(factor, return_counts=True)[1] / len(factor)).sum() for factor in factors.T]
    return _gap(information) / np.array(entropy)


def complete(importance: np.ndarray) -> np.ndarray:
    """DCI's completeness of each factor, ``(F,)``: 1 if one dimension is all that matters for it, 0 if all do alike.

    It is 1 − the entropy of the column of importances ``(D, F)``, in units of log D.
    """
    return _concentration(importance.T)


def disentangled(importance: np.ndarray) -> float:
    """DCI's disentanglement: 1 if every dimension matters for one factor alone.

    For a dimension it is 1 − the entropy of its row of importances ``(D, F)``, in units of log F; the mean weighs
    dimensions by their importance for all factors.

    Example:
        >>> round(disentangled(np.array([[0.8, 0.2], [0.2, 0.8]])), 4)
        0.2781
    """
    return float(np.average(_concentration(importance), weights=importance.sum(1)))


def modularity(information: np.ndarray) -> float:
    """Ridgeway and Mozer 2018: 1 if every dimension has information on one factor alone, the mean over dimensions.

    For a dimension it is 1 − Σ of the squares of its other informations / (largest² (F − 1)). A dimension without any
    information counts as 0.

    Args:
        information: ``(D, F)`` with F ≥ 2.

    Example:
        >>> modularity(np.array([[1.0, 0.0, 0.5], [0.0, 0.0, 0.0]]))
        0.4375
    """
    squares = information**2
    largest = squares.max(1)
    rest = (squares.sum(1) - largest) / (np.where(largest > 0, largest, 1) * (information.shape[1] - 1))
    return float(np.where(largest > 0, 1 - rest, 0).mean())


def factor_vae_score(
    latents: np.ndarray, factors: np.ndarray, draws: int = DRAWS, votes: int = VOTES, seed: int = 0
) -> float:
    """Kim and Mnih 2018: how well the dimension that varies least tells which factor is held fixed.

    For a vote, a factor and the value of a random row are drawn, and then rows with this value, with replacement: a
    table has what it has. The dimension with the least variance, in units of its variance over all rows, votes for the
    factor. The majority of as many other votes says which factor a dimension stands for; the score is its accuracy.

    Args:
        latents: ``(N, D)``; dimensions that do not vary have no vote.
        factors: integers ``(N, F)`` with F ≥ 2, every value in at least two rows.
        draws: rows of a vote.
        votes: to learn from, and to be judged on.
        seed: of the draws.
    """
    rng = np.random.default_rng(seed)
    spread = latents.std(0)
    scaled = latents[:, spread > 0] / spread[spread > 0]
    alike = [{value: np.flatnonzero(factor == value) for value in np.unique(factor)} for factor in factors.T]
    counts = np.zeros((2, scaled.shape[1], factors.shape[1]), int)
    for part in counts:  # votes by dimension and factor
        for factor in rng.integers(factors.shape[1], size=votes):
            value = factors[rng.integers(len(factors)), factor]
            rows = rng.choice(alike[factor][value], draws)
            part[scaled[rows].var(0).argmin(), factor] += 1
    learned, judged = counts
    return float(judged[np.arange(len(judged)), learned.argmax(1)].sum() / votes)


def _gap(table: np.ndarray) -> np.ndarray:
    """The largest minus the second largest of each column."""
    second, first = np.sort(table, 0)[-2:]
    return first - second


def _concentration(weights: np.ndarray) -> np.ndarray:
    """1 − entropy of each row of weights ``(R, C)`` in units of log C; 0 for a row of zeros."""
    total = weights.sum(1)
    entropy = entr(weights / np.where(total > 0, total, 1)[:, None]).sum(1) / np.log(weights.shape[1])
    return np.where(total > 0, 1 - entropy, 0)
