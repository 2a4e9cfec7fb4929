"""The numbers that the verdict rests on, picked out of what the commands of ``experiments.paper`` leave as JSON."""

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ugvae.evaluation.classification import KERNELS, PERMUTED, PIXELS
from ugvae.evaluation.controls import FITTED, UNTRAINED
from ugvae.evaluation.translation import CARRIED, DIRECTIONS, WAYS, Z_ALONE

Result = Mapping[str, Any]

MARGIN = 0.02  # of accuracy, one of 50 test groups: a smaller lead is of no use, however sure
ERRORS = 2.0  # standard errors that a lead must exceed: by chance about one time in forty


class Accuracy(NamedTuple):
    """An accuracy by the better kernel: mean and s.d. over ``seeds`` repetitions, and the feature it is of."""

    feature: str
    mean: float
    sd: float
    seeds: int

    def __str__(self) -> str:
        return f"{self.mean:.2f} ± {self.sd:.2f}"

    def beats(self, other: "Accuracy") -> bool:
        """Whether it is above the other by more than the margin and by more than chance."""
        error = math.sqrt(self.sd**2 / self.seeds + other.sd**2 / other.seeds)
        return self.mean - other.mean > max(MARGIN, ERRORS * error)


def tasks(results: Mapping[str, Result]) -> Iterator[tuple[str, Result]]:
    """Accuracies by feature of every task of table1 and series, with its name."""
    for command in ("table1", "series"):
        for name, result in results.get(command, {}).get("results", {}).items():
            for task, accuracies in result["accuracy"].items():
                yield name if task == "kinds" else f"{name} / random", accuracies


def best(accuracies: Result, features: Sequence[str]) -> Accuracy | None:
    """The best of some features by the better kernel; None if none was measured."""
    found = [
        Accuracy(feature, each["mean"], each["sd"], len(each["values"]))
        for feature in features
        if feature in accuracies
        for each in (accuracies[feature][kernel] for kernel in KERNELS)
    ]
    return max(found, key=lambda each: each.mean, default=None)


def swap(results: Mapping[str, Result]) -> tuple[str, Result] | None:
    """The set of groups between which a swap of beta changes the most, and what it changes."""
    uses = results.get("latent_use", {}).get("results", {})
    found = {name: each["swap_beta"] for name, each in uses.items() if each.get("swap_beta")}
    return max(found.items(), key=lambda each: each[1]["log_likelihood_loss"], default=None)


def ways(translation: Result) -> list[str]:
    """The ways in which z was carried."""
    return [way for way in WAYS if all(way in each["domain"] for each in translation["rates"].values())]


def worst(translation: Result, name: str, way: str) -> float:
    """A rate in the worse of both directions."""
    return min(translation["rates"][each][name][way] for each in DIRECTIONS)


def kept(translation: Result, way: str) -> float:
    """What is kept in the worse direction: the content, or else the least of the readings' shares of the reference."""
    if "content" in translation["judges"]:
        return worst(translation, "content", way)
    return min(shares_of_reference(translation, way).values())


def shares_of_reference(translation: Result, way: str) -> dict[str, float]:
    """Of each reading, and of retrieval, what is kept over what a plain reconstruction keeps, the worse direction."""
    shares: dict[str, float] = {}
    for direction in DIRECTIONS:
        for name, agreement in translation["survives"][direction].items():
            ours, plain = (
                agreement[each] if name == "retrieval" else agreement[each]["spearman"]
                for each in (way, "reconstruction")
            )
            share = max(0.0, ours / plain) if plain > 0 else 0.0
            shares[name] = min(share, shares.get(name, math.inf))
    return shares


Statement = dict[str, str]  # claim, holds, because, control

YES, PARTLY, NO, NOT_MEASURED = "yes", "partly", "no", "not measured"

ERRORS = 2.0  # standard errors that the bound may lie below the ELBO by: by chance one time in forty
TRANSLATED = 0.95  # share of images: the target of the project, one in twenty may fail a judge
NEEDED = 0.2  # share of images that moving z translates with the other beta only, or else beta is not needed
HALF = 0.5  # below it most images stay in their domain
CONTENT = 0.60  # share of images that keep their content: the target of the project, chance being 0.1 for digits
OF_REFERENCE = 0.60  # the same, as a share of what a plain reconstruction keeps
ABOVE_CHANCE = 2.0  # times the share of the commonest content, under which nothing can be said to be kept
ACTIVE = 2  # units: with one alone beta would be no more than a switch
KL = 1.0  # nats per group: less could not tell three groups apart
VISIBLE_PIXELS = 0.01  # mean change in [0, 1], 2.5 of 255 grey levels
VISIBLE_NATS = 1.0  # per image, lost when the beta is another group's

SAMPLE = "beta sample"
SAMPLE_CONTROLS = (f"{UNTRAINED} {SAMPLE}", f"{FITTED} {SAMPLE}", f"{SAMPLE}{PERMUTED}")
MEANS = (f"{UNTRAINED} beta mean", f"{FITTED} beta mean", f"{UNTRAINED} mean z", PIXELS)


def verdict(results: Mapping[str, Result]) -> list[Statement]:
    """The claims, and whether they hold.

    Args:
        results: what ``<run>/paper/<name>.json`` holds, by name; those that are missing were not measured.

    Returns:
        a statement for each claim, always the same ones in the same order.
    """
    return [claim(results) for claim in CLAIMS]


def carries_information(results: Mapping[str, Result]) -> Statement:
    """Samples of beta against the best control by samples, in every task of table1 and of the series."""
    claim = "Beta carries what the images of a group have in common, beyond what any control by samples does."
    said, means, beaten, matched = [], [], [], []
    for name, accuracies in tasks(results):
        trained = best(accuracies, [SAMPLE])
        controls = [best(accuracies, [each]) for each in SAMPLE_CONTROLS if each in accuracies]
        if trained is None or not controls:
            continue
        rival = max(controls, key=lambda each: each.mean)
        beaten.append(trained.beats(rival))
        fitted = next((each for each in controls if each.feature == SAMPLE_CONTROLS[1]), None)
        if fitted is not None and not trained.beats(fitted):
            matched.append(name)
        said.append(f"{name}: {trained} against {rival} ({rival.feature})")
        means += [each for each in [best(accuracies, MEANS)] if each is not None]
    if not said:
        return _not_measured(claim, "table1 or series")
    because = f"Accuracy by samples of beta, trained against the best control: {'; '.join(said)}."
    if matched:
        because += f" With BatchNorm fitted, the untrained network does at least as well in {'; '.join(matched)}."
    control = "Posterior means decide nothing here"
    if means:
        low, high = min(each.mean for each in means), max(each.mean for each in means)
        reached = f"{low:.2f}" if low == high else f"{low:.2f} to {high:.2f}"
        control += f": without any training, means and the mean pixel reach {reached} on the same groups"
    return _statement(claim, _share(beaten), because, f"{control}. Only samples weigh a mean against its uncertainty.")


def controls_generation(results: Mapping[str, Result]) -> Statement:
    """Translation where there are two domains; what a swap of beta changes in any data."""
    claim = "Beta controls what is generated."
    swapped, translation = swap(results), results.get("translation")
    if translation is None and swapped is None:
        return _not_measured(claim, "translation or latent_use")
    because, control = [], []
    holds = NO
    if swapped is not None:
        name, effect = swapped
        visible = effect["pixels"] > VISIBLE_PIXELS and effect["log_likelihood_loss"] > VISIBLE_NATS
        because.append(
            f"Under the beta of another group ({name}) pixels change by {effect['pixels']:.3f} of 1 on average, and an "
            f"image loses {effect['log_likelihood_loss']:.1f} nats"
        )
        control.append("The same z under the beta of its own group changes nothing")
        holds = YES if visible else NO
    if translation is not None:
        rates = {way: worst(translation, "domain", way) for way in CARRIED}
        because.append(
            "judged to be of the other domain, the worse of both directions: "
            + ", ".join(f"{rate:.2f} with {way} z" for way, rate in rates.items())
        )
        plain = max(translation["rates"][each]["domain"]["reconstruction"] for each in DIRECTIONS)
        control.append(f"plain reconstructions are taken for the other domain in {plain:.2f} of cases at most")
        if "matched" in ways(translation):
            control.append(
                f"z of matched moments translates {worst(translation, 'domain', 'matched'):.2f}, without a change of "
                f"beta {worst(translation, 'domain', Z_ALONE):.2f}"
            )
        reached = max(rates.values())
        holds = YES if reached >= TRANSLATED else PARTLY if reached >= HALF or holds == YES else NO
    return _statement(claim, holds, _sentence(because), _sentence(control))


def keeps_content(results: Mapping[str, Result]) -> Statement:
    """The content by a judge where both domains have it, else the readings; only where beta translates images."""
    claim = "An image carried into another domain keeps its content."
    translation = results.get("translation")
    if translation is None:
        return _not_measured(claim, "translation")
    rates = {way: worst(translation, "domain", way) for way in ways(translation)}
    if "matched" in rates and rates["matched"] - worst(translation, "domain", Z_ALONE) < NEEDED:
        del rates["matched"]  # z alone does it, which is no doing of beta
    if max(rates.values()) < HALF:
        because = f"Nothing is translated: {max(rates.values()):.2f} of images in the worse direction at best."
        return _statement(claim, NOT_MEASURED, because, "What stays in its domain keeps its content for free.")
    way = max(rates, key=lambda each: (min(rates[each], TRANSLATED), kept(translation, each)))
    share = kept(translation, way)
    if "content" in translation["judges"]:
        reference = worst(translation, "content", "reconstruction")
        judge = translation["judges"]["content"]
        chance = max(judge[f"{side} commonest"] for side in "AB")
        column = translation["content"]["column"]
        because = f"With {way} z the {column} is kept in {share:.2f} of images, the worse of both directions"
        control = f"Plain reconstructions keep it in {reference:.2f}; the commonest {column} alone is {chance:.2f}."
        enough, something = share >= CONTENT, share >= ABOVE_CHANCE * chance
    else:
        shares = shares_of_reference(translation, way)
        listed = ", ".join(f"{name} {share:.2f}" for name, share in shares.items())
        because = (
            f"With {way} z, as a share of what a plain reconstruction keeps: {listed}, the worse of both directions"
        )
        control = "Images paired at random agree in nothing (correlation about 0)."
        enough = min(shares.values()) >= OF_REFERENCE
        something = max(shares.values()) >= OF_REFERENCE
    holds = YES if enough and rates[way] >= TRANSLATED else PARTLY if something else NO
    others = "; ".join(f"{each} z: {rates[each]:.2f} translated, {kept(translation, each):.2f} kept" for each in rates)
    return _statement(claim, holds, f"{because} ({others}).", control)


def is_used(results: Mapping[str, Result]) -> Statement:
    """Active units and KL, against the untrained network, on groups as in training where they are not random."""
    claim = "Beta is used."
    uses = results.get("latent_use", {}).get("results", {})
    if not uses:
        return _not_measured(claim, "latent_use")
    name = next((each for each in uses if each.startswith("groups as in training")), next(iter(uses)))
    use = uses[name]["beta"]
    apart = sum(ratio > 1 for ratio in use["between_over_posterior"])
    because = (
        f"{use['active_units']} of {use['dimensions']} units are active, KL_beta is {use['kl']['mean']:.1f} nats per "
        f"group, and {apart} units tell groups apart by a sample ({name})."
    )
    passed = [use["active_units"] >= ACTIVE, use["kl"]["mean"] > KL]
    control = "Not measured on an untrained network."
    if "untrained" in uses[name]:
        before = uses[name]["untrained"]
        passed.append(use["active_units"] > before["active_units"])
        control = (
            f"Untrained: {before['active_units']} active units and {before['kl']['mean']:.1f} nats, as a product of "
            "many factors is narrow whatever it knows: the units count, the nats alone do not."
        )
    return _statement(claim, _share(passed), because, control)


def bound_tightens(results: Mapping[str, Result]) -> Statement:
    """The importance-weighted bound lies above the ELBO and rises with T at every S."""
    claim = "The importance-weighted bound is at least the ELBO, and tightens with more draws."
    ladder = results.get("bound")
    if ladder is None:
        return _not_measured(claim, "bound")
    bounds = sorted(ladder["bounds"], key=lambda each: (each["S"], each["T"]))
    above = all(each["gain"]["mean"] >= -ERRORS * each["gain"]["error"] for each in bounds)
    rises = [
        more["mean"] > fewer["mean"]
        for fewer, more in itertools.permutations(bounds, 2)
        if more["S"] >= fewer["S"] and more["T"] >= fewer["T"]
    ]
    first, last = bounds[0], bounds[-1]
    because = (
        f"ELBO {ladder['elbo']['mean']:.2f} nats per image; the bound adds {first['gain']['mean']:.2f} with S = "
        f"{first['S']}, T = {first['T']} and {last['gain']['mean']:.2f} with S = {last['S']}, T = {last['T']}."
    )
    control = f"{ladder['groups']} held-out groups of {ladder['group_size']}; the ELBO has draws of its own."
    return _statement(claim, _share([above, bool(rises) and all(rises)]), because, control)


CLAIMS: tuple[Callable[[Mapping[str, Result]], Statement], ...] = (
    carries_information,
    controls_generation,
    keeps_content,
    is_used,
    bound_tightens,
)


def _share(passed: list[bool]) -> str:
    return YES if all(passed) else PARTLY if any(passed) else NO


def _sentence(parts: list[str]) -> str:
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}."


def _statement(claim: str, holds: str, because: str, control: str) -> Statement:
    return {"claim": claim, "holds": holds, "because": because, "control": control}


def _not_measured(claim: str, command: str) -> Statement:
    return _statement(claim, NOT_MEASURED, f"No result of {command} for this run.", "None.")
