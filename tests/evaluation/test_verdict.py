"""The verdict on made-up results, for every outcome of every claim."""

from dataclasses import astuple, replace

import pytest

from ugvae.evaluation.bounds import BoundLadder, Elbo, GroupMean, Rung
from ugvae.evaluation.classification import Accuracy, Classification
from ugvae.evaluation.content import Correlation, Survey
from ugvae.evaluation.latent_use import LatentUse, PosteriorUse, Spread, SwapEffect
from ugvae.evaluation.results import RunResults
from ugvae.evaluation.translation import Content, Domains, Rates, Translation
from ugvae.evaluation.verdict import NO, NOT_MEASURED, PARTLY, YES, Statement, verdict

TRAINED, RAW, FITTED = "beta sample", "untrained beta sample", "untrained, BatchNorm fitted, beta sample"
PERMUTED, PIXELS = "beta sample, permuted labels", "mean image, PCA"


def one(results: dict, number: int) -> Statement:
    """The statement on a claim; ``results`` are fields of ``RunResults``."""
    statements = verdict(RunResults(**results))
    assert len(statements) == 5
    assert all(map(all, map(astuple, statements))), "no empty sentences"
    return statements[number]


def accuracies(sd: float = 0.01, **means: float) -> dict:
    """By feature; the linear kernel is 0.1 worse."""
    names = {"trained": TRAINED, "raw": RAW, "fitted": FITTED, "permuted": PERMUTED, "pixels": PIXELS}
    values = {names[name]: mean for name, mean in means.items()}
    return {
        name: {kernel: Accuracy(mean - lost, [mean - lost] * 5, sd) for kernel, lost in (("linear", 0.1), ("rbf", 0.0))}
        for name, mean in values.items()
    }


def table(command: str = "table1", **tasks: dict) -> dict:
    accuracy = {name.replace("_", " "): task for name, task in tasks.items()}
    result = Classification(["Black", "Blond"], 8, {"train": 4, "test": 1}, [0], dict.fromkeys(accuracy, 0.5), accuracy)
    return {command: {"Black / Blond": result}}


def test_nothing_measured_is_said() -> None:
    assert [statement.holds for statement in verdict(RunResults())] == [NOT_MEASURED] * 5


@pytest.mark.parametrize(
    ("task", "holds"),
    [
        (accuracies(trained=0.95, raw=0.5, fitted=0.8, permuted=0.5), YES),
        (accuracies(trained=0.95, raw=0.5, fitted=0.94, permuted=0.5), NO),
        (accuracies(trained=0.95, raw=0.5, fitted=1.0, permuted=0.5), NO),
        (accuracies(trained=0.95, raw=0.5, permuted=0.94), NO),
        (accuracies(trained=0.9, raw=0.5, fitted=0.8, sd=0.2), NO),
        (accuracies(trained=0.9, raw=0.5), YES),
    ],
)
def test_information_is_what_no_control_by_samples_has(task: dict, holds: str) -> None:
    for command in ("table1", "series"):
        assert one(table(command, kinds=task), 0).holds == holds


def test_statement_of_information_gives_the_numbers_of_both_tasks() -> None:
    kinds = accuracies(trained=0.99, raw=0.53, fitted=0.99, permuted=0.5, pixels=1.0)
    both = accuracies(trained=0.95, raw=0.4, fitted=0.6, permuted=0.3, pixels=0.98)
    statement = one(table(kinds=kinds, kinds_and_random=both), 0)
    assert statement.holds == PARTLY
    assert (
        "Black / Blond: 0.99 ± 0.01 against 0.99 ± 0.01 (untrained, BatchNorm fitted, beta sample)" in statement.because
    )
    assert "Black / Blond / random: 0.95 ± 0.01 against 0.60 ± 0.01" in statement.because
    assert statement.because.endswith("the untrained network does at least as well in Black / Blond.")
    assert "means and the mean pixel reach 0.98 to 1.00" in statement.control
    assert one(table(kinds=accuracies(raw=0.5)), 0).holds == NOT_MEASURED, "a model without beta"


def translation(
    fixed: float, transported: float, content: tuple[float, float] | None = None, share: float = 1.0
) -> dict:
    """The worse direction is B to A; ``share`` of what reconstructions keep is kept."""
    ways = {"reconstruction": 0.01, "fixed": fixed, "transported": transported}
    kept = {"reconstruction": 0.9, "fixed": content[0], "transported": content[1]} if content else None
    directions = {}
    for name, better in (("A to B", 0.05), ("B to A", 0.0)):
        directions[name] = Rates(
            domain={way: min(1.0, rate + better) for way, rate in ways.items()},
            content={way: rate + better for way, rate in kept.items()} if kept else None,
        )
    judges = {"domain": {}} | ({"content": {"A commonest": 0.1, "B commonest": 0.12}} if content else {})
    shares = {"reconstruction": 1.0, "fixed": share, "transported": share}
    reading = {way: Correlation(0.0, 0.8 * part) for way, part in shares.items()}
    retrieval = {**{way: 0.9 * part for way, part in shares.items()}, "chance": 0.01}
    survives = {name: Survey(retrieval, darkness=reading, azimuth=reading) for name in directions}
    result = Translation(Domains("domain", 0, 1), Content("label"), 8, 4, judges, directions, survives)
    return {"translation": result}


def use(pixels: float, nats: float, active: int = 5, kl: float = 10.0, before: int | None = 0) -> dict:
    beta = PosteriorUse(Spread(kl, 1.0), 20, active, [0.1, 0.1], [3.0, 0.5])
    untrained = None if before is None else replace(beta, active_units=before)
    swap = SwapEffect(pixels, nats)
    return {"latent_use": {"random groups": LatentUse(4, 8, swap, swap, beta, untrained)}}


@pytest.mark.parametrize(
    ("results", "holds"),
    [
        (translation(0.4, 0.97), YES),
        (translation(0.96, 0.2), YES),
        (translation(0.4, 0.8), PARTLY),
        (translation(0.1, 0.2), NO),
        (translation(0.1, 0.2) | use(0.05, 20), PARTLY),
        (translation(0.1, 0.97) | use(0.001, 0.1), YES),
        (use(0.05, 20), YES),
        (use(0.05, 0.2), NO),
        (use(0.001, 20), NO),
    ],
)
def test_control_is_translation_or_what_a_swap_changes(results: dict, holds: str) -> None:
    assert one(results, 1).holds == holds


def test_statement_of_control_gives_the_worse_direction() -> None:
    statement = one(translation(0.4, 0.97) | use(0.05, 20), 1)
    assert "0.40 with fixed z, 0.97 with transported z" in statement.because
    assert "(random groups) pixels change by 0.050 of 1 on average, and an image loses 20.0 nats" in statement.because
    assert "taken for the other domain in 0.06 of cases" in statement.control


def test_matching_z_is_no_proof_of_control_by_beta() -> None:
    matched = translation(0.4, 0.97)
    result = matched["translation"]
    for name in ("A to B", "B to A"):
        result.rates[name].domain.update({"matched": 0.99, "matched, own beta": 0.35})
        for ways in (*result.survives[name].readings.values(), result.survives[name].retrieval):
            ways["matched"] = ways["fixed"]
    statement = one(matched, 1)
    assert "z of matched moments translates 0.99, without a change of beta 0.35" in statement.control
    assert "matched" not in statement.because, "what z does by itself is not beta's doing"
    assert "matched z" in one(matched, 2).because
    for direction in result.rates.values():
        direction.domain["matched, own beta"] = 0.9
    assert "matched" not in one(matched, 2).because


@pytest.mark.parametrize(
    ("results", "holds", "words"),
    [
        (translation(0.4, 0.97, (0.9, 0.65)), YES, "With transported z the label is kept in 0.65"),
        (translation(0.97, 0.99, (0.7, 0.4)), YES, "With fixed z the label is kept in 0.70"),
        (translation(0.4, 0.97, (0.9, 0.4)), PARTLY, "With transported z the label is kept in 0.40"),
        (translation(0.4, 0.8, (0.9, 0.7)), PARTLY, "With transported z the label is kept in 0.70"),
        (translation(0.4, 0.97, (0.9, 0.2)), NO, "With transported z the label is kept in 0.20"),
        (translation(0.1, 0.2, (0.9, 0.9)), NOT_MEASURED, "Nothing is translated: 0.20"),
        (translation(0.4, 0.97, share=0.7), YES, "darkness 0.70, azimuth 0.70, retrieval 0.70"),
        (translation(0.4, 0.7, share=0.7), PARTLY, "darkness 0.70"),
        (translation(0.4, 0.97, share=0.3), NO, "darkness 0.30"),
        (translation(0.4, 0.97, share=-0.3), NO, "darkness 0.00"),
    ],
)
def test_content_is_judged_where_images_are_translated(results: dict, holds: str, words: str) -> None:
    statement = one(results, 2)
    assert statement.holds == holds
    assert words in statement.because


@pytest.mark.parametrize(
    ("results", "holds"),
    [
        (use(0, 0), YES),
        (use(0, 0, before=None), YES),
        (use(0, 0, active=1), PARTLY),
        (use(0, 0, active=5, before=5), PARTLY),
        (use(0, 0, kl=0.5), PARTLY),
        (use(0, 0, active=0, kl=0.5), NO),
    ],
)
def test_use_is_active_units_and_nats_beyond_the_untrained_network(results: dict, holds: str) -> None:
    statement = one(results, 3)
    assert statement.holds == holds
    assert "1 units tell groups apart" in statement.because
    untrained = results["latent_use"]["random groups"].untrained
    words = f"Untrained: {untrained.active_units} active units and" if untrained else "Not measured on an untrained"
    assert statement.control.startswith(words)


def test_use_is_that_of_groups_as_in_training() -> None:
    results = use(0, 0, active=0, kl=0.0)
    results["latent_use"]["groups as in training (pure)"] = use(0, 0)["latent_use"]["random groups"]
    assert one(results, 3).holds == YES


def bound(*gains: tuple[int, int, float]) -> dict:
    bounds = [Rung(100 + gain, 0.1, s, t, GroupMean(gain, 0.1)) for s, t, gain in gains]
    return {"bound": BoundLadder(4, 16, Elbo(100.0, 0.1, 10), bounds)}


@pytest.mark.parametrize(
    ("gains", "holds"),
    [
        ([(1, 1, -0.1), (1, 5, 2.0), (5, 1, 0.2), (5, 5, 2.4)], YES),
        ([(1, 1, 0.5), (1, 5, 0.4)], PARTLY),
        ([(1, 1, 0.5), (5, 1, 0.4)], PARTLY),
        ([(1, 1, -0.5), (1, 5, 0.4)], PARTLY),
        ([(1, 1, -0.5), (1, 5, -0.6)], NO),
        ([(1, 1, 0.5)], PARTLY),
    ],
)
def test_bound_is_above_the_elbo_and_rises(gains: list, holds: str) -> None:
    assert one(bound(*gains), 4).holds == holds
