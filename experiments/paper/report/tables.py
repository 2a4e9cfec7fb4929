"""The tables of a run, each from the JSON of one command; only what the JSON says is shown."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from experiments.paper.table import ABSENT, Kind, Row, Table, number
from ugvae.evaluation.classification import PERMUTED, PIXELS
from ugvae.evaluation.content import Probe
from ugvae.evaluation.controls import UNTRAINED
from ugvae.evaluation.ways import LABELS, Z_ALONE
from ugvae.plots.curves import PER_GROUP, term_with_unit

Result = Mapping[str, Any]

SAMPLE = "beta sample"  # what the paper's Table 1 classifies
PAPER, CHANCE = "the paper prints", "chance"
TASKS = {"kinds": "kinds alone", "kinds and random": "and random groups"}
KERNELS = {"linear": "linear SVM", "rbf": "RBF SVM"}
UNCARRIED = ("reconstruction", Z_ALONE)  # controls of the ways to carry z under another beta


def tables_of(name: str, result: Result) -> list[Table]:
    """The tables of a command's result; none if it is no command that has some, or of a version with other numbers."""
    try:
        return MADE[name](result)
    except KeyError:
        return []


def classification(result: Result) -> list[Table]:
    """A table for each comparison of ``table1.json`` and ``series.json``."""
    paper = result.get("paper", {})
    return [accuracies(name, each, paper.get(name, {})) for name, each in result["results"].items()]


def accuracies(name: str, result: Result, paper: Result) -> Table:
    """Accuracies of one comparison: ours, the paper's beside it, then the means and the controls."""
    accuracy, chance = result["accuracy"], result["chance"]
    columns = {f"{TASKS.get(task, task)}, {KERNELS[kernel]}": (task, kernel) for task in accuracy for kernel in KERNELS}
    features = dict.fromkeys(feature for task in accuracy.values() for feature in task)
    rows = [
        {"feature": feature}
        | {head: mean(accuracy[task].get(feature, {}).get(kernel)) for head, (task, kernel) in columns.items()}
        for feature in sorted(features, key=lambda feature: feature != SAMPLE)
    ]
    if paper:
        printed = {head: number(paper.get(task, {}).get(kernel)) for head, (task, kernel) in columns.items()}
        rows.insert(1, {"feature": PAPER, **printed})
    rows.append({"feature": CHANCE} | {head: number(chance[task]) for head, (task, _) in columns.items()})
    groups = result["groups_per_kind"]
    caption = (
        f"{name}: accuracy on held-out groups of {result['group_size']}, mean ± s.d. over {len(result['seeds'])} "
        f"seeds; {groups['train']} training and {groups['test']} test groups of each of {len(result['kinds'])} kinds, "
        "no image in both. In bold what the paper classifies; in grey the controls."
    )
    return Table(caption, rows, {index: kind for index, row in enumerate(rows) if (kind := kind_of(row["feature"]))})


def kind_of(feature: str) -> Kind | None:
    """What a row of accuracies is: a control is what is not of the trained model's beta."""
    if feature in (SAMPLE, PAPER):
        return "ours" if feature == SAMPLE else "paper"
    control = feature.startswith((UNTRAINED, PIXELS, CHANCE)) or feature.endswith(PERMUTED)
    return "control" if control else None


def mean(value: Result | None, places: int = 2, spread: str = "sd") -> str:
    """A mean with its s.d. or its standard error."""
    return ABSENT if value is None else f"{number(value['mean'], places)} ± {value[spread]:.{places}f}"


def translation(result: Result) -> list[Table]:
    """How often an image becomes one of the other domain, and what it keeps; and what probes of columns read."""
    names = result["domains"].get("names") or {
        side: f"{result['domains']['column']} {result['domains'][side]}" for side in "AB"
    }
    rows: list[Row] = []
    kinds: dict[int, Kind] = {}
    for direction, rates in result["rates"].items():
        kept = dict(result.get("survives", {}).get(direction, {}))
        retrieval = kept.pop("retrieval", {})
        for way, rate in rates["domain"].items():
            if way != "fixed":
                kinds[len(rows)] = "control" if way in UNCARRIED else "ours"
            row = {"direction": named(direction, names), "z": LABELS.get(way, way)}
            row["judged to be of the target"] = number(rate)
            if "content" in rates:
                row["content kept"] = number(rates["content"].get(way))
            for reading, agreement in kept.items():
                row[f"{reading}, rank correlation"] = number(agreement.get(way, {}).get("spearman"))
            rows.append({**row, "source found again": number(retrieval[way])} if way in retrieval else row)
    judges = ", ".join(f"{name} {number(said['A'])} and {number(said['B'])}" for name, said in result["judges"].items())
    left_out = result["content"].get("left_out")
    caption = (
        f"{result['groups']} groups of {result['group_size']} held-out images of each kind; the content is the "
        f"{result['content']['column']}. The judges' accuracy on real images: {judges}. "
        + (f"Content not judged: {left_out}. " if left_out else "")
        + "Compare what is kept with the plain reconstruction, in grey."
    )
    return [Table(caption, rows, kinds), *probes(result.get("probes", {}), names)]


def named(direction: str, names: Mapping[str, str]) -> str:
    """``A to B`` with the names of the domains."""
    return direction.translate(str.maketrans(dict(names)))


def probes(probes: Result, names: Mapping[str, str]) -> list[Table]:
    """What probes of columns say, rank correlations with the source."""
    rows: list[Row] = []
    for column, readings in probes.items():
        if "reason" in readings:
            rows.append({"probe": column, "direction": f"no probe: {readings['reason']}"})
        for direction, reading in Probe.upgraded(readings).get("directions", {}).items():
            row = {"probe": column, "direction": f"{named(direction, names)}, source by {reading['source']}"}
            kept, ways = reading["kept"], {**LABELS, "chance": "shuffled pairs"}
            rows.append(row | {words: number(kept[way]["spearman"]) for way, words in ways.items() if way in kept})
    caption = "Probes learned from real images: rank correlation between what the source has and what the result shows."
    return [Table(caption, rows)] if rows else []


def latent_use(result: Result) -> list[Table]:
    """How much of beta is used, and what a swap of beta or z changes."""
    rows: list[Row] = []
    for name, use in result["results"].items():
        row = {"groups": f"{name}, {use['groups']} of {use['group_size']}"}
        if beta := use.get("beta"):
            apart = sum(ratio > 1 for ratio in beta["between_over_posterior"])
            row["KL_beta, nats per group"] = mean(beta["kl"], 1)
            row["active units"] = f"{beta['active_units']} of {beta['dimensions']}"
            row["tell groups apart by a sample"] = f"{apart} of {beta['dimensions']}"
        for latent in ("beta", "z"):
            if swap := use.get(f"swap_{latent}"):
                row[f"swap of {latent}: pixels"] = number(swap["pixels"], 3)
                row[f"swap of {latent}: nats per image lost"] = number(swap["log_likelihood_loss"])
        rows.append(row)
    caption = (
        "Use of beta on held-out images. A unit is active if the variance of its posterior mean between groups is "
        "above 0.01; it tells groups apart if it varies by more than one posterior s.d. A swap decodes with the beta "
        "of another group, or the z of another image: change of a pixel in [0, 1], and loss of log-likelihood."
    )
    return [Table(caption, rows)]


def factors(result: Result) -> list[Table]:
    """Shares of variance of decoded images by what decides them."""
    sets = result["results"]
    names = list(dict.fromkeys(name for shares in sets.values() for name in shares))
    rows = [
        {"property": name} | {words: number(shares.get(name, {}).get("beta")) for words, shares in sets.items()}
        for name in names
    ]
    caption = (
        "Share of the variance of decoded images that beta decides, by property; the rest is of the local latents. "
        "Beta takes the style if its share is larger for a property of style than for the pixels."
    )
    return [Table(caption, rows, {row: "control" for row, name in enumerate(names) if name == "pixels"})]


def bound(result: Result) -> list[Table]:
    """The importance-weighted bound for growing S and T beside the ELBO."""
    rows = [
        {"draws of beta": "ELBO", "draws of z": "", "bound": mean(result["elbo"], 2, "error"), "above the ELBO": ""}
    ]
    for step in result["bounds"]:
        gain = f"{number(step['gain']['mean'], 3, '+')} ± {step['gain']['error']:.3f}"
        draws = {"draws of beta": f"S = {step['S']}", "draws of z": f"T = {step['T']}"}
        rows.append({**draws, "bound": mean(step, 2, "error"), "above the ELBO": gain})
    caption = (
        "Importance-weighted bound, S draws of beta per group and T of z per image, nats per image ± standard error "
        f"over {result['groups']} groups of {result['group_size']}. It must lie above the ELBO and rise."
    )
    return [Table(caption, rows)]


MADE: dict[str, Callable[[Result], list[Table]]] = {
    "table1": classification,
    "series": classification,
    "translation": translation,
    "latent_use": latent_use,
    "factors": factors,
    "bound": bound,
}
SKIPPED = {"name", "options", "config", "versions", "figures", "split", "units", "model", "seed", "seeds", "seconds"}
LONG = 8  # numbers in a list that a table still shows


def everything(result: Result) -> Table | None:
    """Every number of a JSON that has no table of its own; None if there is none."""
    rows = [{"quantity": name, "value": value} for name, value in flat(result)]
    return Table("Everything that the JSON holds.", rows) if rows else None


def flat(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Numbers and words of nested dicts with the way to each; a long list by its length and its range."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key not in SKIPPED:
                yield from flat(inner, f"{name} › {key}" if name else key)
    elif isinstance(value, list) and len(value) > LONG:
        numbers = all(isinstance(item, int | float) for item in value)
        span = f", {in_words(min(value))} to {in_words(max(value))}" if numbers else ""
        yield name, f"{len(value)} values{span}"
    else:
        yield name, in_words(value)


def in_words(value: Any) -> str:
    """A value as text, floats with four figures."""
    if isinstance(value, list):
        return ", ".join(map(in_words, value))
    if value is None or isinstance(value, bool):
        return {None: ABSENT, True: "yes", False: "no"}[value]
    return f"{value:,.4g}".replace("-", "−") if isinstance(value, float) else str(value)


QUALITY = {"psnr": "PSNR of reconstructions, dB", "ssim": "SSIM of reconstructions"}
CLUSTERS = {
    "nmi": "NMI of components and labels",
    "ari": "ARI of components and labels",
    "accuracy": "accuracy under the best match",
    "usage_entropy": "entropy of the components' use, nats",
}


def split_table(test: Result) -> Table:
    """``test.json``: the terms of the ELBO and the clusters."""
    terms = {name.split("/")[-1]: value for name, value in test.get("metrics", {}).items()}
    rows = [
        {"quantity": term_with_unit(term, test.get("per_group_terms", PER_GROUP)), "value": number(value)}
        for term, value in terms.items()
    ]
    quality = test.get("reconstructions", {})
    rows += [
        {"quantity": words, "value": number(quality[name], 3)} for name, words in QUALITY.items() if name in quality
    ]
    clusters = test.get("clusters") or {}
    rows += [{"quantity": CLUSTERS.get(name, name), "value": number(value, 3)} for name, value in clusters.items()]
    groups, size = test.get("groups", "?"), test.get("group_size", "?")
    return Table(f"The test split, {groups} groups of {size} images, best checkpoint.", rows)
