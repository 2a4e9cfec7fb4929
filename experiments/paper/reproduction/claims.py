"""The claims of the paper, and what the numbers of runs say about each."""

import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ugvae.evaluation.control_claims import controls_generation, keeps_content, takes_style
from ugvae.evaluation.results import RunResults, read_results
from ugvae.evaluation.statements import NO, NOT_MEASURED, PARTLY, YES, Holds
from ugvae.evaluation.verdict import SAMPLE, best, carries_information, tasks
from ugvae.evaluation.ways import LABELS
from ugvae.experiments.paper.reproduction.families import Family
from ugvae.runs.folder import RunFolder

HOLDS = {"yes": "holds", "partly": "partly", "no": "does not hold", "not measured": "not measured"}
GLOBAL_MODEL, WITHOUT_D, MIXTURE = "UGVAE", "MLVAE", "GMVAE"
MARGIN = 0.05  # between two rates; a smaller difference is of no interest
ENOUGH_SEEDS = 3  # of training, for an error of a comparison
SEPARATED, HALF_SEPARATED = 0.95, 0.75  # share of images in components that hold their domain; chance is 0.5


@dataclass(frozen=True)
class Measured:
    """What one run says about a claim.

    Attributes:
        run: name of the run.
        holds: a key of ``HOLDS``.
        because: the numbers, in a sentence.
        control: what to compare them with.
    """

    run: str
    holds: Holds
    because: str
    control: str


@dataclass(frozen=True)
class Claim:
    """A claim of the paper.

    Attributes:
        title: the claim.
        figures: where the paper shows it.
        needs: what would measure it, if no run does.
        measure: gives what the runs of each setting say, for those that can.
    """

    title: str
    figures: str
    needs: str
    measure: Callable[[Sequence[Family]], Iterator[Measured]]


def means(settings: Sequence[Family]) -> Iterator[RunFolder]:
    """Each setting with the mean results of its training seeds."""
    return (family.mean for family in settings)


def graded(share: float, whole: float, part: float) -> Holds:
    """Whether a claim holds: in whole from one share on, in part from another."""
    return YES if share >= whole else PARTLY if share >= part else NO


def style(settings: Sequence[Family]) -> Iterator[Measured]:
    """How much of each property of decoded images the betas of held-out groups decide, beside pixels and controls."""
    for run in means(settings):
        results = read_results(run.results)
        if run.model == GLOBAL_MODEL and results.factors:
            statement = takes_style(results)
            yield Measured(run.name, statement.holds, statement.because, statement.control)


def domain(settings: Sequence[Family]) -> Iterator[Measured]:
    """Whether beta carries images into the other domain, and what they keep."""
    for run in means(settings):
        translated = RunResults(translation=read_results(run.results).translation)
        if run.model == GLOBAL_MODEL and translated.translation:
            for statement in (controls_generation(translated), keeps_content(translated)):
                because = f"{statement.claim} {statement.because}"
                yield Measured(run.name, statement.holds, because, statement.control)


def structure(settings: Sequence[Family]) -> Iterator[Measured]:
    """Whether samples of beta tell kinds of group apart."""
    for run in means(settings):
        statement = carries_information(read_results(run.results))
        if run.model == GLOBAL_MODEL and statement.holds != NOT_MEASURED:
            yield Measured(run.name, statement.holds, statement.because, statement.control)


def lost_without_d(settings: Sequence[Family]) -> Iterator[Measured]:
    """ML-VAE beside UG-VAE on the same data and groups, by the rates that both have.

    A rate is lost where the difference of the means over training seeds is above ``MARGIN`` and above twice the s.d. of
    the difference of two runs.
    """
    for family in (family for family in settings if family.mean.model == WITHOUT_D):
        for other in (family for family in settings if family.mean.model == GLOBAL_MODEL):
            theirs, ours = _rates_of_seeds(family), _rates_of_seeds(other)
            both = [name for name in ours if name in theirs and LABELS["transported"] not in name]  # it takes a mixture
            if both and _same_task(family.mean, other.mean):
                lost = [_is_above(ours[name], theirs[name]) for name in both]
                holds = YES if all(lost) else PARTLY if any(lost) else NO
                compared = "; ".join(f"{name}: {_spread(theirs[name])} against {_spread(ours[name])}" for name in both)
                control = f"UG-VAE, {other.mean.name}: same data, groups, backbone and likelihood."
                if min(len(family.runs), len(other.runs)) < ENOUGH_SEEDS:
                    control += f" Fewer than {ENOUGH_SEEDS} training seeds: a difference may come from the seed."
                yield Measured(family.mean.name, holds, f"ML-VAE against UG-VAE. {compared}.", control)


def _is_above(ours: Sequence[float], theirs: Sequence[float]) -> bool:
    error = math.sqrt(sum(statistics.variance(rates) for rates in (ours, theirs) if len(rates) > 1))
    return statistics.fmean(ours) - statistics.fmean(theirs) > max(MARGIN, 2 * error)


def _spread(rates: Sequence[float]) -> str:
    error = f" ± {statistics.stdev(rates):.2f}" if len(rates) > 1 else ""
    return f"{statistics.fmean(rates):.2f}{error}"


def _same_task(first: RunFolder, second: RunFolder) -> bool:
    keys = ("group_size", "groups_per_batch", "grouping")
    same = all(first.data_settings.get(key) == second.data_settings.get(key) for key in keys)
    return same and first.data == second.data


def _rates_of_seeds(family: Family) -> dict[str, list[float]]:
    """The rates that every run of a setting has, one value per training seed."""
    of_runs = [_rates(read_results(run.results)) for run in family.runs]
    return {name: [rates[name] for rates in of_runs] for name in of_runs[0] if all(name in rates for rates in of_runs)}


def _rates(results: RunResults) -> dict[str, float]:
    """Rates in [0, 1]: translation in the worse direction by way, accuracy by samples of beta by task."""
    carried = results.translation.ways if results.translation else []
    rates = {f"translated with {LABELS[way]}": results.translation.worst("domain", way) for way in carried}
    measured = {name: best(accuracies, [SAMPLE]) for name, accuracies in tasks({**results.table1, **results.series})}
    return rates | {name: kernel.accuracy.mean for name, kernel in measured.items() if kernel}


def mixture_alone(settings: Sequence[Family]) -> Iterator[Measured]:
    """Whether each component of a GMVAE holds one domain."""
    for run in means(settings):
        held = read_results(run.results).fig12
        if run.model == MIXTURE and held:
            counts = held.counts
            totals = [max(1, sum(column)) for column in zip(*counts, strict=True)]
            most = sum(max(count / total for count, total in zip(row, totals, strict=True)) for row in counts)
            share, chance = most / len(totals), 1 / len(totals)
            because = (
                f"K = {len(counts)}: {share:.2f} of held-out images are in a component that holds their domain, each "
                "domain counted alike."
            )
            control = f"Components that know nothing of domains: {chance:.2f}."
            yield Measured(run.name, graded(share, SEPARATED, HALF_SEPARATED), because, control)


CLAIMS = (
    Claim(
        "beta takes what is global by itself: skin tone and contrast of faces, thickness of strokes",
        "Fig. 3, 8",
        "`factors` on a run of UGVAE",
        style,
    ),
    Claim(
        "beta takes the domain, and interpolates between domains",
        "Fig. 5, 6",
        "`translation` on a run of UGVAE over two domains",
        domain,
    ),
    Claim(
        "beta tells groups of different structure apart",
        "Fig. 7, 14, Table 1",
        "`table1` or `series` on a run of UGVAE",
        structure,
    ),
    Claim(
        "without d these are lost",
        "ML-VAE, Fig. 4, 11",
        "a run of MLVAE beside one of UGVAE on the same data and groups, each with `translation`, `table1` or `series`",
        lost_without_d,
    ),
    Claim(
        "without beta, a mixture of two components has to hold the domains itself",
        "GMVAE with K = 2, Fig. 12, 13",
        "`fig12` on a run of GMVAE over two domains, with `--model.num_components 2`",
        mixture_alone,
    ),
)
