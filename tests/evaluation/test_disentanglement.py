"""Scores of disentanglement: latents whose scores are known in closed form, and cases worked out by hand."""

import math

import numpy as np
import pytest

from ugvae.errors import ConfigError
from ugvae.evaluation.disentanglement import (
    complete,
    disentangled,
    factor_vae_score,
    information_gap,
    measure,
    modularity,
    mutual_information,
)
from ugvae.evaluation.factor_classifiers import explicitness, forest_importance, separability

SHAPES, SIZES = 3, 4
GRID = np.array([(shape, size) for shape in range(SHAPES) for size in range(SIZES)] * 40)  # every pair 40 times
FACTORS = {"shape": GRID[:, 0], "size": GRID[:, 1]}
SPLIT = GRID.astype(float)  # a dimension for each factor


def mixed() -> tuple[np.ndarray, np.ndarray]:
    """Two factors of one variance, turned by 45°, and the factors: a dimension has as much of one as of the other."""
    pairs = np.array([(a, b) for a in range(3) for b in range(3)] * 40, float)
    return np.stack([pairs[:, 0] + pairs[:, 1], pairs[:, 0] - pairs[:, 1]], 1), pairs.astype(int)


def test_a_dimension_for_each_factor_has_the_best_scores() -> None:
    scores = measure(SPLIT, FACTORS)
    assert scores.disentanglement == pytest.approx(1)
    assert scores.modularity == pytest.approx(1)
    assert scores.factor_vae == 1
    for factor, values in (("shape", SHAPES), ("size", SIZES)):
        one = scores.factors[factor]
        assert (one.mig, one.completeness, one.informativeness) == pytest.approx((1, 1, 1))
        assert one.sap == pytest.approx(1 - 1 / values, abs=0.08), "the halves are not quite crossed"
    assert scores.factors["shape"].explicitness < 1, "no line tells the middle value from both others"


def test_a_second_copy_of_every_dimension_closes_the_gaps_and_not_the_modularity() -> None:
    scores = measure(np.tile(SPLIT, 2), FACTORS)
    for one in scores.factors.values():
        assert (one.mig, one.sap) == (0, 0)
        assert one.completeness == pytest.approx(0.5, abs=0.1), "two of four alike: 1 − log 2 / log 4"
        assert one.informativeness == 1
    assert scores.modularity == pytest.approx(1)
    assert scores.factor_vae == 1


def test_turned_factors_are_known_and_not_apart() -> None:
    latents, pairs = mixed()
    scores = measure(latents, {"a": pairs[:, 0], "b": pairs[:, 1]})
    assert scores.modularity == pytest.approx(0, abs=1e-9)
    assert scores.disentanglement < 0.05
    assert scores.factor_vae == pytest.approx(0.5, abs=0.06)
    for one in scores.factors.values():
        assert one.mig == pytest.approx(0, abs=1e-9)
        assert one.informativeness == 1


def test_latents_that_know_nothing_score_as_chance() -> None:
    rng = np.random.default_rng(0)
    scores = measure(
        rng.standard_normal((len(GRID) * 4, 5)), {name: np.tile(values, 4) for name, values in FACTORS.items()}
    )
    for factor, values in (("shape", SHAPES), ("size", SIZES)):
        one = scores.factors[factor]
        assert max(one.mig, one.sap, one.completeness, abs(one.explicitness)) < 0.08
        assert one.informativeness == pytest.approx(1 / values, abs=0.06)
    assert scores.disentanglement < 0.05
    assert 0.4 < scores.factor_vae < 0.65


def test_information_gap_by_hand() -> None:
    latents = np.array([[0.0, 0.0], [0.1, 0.0], [0.9, 0.0], [1.0, 1.0]])
    factors = np.array([[0], [0], [1], [1]])
    first, second = math.log(2), math.log(2) - 0.75 * (math.log(3) - 2 / 3 * math.log(2))
    information = mutual_information(latents, factors, bins=2)
    np.testing.assert_allclose(information[:, 0], [first, second])
    assert information_gap(information, factors)[0] == pytest.approx((first - second) / math.log(2))


def test_information_against_a_loop_over_counts() -> None:
    rng = np.random.default_rng(0)
    latents, factors = rng.standard_normal((500, 2)), rng.integers(0, 4, (500, 3))
    information = mutual_information(latents, factors, bins=7)
    for dimension in range(2):
        edges = np.linspace(latents[:, dimension].min(), latents[:, dimension].max(), 8)
        places = np.clip(np.searchsorted(edges, latents[:, dimension], side="right"), 1, 7)
        for factor in range(3):
            total = 0.0
            for place in range(1, 8):
                for value in range(4):
                    both = np.mean((places == place) & (factors[:, factor] == value))
                    if both:
                        apart = np.mean(places == place) * np.mean(factors[:, factor] == value)
                        total += both * math.log(both / apart)
            assert information[dimension, factor] == pytest.approx(total)


def test_scores_of_importances_by_hand() -> None:
    importance = np.array([[0.8, 0.2], [0.2, 0.8], [0.0, 0.0]])
    entropy = -(0.8 * math.log(0.8) + 0.2 * math.log(0.2))
    assert disentangled(importance) == pytest.approx(1 - entropy / math.log(2)), "an unused dimension has no weight"
    np.testing.assert_allclose(complete(importance), 1 - entropy / math.log(3))
    heavier = np.array([[3.0, 0.0], [0.5, 0.5]])
    assert disentangled(heavier) == pytest.approx(0.75), "1 with weight 3, 0 with weight 1"


def test_modularity_by_hand() -> None:
    information = np.array([[2.0, 1.0, 0.0], [0.0, 0.5, 0.0], [0.0, 0.0, 0.0]])
    assert modularity(information) == pytest.approx((1 - 1 / (4 * 2) + 1 + 0) / 3)


def test_thresholds_tell_values_apart_that_lie_in_any_order() -> None:
    factor = np.repeat([0, 1, 2], 40)
    latent = np.array([5.0, -1.0, 2.0])[factor]
    table = separability(np.stack([latent, np.minimum(latent, 2)], 1), factor[:, None])
    np.testing.assert_allclose(table[:, 0], [1, 2 / 3])  # without the largest, two of three are told


def test_explicitness_is_of_lines_alone() -> None:
    factor = np.repeat([0, 1], 100)
    line = np.linspace(-1, 1, 200)[:, None]
    assert explicitness(line, factor[:, None])[0] == pytest.approx(1)
    assert explicitness(-line, factor[:, None])[0] == pytest.approx(1)
    middle = (np.abs(line[:, 0]) < 0.5).astype(int)
    assert abs(explicitness(line, middle[:, None])[0]) < 0.3
    importance, accuracy = forest_importance(np.tile(line, 2), middle[:, None])
    assert accuracy[0] > 0.95, "a forest is not"
    assert importance.sum(0) == pytest.approx(1)


def test_least_variance_votes_for_the_fixed_factor() -> None:
    rng = np.random.default_rng(0)
    noisy = SPLIT * [10, 0.1] + rng.standard_normal(SPLIT.shape) * [1, 0.01]
    assert factor_vae_score(noisy, GRID, votes=100) == 1, "whatever the scale of a dimension"
    still = np.concatenate([np.ones((len(GRID), 1)), noisy], 1)
    assert factor_vae_score(still, GRID, votes=100) == 1, "a dimension that never varies has no vote"
    halved = factor_vae_score(noisy[:, :1], GRID, votes=4000)
    assert halved == pytest.approx(0.5, abs=0.03), "one dimension can stand for one of two factors"


def test_scores_are_a_function_of_the_seed() -> None:
    rng = np.random.default_rng(0)
    latents, one = SPLIT + rng.standard_normal(SPLIT.shape), {"shape": GRID[:, 0]}
    assert measure(latents, one, seed=3) == measure(latents, one, seed=3) != measure(latents, one, seed=4)
    votes = [factor_vae_score(latents, GRID, draws=8, votes=200, seed=seed) for seed in (3, 3, 4)]
    assert votes[0] == votes[1] != votes[2]


def test_what_compares_factors_is_not_given_of_one() -> None:
    scores = measure(SPLIT, {"shape": GRID[:, 0]})
    assert list(scores.factors) == ["shape"]
    assert scores.disentanglement is scores.modularity is scores.factor_vae is None


def test_latents_that_never_vary_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"^latents: no dimension varies"):
        measure(np.ones((len(GRID), 2)), FACTORS)
