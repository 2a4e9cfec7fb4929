"""The claims of the paper, and what a run's numbers say of each."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from experiments.paper.factors import HELD_OUT, PRIOR
from ugvae.evaluation import verdict
from ugvae.evaluation.controls import UNTRAINED
from ugvae.evaluation.factors import PIXELS
from ugvae.evaluation.verdict import best, tasks, ways, worst
from ugvae.runs.folder import RunFolder

HOLDS = {"yes": "holds", "partly": "partly", "no": "does not hold", "not measured": "not measured"}
GLOBAL_MODEL, WITHOUT_D, MIXTURE = "UGVAE", "MLVAE", "GMVAE"
MARGIN = 0.05  # of a rate, below which two runs are taken for alike: one of them may have had the better seed
MOSTLY, NOTABLE = 0.5, 0.2  # share of a property's variance: beta decides it; beta has a say in it
SEPARATED, HALF_SEPARATED = 0.95, 0.75  # share of images in components that hold their domain; chance is 0.5


class Measured(NamedTuple):
    """What one run says of a claim.

    Attributes:
        run: name of the run.
        holds: as in ``verdict``.
        because: the numbers, in a sentence.
        control: what they are to be held against.
    """

    run: str
    holds: str
    because: str
    control: str


class Claim(NamedTuple):
    """A claim of the paper.

    Attributes:
        title: the claim.
        figures: where the paper shows it.
        needs: what would measure it, if no run does.
        measure: what the runs say, those that can.
    """

    title: str
    figures: str
    needs: str
    measure: Callable[[Sequence[RunFolder]], Iterator[Measured]]


def style(runs: Sequence[RunFolder]) -> Iterator[Measured]:
    """What beta decides of each property of decoded images, beside what it decides of the picture as a whole."""
    for run in runs:
        sets = run.results.get("factors", {}).get("results", {})
        if run.model == GLOBAL_MODEL and PRIOR in sets:
            shares = {name: each["beta"] for name, each in sets[PRIOR].items()}
            whole = shares.pop(PIXELS)
            most = max(shares.values())
            holds = verdict.NO if most <= whole else verdict.YES if most >= MOSTLY else verdict.PARTLY
            if most < NOTABLE:
                holds = verdict.NO
            because = (
                f"Shares of variance that beta decides, drawn from its prior: {_listed(shares)}; pixels {whole:.2f}."
            )
            if HELD_OUT in sets:
                because += f" With the betas of held-out groups: {_listed(_by_beta(sets[HELD_OUT]))}."
            control = f"Untrained, from the prior: {_listed(_by_beta(sets[UNTRAINED]))}."
            yield Measured(run.name, holds, because, control)


def _by_beta(shares: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    return {name: each["beta"] for name, each in shares.items()}


def _listed(shares: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {share:.2f}" for name, share in shares.items())


def domain(runs: Sequence[RunFolder]) -> Iterator[Measured]:
    """Whether beta carries images into the other domain, and what they keep."""
    for run in runs:
        if run.model == GLOBAL_MODEL and "translation" in run.results:
            found = {"translation": run.results["translation"]}
            for statement in (verdict.controls_generation(found), verdict.keeps_content(found)):
                yield Measured(
                    run.name, statement["holds"], f"{statement['claim']} {statement['because']}", statement["control"]
                )


def structure(runs: Sequence[RunFolder]) -> Iterator[Measured]:
    """Whether samples of beta tell kinds of group apart."""
    for run in runs:
        if run.model == GLOBAL_MODEL:
            statement = verdict.carries_information(run.results)
            if statement["holds"] != verdict.NOT_MEASURED:
                yield Measured(run.name, statement["holds"], statement["because"], statement["control"])


def lost_without_d(runs: Sequence[RunFolder]) -> Iterator[Measured]:
    """ML-VAE beside UG-VAE on the same data and groups: what both were measured by."""
    for run in runs:
        for other in runs:
            if run.model == WITHOUT_D and other.model == GLOBAL_MODEL and _same_task(run, other):
                theirs, ours = _scores(run.results), _scores(other.results)
                both = [name for name in ours if name in theirs]
                if both:
                    lost = [ours[name] - theirs[name] > MARGIN for name in both]
                    holds = verdict.YES if all(lost) else verdict.PARTLY if any(lost) else verdict.NO
                    said = "; ".join(f"{name}: {theirs[name]:.2f} against {ours[name]:.2f}" for name in both)
                    control = f"UG-VAE, {other.name}: same data, groups, backbone and likelihood."
                    yield Measured(run.name, holds, f"ML-VAE against UG-VAE. {said}.", control)


def mixture_alone(runs: Sequence[RunFolder]) -> Iterator[Measured]:
    """Whether the components of a GMVAE hold a domain each."""
    for run in runs:
        if run.model == MIXTURE and "fig12" in run.results:
            counts = run.results["fig12"]["counts"]
            totals = [max(1, sum(row[side] for row in counts)) for side in range(len(counts[0]))]
            shares = [[count / total for count, total in zip(row, totals, strict=True)] for row in counts]
            held = sum(max(row) for row in shares) / len(totals)
            chance = 1 / len(totals)
            holds = verdict.YES if held >= SEPARATED else verdict.PARTLY if held >= HALF_SEPARATED else verdict.NO
            because = (
                f"K = {len(counts)}: {held:.2f} of held-out images (each domain counted alike) are in one of theirs."
            )
            yield Measured(run.name, holds, because, f"Components that know nothing of domains: {chance:.2f}.")


def _same_task(first: RunFolder, second: RunFolder) -> bool:
    keys = ("group_size", "groups_per_batch", "grouping")
    same = all(first.data_settings.get(key) == second.data_settings.get(key) for key in keys)
    return first.data == second.data and same


def _scores(results: Mapping[str, Mapping]) -> dict[str, float]:
    """Rates in [0, 1] by what they are of: translation in the worse direction, accuracy of samples of beta."""
    scores = {}
    if "translation" in results:
        rates = {way: worst(results["translation"], "domain", way) for way in ways(results["translation"])}
        scores |= {f"translated with {way} z": rate for way, rate in rates.items()}
    for name, accuracies in tasks(results):
        if (found := best(accuracies, [verdict.SAMPLE])) is not None:
            scores[name] = found.mean
    return scores


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
