"""Whether the paper's claims hold for a run, by fixed rules on its results, each beside its controls."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from ugvae.evaluation.classification import KERNELS, PERMUTED, PIXELS, Accuracy, Classification
from ugvae.evaluation.controls import FITTED, UNTRAINED
from ugvae.evaluation.latent_use import SwapEffect
from ugvae.evaluation.results import RunResults
from ugvae.evaluation.translation import Translation
from ugvae.evaluation.ways import CARRIED, LABELS, PLAIN, Z_ALONE

Holds = Literal["yes", "partly", "no", "not measured"]
YES, PARTLY, NO, NOT_MEASURED = "yes", "partly", "no", "not measured"

MARGIN = 0.02  # of accuracy, one of 50 test groups: a smaller lead does not count
ERRORS = 2.0  # standard errors: a difference of more happens by chance about one time in forty
TRANSLATED = 0.95  # share of images: the target of the project; one in twenty may fail a judge
NEEDED = 0.2  # share of images that matched z must translate with the other beta only, or beta is not needed
HALF = 0.5  # below it most images stay in their domain
CONTENT = 0.60  # share of images that keep their content: the target of the project; chance is 0.1 for digits
OF_REFERENCE = 0.60  # the same, as a share of what a plain reconstruction keeps
ABOVE_CHANCE = 2.0  # times the share of the commonest content: less is not taken for content that is kept
ACTIVE = 2  # units: with one alone beta would be no more than a switch
KL = 1.0  # nats per group: less could not tell three groups apart
VISIBLE_PIXELS = 0.01  # mean change in [0, 1], 2.5 of 255 grey levels
VISIBLE_NATS = 1.0  # per image, lost when the beta is another group's

SAMPLE = "beta sample"
SAMPLE_CONTROLS = (f"{UNTRAINED} {SAMPLE}", f"{FITTED} {SAMPLE}", f"{SAMPLE}{PERMUTED}")
MEANS = (f"{UNTRAINED} beta mean", f"{FITTED} beta mean", f"{UNTRAINED} mean z", PIXELS)


@dataclass(frozen=True)
class Statement:
    """What a run's results mean for a claim.

    Attributes:
        claim: the claim.
        holds: whether it holds.
        because: the numbers, in a sentence.
        control: what the numbers are to be compared with.
    """

    claim: str
    holds: Holds
    because: str
    control: str


class Best(NamedTuple):
    """The accuracy of the better kernel, and the feature that reached it."""

    feature: str
    accuracy: Accuracy

    def beats(self, other: "Best") -> bool:
        """Whether it is above the other by more than the margin and by more than chance."""
        pair = self.accuracy, other.accuracy
        error = math.sqrt(sum((side.sd or 0.0) ** 2 / len(side.values) for side in pair))
        return pair[0].mean - pair[1].mean > max(MARGIN, ERRORS * error)


def tasks(comparisons: Mapping[str, Classification]) -> Iterator[tuple[str, dict[str, dict[str, Accuracy]]]]:
    """Accuracies by feature and kernel of every task of some comparisons, with its name."""
    for name, result in comparisons.items():
        for task, accuracies in result.accuracy.items():
            yield name if task == "kinds" else f"{name} / random", accuracies


def best(accuracies: Mapping[str, Mapping[str, Accuracy]], features: Sequence[str]) -> Best | None:
    """The best of some features by the better kernel; None if none was measured."""
    measured = [
        Best(feature, accuracies[feature][kernel])
        for feature in features
        if feature in accuracies
        for kernel in KERNELS
    ]
    return max(measured, key=lambda entry: entry.accuracy.mean, default=None)


def largest_swap(results: RunResults) -> tuple[str, SwapEffect] | None:
    """The set of groups between which a swap of beta changes the most, and what it changes."""
    effects = {name: use.swap_beta for name, use in results.latent_use.items() if use.swap_beta}
    return max(effects.items(), key=lambda entry: entry[1].log_likelihood_loss, default=None)


def verdict(results: RunResults) -> list[Statement]:
    """The claims, and whether they hold: always the same in the same order, then one for each column of ``groups``."""
    return [*(claim(results) for claim in CLAIMS), *_columns_told_apart(results)]


def carries_information(results: RunResults) -> Statement:
    """Samples of beta against the best control by samples, in every task of table1 and of the series."""
    claim = "Beta carries what the images of a group have in common, beyond what any control by samples does."
    return _information(claim, {**results.table1, **results.series}, "table1 or series")


def _columns_told_apart(results: RunResults) -> list[Statement]:
    """The same rule for each comparison of the user's own columns."""
    return [
        _information(f"Beta tells {name} apart beyond the controls.", {name: result}, "groups")
        for name, result in results.groups.items()
    ]


def _information(claim: str, compared: Mapping[str, Classification], command: str) -> Statement:
    """Samples of beta against the best control by samples, in every task of the comparisons."""
    comparisons, means, wins, matched = [], [], [], []
    for name, accuracies in tasks(compared):
        trained = best(accuracies, [SAMPLE])
        controls = [control for feature in SAMPLE_CONTROLS if (control := best(accuracies, [feature]))]
        if trained is None or not controls:
            continue
        rival = max(controls, key=lambda control: control.accuracy.mean)
        wins.append(trained.beats(rival))
        if any(control.feature == SAMPLE_CONTROLS[1] and not trained.beats(control) for control in controls):
            matched.append(name)
        comparisons.append(f"{name}: {trained.accuracy} against {rival.accuracy} ({rival.feature})")
        means += [control.accuracy.mean for control in [best(accuracies, MEANS)] if control]
    if not comparisons:
        return _not_measured(claim, command)
    because = f"Accuracy by samples of beta, trained against the best control: {'; '.join(comparisons)}."
    if matched:
        because += f" With BatchNorm fitted, the untrained network does at least as well in {'; '.join(matched)}."
    control = "Posterior means decide nothing here"
    if means:
        reached = " to ".join(dict.fromkeys(f"{accuracy:.2f}" for accuracy in (min(means), max(means))))
        control += f": without any training, means and the mean pixel reach {reached} on the same groups"
    return Statement(claim, _all(wins), because, f"{control}. Only samples weigh a mean against its uncertainty.")


def controls_generation(results: RunResults) -> Statement:
    """Translation where there are two domains; what a swap of beta changes in any data."""
    claim = "Beta controls what is generated."
    swap, translation = largest_swap(results), results.translation
    if translation is None and swap is None:
        return _not_measured(claim, "translation or latent_use")
    because, control = [], []
    holds = NO
    if swap is not None:
        name, effect = swap
        holds = YES if effect.pixels > VISIBLE_PIXELS and effect.log_likelihood_loss > VISIBLE_NATS else NO
        because.append(
            f"Under the beta of another group ({name}) pixels change by {effect.pixels:.3f} of 1 on average, and an "
            f"image loses {round(effect.log_likelihood_loss, 1) + 0.0:.1f} nats"
        )
        control.append("The same z under the beta of its own group changes nothing")
    if translation is not None:
        rates = {way: translation.worst("domain", way) for way in CARRIED}
        listed = ", ".join(f"{rate:.2f} with {LABELS[way]}" for way, rate in rates.items())
        because.append(f"judged to be of the other domain, the worse of both directions: {listed}")
        plain = max(direction.domain[PLAIN] for direction in translation.rates.values())
        control.append(f"plain reconstructions are taken for the other domain in {plain:.2f} of cases at most")
        if "matched" in translation.ways:
            control.append(
                f"z of matched moments translates {translation.worst('domain', 'matched'):.2f}, without a change of "
                f"beta {translation.worst('domain', Z_ALONE):.2f}"
            )
        reached = max(rates.values())
        holds = YES if reached >= TRANSLATED else PARTLY if reached >= HALF or holds == YES else NO
    return Statement(claim, holds, _sentence(because), _sentence(control))


def keeps_content(results: RunResults) -> Statement:
    """The content by a judge where both domains have it, else the readings; only where beta translates images."""
    claim = "An image carried into another domain keeps its content."
    translation = results.translation
    if translation is None:
        return _not_measured(claim, "translation")
    rates = {way: translation.worst("domain", way) for way in translation.ways}
    if "matched" in rates and rates["matched"] - translation.worst("domain", Z_ALONE) < NEEDED:
        del rates["matched"]  # moving z alone translates, so it is not an effect of beta
    if max(rates.values()) < HALF:
        because = f"Nothing is translated: {max(rates.values()):.2f} of images in the worse direction at best."
        return Statement(claim, NOT_MEASURED, because, "An image that stays in its domain keeps its content anyway.")
    way = max(rates, key=lambda name: (min(rates[name], TRANSLATED), translation.kept(name)))
    if "content" in translation.judges:
        because, control, enough, something = _judged_content(translation, way)
    else:
        shares = translation.shares_of_reference(way)
        listed = ", ".join(f"{name} {share:.2f}" for name, share in shares.items())
        because = f"With {LABELS[way]}, as a share of what a plain reconstruction keeps: {listed}, the worse direction"
        control = "Images paired at random agree in nothing (correlation about 0)."
        enough, something = min(shares.values()) >= OF_REFERENCE, max(shares.values()) >= OF_REFERENCE
    holds = YES if enough and rates[way] >= TRANSLATED else PARTLY if something else NO
    others = "; ".join(
        f"{LABELS[name]}: {rate:.2f} translated, {translation.kept(name):.2f} kept" for name, rate in rates.items()
    )
    return Statement(claim, holds, f"{because} ({others}).", control)


def _judged_content(translation: Translation, way: str) -> tuple[str, str, bool, bool]:
    """The content by a judge: numbers, control, whether it reaches the target, whether it beats chance."""
    share, column = translation.worst("content", way), translation.content.column
    chance = max(translation.judges["content"][f"{side} commonest"] for side in "AB")
    because = f"With {LABELS[way]} the {column} is kept in {share:.2f} of images, the worse of both directions"
    plain = translation.worst("content", PLAIN)
    control = f"Plain reconstructions keep it in {plain:.2f}; the commonest {column} alone is {chance:.2f}."
    return because, control, share >= CONTENT, share >= ABOVE_CHANCE * chance


def is_used(results: RunResults) -> Statement:
    """Active units and KL, against the untrained network, on groups as in training where they are not random."""
    claim = "Beta is used."
    uses = {name: use for name, use in results.latent_use.items() if use.beta}
    if not uses:
        return _not_measured(claim, "latent_use")
    name = next((name for name in uses if name.startswith("groups as in training")), next(iter(uses)))
    beta, before = uses[name].beta, uses[name].untrained
    because = (
        f"{beta.active_units} of {beta.dimensions} units are active, KL_beta is {beta.kl.mean:.1f} nats per group, "
        f"and {beta.apart} units tell groups apart by a sample ({name})."
    )
    passed = [beta.active_units >= ACTIVE, beta.kl.mean > KL]
    control = "Not measured on an untrained network."
    if before is not None:
        passed.append(beta.active_units > before.active_units)
        control = (
            f"Untrained: {before.active_units} active units and {before.kl.mean:.1f} nats. A product of many factors "
            "is narrow whatever it knows, so the units count, and the nats alone do not."
        )
    return Statement(claim, _all(passed), because, control)


def bound_tightens(results: RunResults) -> Statement:
    """The importance-weighted bound lies above the ELBO and rises with T at every S."""
    claim = "The importance-weighted bound is at least the ELBO, and tightens with more draws."
    ladder = results.bound
    if ladder is None:
        return _not_measured(claim, "bound")
    bounds = sorted(ladder.bounds, key=lambda rung: (rung.S, rung.T))
    above = all(rung.gain.mean >= -ERRORS * rung.gain.error for rung in bounds)
    rises = [
        more.mean > fewer.mean
        for fewer, more in itertools.permutations(bounds, 2)
        if more.S >= fewer.S and more.T >= fewer.T
    ]
    gains = " and ".join(f"{rung.gain.mean:.2f} with S = {rung.S}, T = {rung.T}" for rung in (bounds[0], bounds[-1]))
    because = f"ELBO {ladder.elbo.mean:.2f} nats per image; the bound adds {gains}."
    control = f"{ladder.groups} held-out groups of {ladder.group_size}; the ELBO has draws of its own."
    return Statement(claim, _all([above, bool(rises) and all(rises)]), because, control)


CLAIMS = (carries_information, controls_generation, keeps_content, is_used, bound_tightens)


def _all(passed: list[bool]) -> Holds:
    return YES if all(passed) else PARTLY if any(passed) else NO


def _sentence(parts: list[str]) -> str:
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}."


def _not_measured(claim: str, command: str) -> Statement:
    return Statement(claim, NOT_MEASURED, f"No result of {command} for this run.", "None.")
