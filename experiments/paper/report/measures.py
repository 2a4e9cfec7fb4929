"""Tables of what beta controls and how much of it is used: ``translation``, ``latent_use`` and ``bound``."""

from collections.abc import Mapping
from typing import Any

from experiments.paper.report.html import Html, table
from ugvae.evaluation.translation import Z_ALONE

Result = Mapping[str, Any]

WAYS = {
    "reconstruction": "plain reconstruction",
    "fixed": "fixed z, the paper's",
    "transported": "transported z",
    "matched": "z of matched moments",
    Z_ALONE: "the same z, its own beta",
}


def translation(result: Result) -> list[Html]:
    """How often an image becomes one of the other domain, and what it keeps; the reference is the row above."""
    domains = result["domains"]
    names = domains.get("names") or {side: f"{domains['column']} {domains[side]}" for side in "AB"}
    survives = result.get("survives", {})
    readings = list(dict.fromkeys(name for each in survives.values() for name in each if name != "retrieval"))
    has_content = any("content" in rates for rates in result["rates"].values())
    heads = ["direction and way", "judged to be of the target"]
    heads += [f"{result['content']['column']} kept"] if has_content else []
    heads += [f"{name}, rank correlation" for name in readings]
    heads += ["source found again"] if survives else []
    rows, classes = [], []
    for direction, rates in result["rates"].items():
        said = direction.translate(str.maketrans(names))
        for way in rates["domain"]:
            row = [f"{said}, {WAYS.get(way, way)}", _share(rates["domain"][way])]
            row += [_share(rates.get("content", {}).get(way))] if has_content else []
            kept = survives.get(direction, {})
            row += [_signed(kept.get(name, {}).get(way, {}).get("spearman")) for name in readings]
            row += [_share(kept.get("retrieval", {}).get(way))] if survives else []
            rows.append(row)
            classes.append({"reconstruction": "control", Z_ALONE: "control", "fixed": None}.get(way, "ours"))
    judges = ", ".join(f"{name} {_share(said['A'])} and {_share(said['B'])}" for name, said in result["judges"].items())
    left_out = result["content"].get("left_out")
    caption = (
        f"{result['groups']} groups of {result['group_size']} held-out images of each kind. "
        f"The judges' accuracy on real images: {judges}. "
        + (f"Content not judged: {left_out}. " if left_out else "")
        + "What is kept is to be held against the plain reconstruction, in grey."
    )
    return [table(caption, heads, rows, classes), *_probes(result.get("probes", {}), names)]


def _probes(probes: Result, names: Mapping[str, str]) -> list[Html]:
    """What probes of columns say, rank correlations with the source."""
    rows = []
    for column, said in probes.items():
        if "reason" in said:
            rows.append([column, f"no probe: {said['reason']}", "", "", "", ""])
        for direction in (each for each in said if " to " in each):
            kept = said[direction]
            cells = [_signed(kept.get(way, {}).get("spearman")) for way in (*WAYS, "chance")]
            read = f"{direction.translate(str.maketrans(names))}, source by {kept['source']}"
            rows.append([column, read, *cells])
    if not rows:
        return []
    caption = "Probes learned from real images: rank correlation between what the source has and what the result shows."
    return [table(caption, ["probe", "direction", *WAYS.values(), "shuffled pairs"], rows)]


def latent_use(result: Result) -> list[Html]:
    """How much of beta is used, and what a swap of beta or z changes."""
    heads = ["groups", "KL_beta, nats per group", "active units", "tell groups apart by a sample"]
    heads += ["swap of beta: pixels", "nats per image lost", "swap of z: pixels", "nats per image lost"]
    rows = []
    for name, use in result["results"].items():
        beta, swaps = use.get("beta"), [use.get("swap_beta"), use.get("swap_z")]
        cells = ["—"] * 3
        if beta:
            apart = sum(ratio > 1 for ratio in beta["between_over_posterior"])
            kl = beta["kl"]
            cells = [
                f"{kl['mean']:.1f} ± {kl['sd']:.1f}",
                *(f"{n} of {beta['dimensions']}" for n in (beta["active_units"], apart)),
            ]
        for swap in swaps:
            cells += [f"{swap['pixels']:.3f}", _signed(swap["log_likelihood_loss"])] if swap else ["—", "—"]
        rows.append([f"{name}, {use['groups']} of {use['group_size']}", *cells])
    caption = (
        "Use of beta on held-out images. A unit is active if the variance of its posterior mean between groups is "
        "above 0.01; it tells groups apart if it varies by more than one posterior s.d. A swap decodes with the beta "
        "of another group, or the z of another image: change of a pixel in [0, 1], and loss of log-likelihood."
    )
    return [table(caption, heads, rows)]


def factors(result: Result) -> list[Html]:
    """Shares of variance of decoded images by what decides them."""
    sets = result["results"]
    names = list(dict.fromkeys(name for shares in sets.values() for name in shares))
    rows = [[name, *(_share(shares.get(name, {}).get("beta")) for shares in sets.values())] for name in names]
    caption = (
        "Share of the variance of decoded images that beta decides, by property; the rest is of the local latents. "
        "Beta takes the style if its share is larger for a property of style than for the pixels."
    )
    classes = ["control" if name == "pixels" else None for name in names]
    return [table(caption, ["property", *sets], rows, classes)]


def bound(result: Result) -> list[Html]:
    """The importance-weighted bound for growing S and T beside the ELBO."""
    elbo = result["elbo"]
    rows = [["ELBO", "", f"{elbo['mean']:.2f} ± {elbo['error']:.2f}", ""]]
    for each in result["bounds"]:
        gain = each["gain"]
        value = f"{each['mean']:.2f} ± {each['error']:.2f}"
        rows.append([f"S = {each['S']}", f"T = {each['T']}", value, f"{gain['mean']:+.3f} ± {gain['error']:.3f}"])
    caption = (
        "Importance-weighted bound, S draws of beta per group and T of z per image, nats per image ± standard error "
        f"over {result['groups']} groups of {result['group_size']}. It must lie above the ELBO and rise."
    )
    return [table(caption, ["draws of beta", "draws of z", "bound", "above the ELBO"], rows)]


def _share(value: float | None) -> str:
    return "—" if value is None else f"{value:.2f}"


def _signed(value: float | None) -> str:
    return "—" if value is None else f"{value:.2f}".replace("-", "−")
