"""Claims about what beta does to images: whether it controls them, takes the style, keeps the content, is used."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from ugvae.evaluation.controls import UNTRAINED
from ugvae.evaluation.factors import FIXED, HELD_OUT, PIXELS, PRIOR, Decided, VarianceShares
from ugvae.evaluation.latent_use import LatentUse, SwapEffect
from ugvae.evaluation.results import RunResults
from ugvae.evaluation.statements import NO, NOT_MEASURED, PARTLY, YES, Holds, Statement, not_measured, sentence
from ugvae.evaluation.translation import Translation
from ugvae.evaluation.ways import CONTROL, LABELS, PLAIN

MOSTLY, NOTABLE = 0.5, 0.2  # shares of a property's variance: beta decides it; beta has some effect on it
BEYOND = 0.05  # a share that is not larger than that of the control by this does not count
TRANSLATED = 0.95  # share of images: the target of the project; one in twenty may fail a judge
NEEDED = 0.2  # share of images that a way must translate with the other beta only, or it is not beta's doing
HALF = 0.5  # below it most images stay in their domain
CONTENT = 0.60  # share of images that keep their content: the target of the project; chance is 0.1 for digits
OF_REFERENCE = 0.60  # the same, as a share of what a plain reconstruction keeps
ABOVE_CHANCE = 2.0  # times the share of the commonest content: less is not taken for content that is kept
KNOWN = 1.0  # nats of information per group: less could not tell three groups apart
VISIBLE_PIXELS = 0.01  # change in [0, 1], 2.5 of 255 grey levels
VISIBLE_NATS = 1.0  # per image, lost when the beta is another group's

PLACES = {HELD_OUT: "in the walk", FIXED: "with z fixed"}  # of the betas of held-out groups
MOVED = {"fixed": "with z fixed"} | {
    way: f"with z {way} beyond its control" for way, control in CONTROL.items() if control != PLAIN
}


class Evidence(NamedTuple):
    """What one measurement says about control.

    Attributes:
        place: where beta acts: in the walk, with z fixed, with z transported.
        strength: whether it controls there.
        numbers: in words.
    """

    place: str
    strength: Holds
    numbers: str


def controls_generation(results: RunResults) -> Statement:
    """Control in the walk, with z fixed, transported beyond its control, or in neither; the strongest way counts."""
    claim = "Beta controls what is generated."
    evidence = [*_decided(results.factors), *_translated(results.translation), *_swapped(results.latent_use)]
    if not evidence:
        return not_measured(claim, "factors, translation or latent_use")
    where = ", ".join(dict.fromkeys(entry.place for entry in evidence if entry.strength != NO))
    numbers: dict[str, list[str]] = {}
    for entry in evidence:
        numbers.setdefault(entry.place, []).append(entry.numbers)
    because = [f"{place[0].upper()}{place[1:]}: {'; '.join(words)}." for place, words in numbers.items()]
    control = (
        "Untrained networks with the betas of their own held-out groups, and moved z under its own beta; fixed z under "
        "its own beta is a reconstruction, and changes nothing."
    )
    holds = _strongest([entry.strength for entry in evidence])
    head = f"Control: {where}." if where else "Control in none of the ways that were measured."
    return Statement(claim, holds, " ".join([head, *because]), control)


def _strongest(strengths: Sequence[Holds]) -> Holds:
    return YES if YES in strengths else PARTLY if PARTLY in strengths else NO


def takes_style(results: RunResults) -> Statement:
    """A property of style of which held-out betas decide more than of the pixels, and than in an untrained network."""
    claim = "Beta takes the style: more of thickness, brightness, contrast or skin tone than of the pixels."
    if not results.factors:
        return not_measured(claim, "factors")
    holds, because = NO, []
    places = [name for name in PLACES if name in results.factors and f"{UNTRAINED}, {name}" in results.factors]
    if not places:
        return not_measured(claim, "factors", "No control with held-out betas")
    for name in places:
        shares = results.factors[name].shares
        whole = shares[PIXELS].beta or 0.0
        strengths = [
            _strength(share, results.factors[f"{UNTRAINED}, {name}"].shares[prop])
            for prop, share in shares.items()
            if prop != PIXELS and (share.beta or 0.0) > whole
        ]
        holds = _strongest([holds, *strengths])
        because.append(f"{PLACES[name]} the betas of held-out groups decide {listed(results.factors[name])}")
    control = [f"untrained {PLACES[name]}: {listed(results.factors[f'{UNTRAINED}, {name}'])}" for name in places]
    if PRIOR in results.factors:
        control.append(f"betas from the prior, on which no claim rests, decide {listed(results.factors[PRIOR])}")
    return Statement(claim, holds, sentence(because), sentence(control))


def listed(result: Decided) -> str:
    """Shares in words, the s.d. that each is a share of beside it."""
    return ", ".join(_one(name, share) for name, share in result.shares.items())


def _one(name: str, share: VarianceShares) -> str:
    of_what = "" if share.sd is None else f" of s.d. {share.sd:.3f}"
    return f"{name} {'nothing' if share.beta is None else f'{share.beta:.2f}'}{of_what}"


def _strength(share: VarianceShares, control: VarianceShares) -> Holds:
    """Whether beta decides a property: visibly, and beyond the control."""
    visible = share.beta_sd is not None and share.beta_sd >= VISIBLE_PIXELS
    if not visible or share.beta < NOTABLE or share.beta - (control.beta or 0.0) < BEYOND:
        return NO
    return YES if share.beta >= MOSTLY else PARTLY


def _decided(sets: Mapping[str, Decided]) -> Iterator[Evidence]:
    """The shares that held-out betas decide, in the walk and with z fixed; none without their control."""
    for name, place in PLACES.items():
        before = sets.get(f"{UNTRAINED}, {name}")
        if name in sets and before:
            shares = sets[name].shares
            strengths = {prop: _strength(share, before.shares[prop]) for prop, share in shares.items()}
            strength = _strongest(list(strengths.values()))
            reached = [prop for prop in shares if strengths[prop] == strength]
            most = max(reached, key=lambda prop: shares[prop].beta or 0.0)
            words = f"at most {_one(most, shares[most])} by held-out betas, untrained {_one(most, before.shares[most])}"
            yield Evidence(place, strength, words)


def _translated(translation: Translation | None) -> Iterator[Evidence]:
    """Images judged to be of the other domain beyond the control of each way, the worse direction."""
    for way in translation.ways if translation else []:
        earned = translation.earned(way)
        if earned is not None:
            rate, own = (
                translation.worst("domain", way),
                max(r.domain[CONTROL[way]] for r in translation.rates.values()),
            )
            strength = YES if rate >= TRANSLATED and earned >= HALF else PARTLY if earned >= NEEDED else NO
            numbers = f"{rate:.2f} of images become images of the other domain, and {own:.2f} under the own beta"
            yield Evidence(MOVED[way], strength, numbers)


def visible(effect: SwapEffect) -> bool:
    """Whether a swap of beta changes what one sees, and costs likelihood."""
    return effect.pixels > VISIBLE_PIXELS and effect.log_likelihood_loss > VISIBLE_NATS


def _swapped(sets: Mapping[str, LatentUse]) -> Iterator[Evidence]:
    """What the beta of another group changes, in the set of groups where it changes the most; a swap proves no more."""
    for way, place in MOVED.items():
        effects = {name: use.effects[way] for name, use in sets.items() if way in use.effects}
        if effects:
            name, effect = max(effects.items(), key=lambda entry: entry[1].log_likelihood_loss)
            numbers = f"the beta of another group ({name}) {_in_words(effect)}"
            yield Evidence(place, PARTLY if visible(effect) else NO, numbers)


def _in_words(effect: SwapEffect) -> str:
    nats = round(effect.log_likelihood_loss, 1) + 0.0
    return f"changes pixels by {effect.pixels:.3f} of 1 on average and costs {nats:.1f} nats per image".replace(
        "-", "−"
    )


def chosen_way(translation: Translation) -> tuple[str, str]:
    """The way by which translation is judged, and why: it never follows from the test split.

    It is the one that translates, by beta, and keeps the most on the validation split; the paper's where none does.
    """
    validation = translation.validation
    if validation is None:
        return "fixed", "the paper's way, since none was chosen on the validation split"
    earned = {way: validation.earned(way) for way in validation.ways if way in translation.ways}
    ways = [way for way, share in earned.items() if share is not None and share >= NEEDED]
    if not ways:
        return "fixed", "the paper's way, since beta translates in none on the validation split"
    best = max(ways, key=lambda way: (min(validation.worst("domain", way), TRANSLATED), validation.kept(way)))
    return best, "the best way on the validation split"


def keeps_content(results: RunResults) -> Statement:
    """The content by a judge where both domains have it, else the readings; only where beta translates images."""
    claim = "An image carried into another domain keeps its content."
    translation = results.translation
    if translation is None:
        return not_measured(claim, "translation")
    way, chosen = chosen_way(translation)
    rate, earned = translation.worst("domain", way), translation.earned(way)
    if rate < HALF or earned is None or earned < NEEDED:
        because = (
            f"Beta translates too little: {rate:.2f} of images, the worse direction, with {LABELS[way]}, {chosen}."
        )
        return Statement(claim, NOT_MEASURED, because, "An image that stays in its domain keeps its content anyway.")
    if "content" in translation.judges:
        because, control, enough, something = _judged_content(translation, way)
    else:
        shares = translation.shares_of_reference(way)
        words = ", ".join(f"{name} {share:.2f}" for name, share in shares.items())
        because = f"With {LABELS[way]}, as a share of what a plain reconstruction keeps: {words}, the worse direction"
        control = "Images paired at random agree in nothing (correlation about 0)."
        enough, something = min(shares.values()) >= OF_REFERENCE, max(shares.values()) >= OF_REFERENCE
    holds = YES if enough and rate >= TRANSLATED else PARTLY if something else NO
    others = "; ".join(
        f"{LABELS[name]}: {translation.worst('domain', name):.2f} translated, {translation.kept(name):.2f} kept"
        for name in translation.ways
    )
    return Statement(claim, holds, f"{because}; it is {chosen} ({others}).", control)


def _judged_content(translation: Translation, way: str) -> tuple[str, str, bool, bool]:
    """The content by a judge: numbers, control, whether it reaches the target, whether it beats chance."""
    share, column = translation.worst("content", way), translation.content.column
    chance = max(translation.judges["content"][f"{side} commonest"] for side in "AB")
    because = f"With {LABELS[way]} the {column} is kept in {share:.2f} of images, the worse of both directions"
    plain = translation.worst("content", PLAIN)
    control = f"Plain reconstructions keep it in {plain:.2f}; the commonest {column} alone is {chance:.2f}."
    return because, control, share >= CONTENT, share >= ABOVE_CHANCE * chance


def is_used(results: RunResults) -> Statement:
    """Information beyond the untrained network's *and* a visible effect, on groups as in training where there are.

    In part, where beta acts through the prior of z alone: then it decides what is generated in the walk, and a swap of
    beta changes no image whose z stays.
    """
    claim = "Beta is used: it knows its group, and it changes the images."
    uses = {name: use for name, use in results.latent_use.items() if use.beta}
    if not uses:
        return not_measured(claim, "latent_use")
    name = next((name for name in uses if name.startswith("groups as in training")), next(iter(uses)))
    use = uses[name]
    if use.beta.information is None or use.untrained is None or use.untrained.information is None:
        return not_measured(claim, "latent_use", "Information and mismatch were not told apart")
    known, before = use.beta.information, use.untrained.information
    informed = known.information - before.information > KNOWN
    moved = any(visible(effect) for effect in use.effects.values())
    walked = any(evidence.strength != NO for evidence in _decided(results.factors))
    effects = "; ".join(f"{MOVED[way]}, {_in_words(effect)}" for way, effect in use.effects.items())
    because = (
        f"KL_beta is {use.beta.kl.mean:.1f} nats per group: {known}; with a Gaussian aggregate the "
        f"information is {known.gaussian:.1f} ({name}). {use.beta.active_units} of "
        f"{use.beta.dimensions} units are active, {use.beta.apart} tell groups apart by a sample. The beta of another "
        f"group, {effects}.{' It acts through the prior of z: see the walk.' if walked and not moved else ''}"
    )
    control = (
        f"Untrained: {use.untrained.kl.mean:.1f} nats: {before}. A product of many factors is narrow whatever it "
        "knows, so only information counts, and only together with an effect."
    )
    holds = NO if not informed else YES if moved else PARTLY if walked else NO
    return Statement(claim, holds, because, control)
