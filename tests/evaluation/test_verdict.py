"""The verdict on made-up results: for every claim results that it must hold for, and results that must fail it."""

from dataclasses import astuple, replace

import pytest

from ugvae.evaluation.aggregate import Information
from ugvae.evaluation.bounds import BoundLadder, Elbo, GroupMean, Rung
from ugvae.evaluation.classification import Accuracy, Classification
from ugvae.evaluation.content import Correlation, Survey
from ugvae.evaluation.control_claims import chosen_way
from ugvae.evaluation.factors import FIXED, HELD_OUT, PRIOR, Decided, VarianceShares
from ugvae.evaluation.latent_use import LatentUse, PosteriorUse, Spread, SwapEffect
from ugvae.evaluation.results import RunResults
from ugvae.evaluation.statements import NO, NOT_MEASURED, PARTLY, YES, Statement
from ugvae.evaluation.translation import Content, Domains, Rates, Translation
from ugvae.evaluation.verdict import CLAIMS, verdict

TRAINED, RAW, FITTED_SAMPLE = "beta sample", "untrained beta sample", "untrained, BatchNorm fitted, beta sample"
SAME, PERMUTED = "untrained, same information, beta sample", "beta sample, permuted labels"
PIXELS = "mean image, PCA"
INFORMATION, CONTROL, STYLE, CONTENT, USED, BOUND = range(6)


def one(results: dict, number: int) -> Statement:
    """The statement on a claim; ``results`` are fields of ``RunResults``."""
    statements = verdict(RunResults(**results))
    assert len(statements) == len(CLAIMS) == 6
    assert all(map(all, map(astuple, statements))), "no empty sentences"
    return statements[number]


def test_nothing_measured_is_said() -> None:
    assert [statement.holds for statement in verdict(RunResults())] == [NOT_MEASURED] * 6


# Information: samples of beta against every control, at the same nats


def accuracies(sd: float = 0.01, **means: float) -> dict:
    """By feature; the linear kernel is 0.1 worse."""
    names = {"trained": TRAINED, "raw": RAW, "fitted": FITTED_SAMPLE, "same": SAME, "permuted": PERMUTED}
    values = {{**names, "pixels": PIXELS}[name]: mean for name, mean in means.items()}
    return {
        name: {kernel: Accuracy(mean - lost, [mean - lost] * 5, sd) for kernel, lost in (("linear", 0.1), ("rbf", 0.0))}
        for name, mean in values.items()
    }


def table(command: str = "table1", **tasks: dict) -> dict:
    accuracy = {name.replace("_", " "): task for name, task in tasks.items()}
    result = Classification(["Black", "Blond"], 8, {"train": 4, "test": 1}, [0], dict.fromkeys(accuracy, 0.5), accuracy)
    return {command: {"Black / Blond": result}}


@pytest.mark.parametrize(
    ("task", "holds"),
    [
        (accuracies(trained=0.95, raw=0.5, fitted=0.8, same=0.8, permuted=0.5), YES),
        (accuracies(trained=0.95, raw=0.5, fitted=0.94, same=0.5), NO),
        (accuracies(trained=0.95, raw=0.5, same=0.5, permuted=0.94), NO),
        (accuracies(trained=0.62, raw=0.39, same=0.79), NO),  # scaled means alone reach more
        (accuracies(trained=0.9, raw=0.5, same=0.8, sd=0.1), NO),  # five splits do not make the s.d. smaller
        (
            accuracies(trained=0.95, raw=0.5),
            NOT_MEASURED,
        ),  # results of earlier versions have no control at the same nats
    ],
)
def test_information_is_what_no_control_by_samples_has(task: dict, holds: str) -> None:
    for command in ("table1", "series"):
        assert one(table(command, kinds=task), INFORMATION).holds == holds


def test_statement_of_information_gives_the_numbers_of_both_tasks() -> None:
    kinds = accuracies(trained=0.99, raw=0.53, same=0.99, permuted=0.5, pixels=1.0)
    both = accuracies(trained=0.95, raw=0.4, same=0.6, permuted=0.3, pixels=0.98)
    statement = one(table(kinds=kinds, kinds_and_random=both), INFORMATION)
    assert statement.holds == PARTLY
    assert f"Black / Blond: 0.99 ± 0.01 against 0.99 ± 0.01 ({SAME})" in statement.because
    assert "Black / Blond / random: 0.95 ± 0.01 against 0.60 ± 0.01" in statement.because
    assert statement.because.endswith("the untrained network does about as well in Black / Blond.")
    assert "means and the mean pixel reach 0.98 to 1.00" in statement.control
    assert one(table(kinds=accuracies(raw=0.5)), INFORMATION).holds == NOT_MEASURED, "a model without beta"


# Style and control: shares of variance of held-out betas


def decides(beta: float | None, pixels: float | None = 0.05, sd: float | None = 0.05) -> Decided:
    return Decided({"pixels": VarianceShares(pixels, 0.5, 0.0, 0.2), "thickness": VarianceShares(beta, 0.5, 0.0, sd)})


def factors(walk: Decided, fixed: Decided, before: Decided | None = None) -> dict:
    before = before or decides(None, None, 0.001)
    sets = {PRIOR: decides(0.9), HELD_OUT: walk, FIXED: fixed}
    return {"factors": sets | {f"untrained, {name}": before for name in sets}}


NOTHING = decides(0.0, 0.0)


@pytest.mark.parametrize(
    ("walk", "fixed", "before", "style", "control"),
    [
        (decides(0.9), NOTHING, None, YES, YES),
        (NOTHING, decides(0.9), None, YES, YES),
        (decides(0.3), NOTHING, None, PARTLY, PARTLY),
        (NOTHING, NOTHING, None, NO, NO),  # what betas of the prior decide, 0.9 of thickness, counts for nothing
        (decides(0.9), NOTHING, decides(0.88), NO, NO),  # no more than an untrained network
        (decides(0.9, sd=0.004), NOTHING, None, NO, NO),  # a share of almost nothing
        (decides(None, sd=0.001), NOTHING, None, NO, NO),  # a share of nothing
        (decides(0.6, pixels=0.7), NOTHING, None, NO, YES),  # more of the pixels than of the style
    ],
)
def test_style_and_control_rest_on_held_out_betas(
    walk: Decided, fixed: Decided, before: Decided | None, style: str, control: str
) -> None:
    results = factors(walk, fixed, before)
    assert one(results, STYLE).holds == style
    assert one(results, CONTROL).holds == control


def test_statement_of_style_states_the_sd_and_the_prior_beside_it() -> None:
    statement = one(factors(decides(0.9), NOTHING), STYLE)
    assert (
        "In the walk the betas of held-out groups decide pixels 0.05 of s.d. 0.200, thickness 0.90" in statement.because
    )
    assert "thickness nothing of s.d. 0.001" in statement.control
    assert "betas from the prior, on which no claim rests, decide pixels 0.05 of s.d. 0.200" in statement.control


def test_shares_without_a_control_are_no_claim() -> None:
    old = {"factors": {PRIOR: decides(0.9), HELD_OUT: decides(0.9), "untrained": decides(0.5)}}
    assert one(old, STYLE).holds == one(old, CONTROL).holds == NOT_MEASURED
    assert "run factors again" in one(old, STYLE).because


# Control: the verdict names the way


def translation(
    fixed: float = 0.0,
    transported: float = 0.0,
    own: float | None = 0.0,
    content: tuple[float, float] | None = None,
    share: float = 1.0,
    matched: tuple[float, float] | None = None,
) -> Translation:
    """The worse direction is B to A; ``share`` of what reconstructions keep is kept; ``own`` is transport's control."""
    ways = {"reconstruction": 0.01, "fixed": fixed, "transported": transported}
    ways |= {} if own is None else {"transported, own beta": own}
    ways |= {} if matched is None else {"matched": matched[0], "matched, own beta": matched[1]}
    kept = {"reconstruction": 0.9, "fixed": content[0], "transported": content[1]} if content else None
    kept = kept and {**kept, "matched": content[1]}
    better = {"A to B": 0.01, "B to A": 0.0}
    rates = {
        name: Rates(
            domain={way: min(1.0, rate + more) for way, rate in ways.items()},
            content={way: rate + more for way, rate in kept.items()} if kept else None,
        )
        for name, more in better.items()
    }
    judges = {"domain": {}} | ({"content": {"A commonest": 0.1, "B commonest": 0.12}} if content else {})
    shares = {"reconstruction": 1.0, "fixed": share, "transported": share, "matched": share}
    reading = {way: Correlation(0.0, 0.8 * part) for way, part in shares.items()}
    retrieval = {**{way: 0.9 * part for way, part in shares.items()}, "chance": 0.01}
    survives = {name: Survey(retrieval, darkness=reading, azimuth=reading) for name in rates}
    return Translation(Domains("domain", 0, 1), Content("label"), 8, 4, judges, rates, survives)


def use(
    fixed: tuple[float, float] = (0.0, 0.0),
    transported: tuple[float, float] = (0.0, 0.0),
    own: tuple[float, float] = (0.0, 0.0),
    known: float = 5.0,
    before: float | None = 0.1,
) -> dict:
    def posterior(nats: float) -> PosteriorUse:
        information = Information(nats, 18.8 - nats, 0.01, 6.2, nats)
        return PosteriorUse(Spread(18.8, 1.0), 20, 5, [0.1, 0.1], [3.0, 0.5], information)

    untrained = None if before is None else posterior(before)
    swaps = {"transported": SwapEffect(*transported), "transported_own": SwapEffect(*own)}
    swap = SwapEffect(*fixed)
    return {"latent_use": {"random groups": LatentUse(4, 8, swap, swap, posterior(known), untrained, **swaps)}}


@pytest.mark.parametrize(
    ("results", "holds", "where"),
    [
        (factors(decides(0.9), NOTHING), YES, "Control: in the walk."),
        (factors(NOTHING, decides(0.9)), YES, "Control: with z fixed."),
        (factors(decides(0.9), decides(0.9)), YES, "Control: in the walk, with z fixed."),
        (factors(NOTHING, NOTHING), NO, "Control in none of the ways that were measured."),
        ({"translation": translation(fixed=0.97)}, YES, "Control: with z fixed."),
        ({"translation": translation(fixed=0.4)}, PARTLY, "Control: with z fixed."),
        ({"translation": translation(transported=0.97)}, YES, "Control: with z transported beyond its control."),
        ({"translation": translation(transported=0.98, own=0.64)}, PARTLY, "Control: with z transported beyond"),
        ({"translation": translation(transported=0.98, own=0.95)}, NO, "Control in none"),  # it is z's doing
        ({"translation": translation(transported=0.98, own=None)}, NO, "Control in none"),  # its control is missing
        ({"translation": translation(matched=(0.99, 0.95))}, NO, "Control in none"),
        ({"translation": translation(matched=(0.99, 0.05))}, YES, "Control: with z matched beyond its control."),
        (use(fixed=(0.05, 20.0)), PARTLY, "Control: with z fixed."),
        (use(fixed=(0.05, 0.2)), NO, "Control in none"),
        (use(fixed=(0.001, 20.0)), NO, "Control in none"),
        (use(transported=(0.05, 20.0)), PARTLY, "Control: with z transported beyond its control."),
        (use(transported=(0.05, 20.0), own=(0.045, 20.0)), NO, "Control in none"),
        (use(known=5.0), NO, "Control in none"),  # to know is not to control
    ],
)
def test_control_names_the_way(results: dict, holds: str, where: str) -> None:
    statement = one(results, CONTROL)
    assert statement.holds == holds
    assert statement.because.startswith(where)


def test_statement_of_control_gives_the_numbers_and_their_controls() -> None:
    results = {"translation": translation(0.4, 0.97, 0.3)} | use(fixed=(0.05, 20)) | factors(decides(0.9), NOTHING)
    statement = one(results, CONTROL)
    shares = "In the walk: at most thickness 0.90 of s.d. 0.050 by held-out betas, untrained thickness nothing"
    assert shares in statement.because
    assert "0.40 of images become images of the other domain, and 0.02 under the own beta" in statement.because
    assert "0.97 of images become images of the other domain, and 0.31 under the own beta" in statement.because
    assert "(random groups) changes pixels by 0.050 of 1 on average and costs 20.0 nats" in statement.because


# Content: by the way that was chosen on the validation split


@pytest.mark.parametrize(
    ("result", "holds", "words"),
    [
        (translation(0.4, 0.97, content=(0.9, 0.65)), YES, "With transported z the label is kept in 0.65"),
        (translation(0.97, 0.99, content=(0.7, 0.4)), YES, "With fixed z the label is kept in 0.70"),
        (translation(0.4, 0.97, content=(0.9, 0.4)), PARTLY, "With transported z the label is kept in 0.40"),
        (translation(0.4, 0.8, content=(0.9, 0.7)), PARTLY, "With transported z the label is kept in 0.70"),
        (translation(0.4, 0.97, content=(0.9, 0.2)), NO, "With transported z the label is kept in 0.20"),
        (translation(0.1, 0.19, content=(0.9, 0.9)), NOT_MEASURED, "Beta translates too little: 0.10"),
        (translation(0.1, 0.97, own=0.9, content=(0.9, 0.9)), NOT_MEASURED, "Beta translates too little: 0.10"),
        (translation(0.4, 0.97, share=0.7), YES, "darkness 0.70, azimuth 0.70, retrieval 0.70"),
        (translation(0.4, 0.7, share=0.7), PARTLY, "darkness 0.70"),
        (translation(0.4, 0.97, share=0.3), NO, "darkness 0.30"),
        (translation(0.4, 0.97, share=-0.3), NO, "darkness 0.00"),
    ],
)
def test_content_is_judged_where_beta_translates(result: Translation, holds: str, words: str) -> None:
    statement = one({"translation": replace(result, validation=result)}, CONTENT)
    assert statement.holds == holds
    assert words in statement.because


def test_the_way_is_chosen_on_validation_and_reported_on_test() -> None:
    """On the test split transport is best; validation says fixed, so fixed it is. Without validation it is too."""
    test, validation = (
        translation(0.6, 0.97, content=(0.3, 0.9)),
        translation(0.97, 0.6, content=(0.9, 0.3)),
    )
    nothing = translation(0.0, 0.98, own=0.95)
    ways = [chosen_way(replace(test, validation=split))[0] for split in (test, validation, nothing, None)]
    assert ways == ["transported", "fixed", "fixed", "fixed"]
    statement = one({"translation": replace(test, validation=validation)}, CONTENT)
    assert statement.holds == PARTLY
    assert "With fixed z the label is kept in 0.30" in statement.because
    assert "it is the best way on the validation split" in statement.because
    assert "the paper's way" in one({"translation": test}, CONTENT).because


# Use: information and effect


@pytest.mark.parametrize(
    ("results", "holds"),
    [
        (use(fixed=(0.05, 20)), YES),
        (use(transported=(0.05, 20)), YES),
        (use(), NO),  # it knows and changes nothing
        (use() | factors(decides(0.9), NOTHING), PARTLY),  # through the prior of z alone
        (use() | factors(decides(0.9), NOTHING, decides(0.88)), NO),  # no more than an untrained network
        (use(known=0.2) | factors(decides(0.9), NOTHING), NO),  # it decides what it does not know
        (use(fixed=(0.05, 20), known=0.2), NO),  # 18.8 nats of KL_beta, nearly all of them mismatch
        (use(fixed=(0.05, 20), known=5.0, before=4.5), NO),  # an untrained network knows as much
        (use(transported=(0.05, 20), own=(0.05, 20)), NO),
        (use(fixed=(0.05, 20), before=None), NOT_MEASURED),
    ],
)
def test_use_is_information_and_effect(results: dict, holds: str) -> None:
    statement = one(results, USED)
    assert statement.holds == holds
    if holds != NOT_MEASURED:
        assert "KL_beta is 18.8 nats per group: information" in statement.because
        assert statement.control.startswith("Untrained: 18.8 nats: information")
    if holds == PARTLY:
        assert "It acts through the prior of z: see the walk." in statement.because


def test_use_is_that_of_groups_as_in_training() -> None:
    results = use()
    results["latent_use"]["groups as in training (pure)"] = use(fixed=(0.05, 20))["latent_use"]["random groups"]
    assert one(results, USED).holds == YES


def test_use_without_the_parts_of_kl_is_not_measured() -> None:
    results = use(fixed=(0.05, 20))["latent_use"]["random groups"]
    old = replace(results, beta=replace(results.beta, information=None))
    statement = one({"latent_use": {"random groups": old}}, USED)
    assert (statement.holds, statement.because) == (
        NOT_MEASURED,
        "Information and mismatch were not told apart; run latent_use again.",
    )


# Bound: fresh draws


def bound(*rises: tuple[int, int, float | None], error: float = 0.1, gain: float = 0.3) -> dict:
    bounds = [
        Rung(100.0, 0.1, s, t, GroupMean(gain, 0.1), None if rise is None else GroupMean(rise, error))
        for s, t, rise in rises
    ]
    return {"bound": BoundLadder(4, 16, Elbo(100.0, 0.1, 10), bounds)}


@pytest.mark.parametrize(
    ("results", "holds"),
    [
        (bound((1, 1, None), (1, 5, 2.0), (5, 1, 0.2), (5, 5, 2.4)), YES),
        (bound((1, 1, None), (1, 5, 2.0), (5, 1, -0.1), (5, 5, 2.4)), YES),  # a fall that chance explains
        (bound((1, 1, None), (1, 5, 2.0), gain=-0.5), YES),  # below the stated ELBO: no theorem, and no failure
        (bound((1, 1, None), (1, 5, 2.0), (5, 1, -0.5), (5, 5, 2.4)), PARTLY),
        (bound((1, 1, None), (1, 5, 4.0), (5, 5, 2.0)), PARTLY),
        (bound((1, 1, None), (1, 5, 0.1)), NO),
        (bound((1, 1, None), (1, 5, -2.0)), NO),
        (bound((1, 1, None), (1, 5, None)), NOT_MEASURED),  # of earlier versions: blocks of the same draws
        (bound((1, 1, None)), NOT_MEASURED),
    ],
)
def test_bound_rises_with_fresh_draws(results: dict, holds: str) -> None:
    statement = one(results, BOUND)
    assert statement.holds == holds
    if holds != NOT_MEASURED:
        assert "not strictly a lower bound" in statement.control
