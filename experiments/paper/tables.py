"""The tables of a run, each from the result of one command: for the report and the reproduction page."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ugvae.evaluation import factors as properties
from ugvae.evaluation.bounds import BoundLadder, GroupMean
from ugvae.evaluation.classification import PERMUTED, PIXELS, Accuracy, Classification
from ugvae.evaluation.content import Probe
from ugvae.evaluation.controls import FITTED, UNTRAINED
from ugvae.evaluation.crossed import SHOWN, Crossed
from ugvae.evaluation.factors import Decided, VarianceShares
from ugvae.evaluation.group_probes import BETA_MEAN, GroupProbe
from ugvae.evaluation.group_sizes import SizeResult
from ugvae.evaluation.latent_use import LatentUse
from ugvae.evaluation.paper_protocol import PROTOCOL
from ugvae.evaluation.results import RunResults, to_json
from ugvae.evaluation.translation import Domains, Translation
from ugvae.evaluation.verdict import SAME_SAMPLE, SAMPLE, best
from ugvae.evaluation.ways import CONTROL, LABELS, PLAIN, WAYS
from ugvae.experiments.paper import metric_tables
from ugvae.experiments.paper.table import ABSENT, Kind, Number, Row, Table, number

Printed = Mapping[str, Mapping[str, float]]  # accuracies of the paper, by task and kernel

PAPER, CHANCE = "the paper prints", "chance"
TASKS = {"kinds": "kinds alone", "kinds and random": "and random groups"}
SHOWN_BY_SIZE = (SAMPLE, f"{UNTRAINED} {SAMPLE}", f"{FITTED} {SAMPLE}", SAME_SAMPLE, f"{SAMPLE}{PERMUTED}", PIXELS)
KERNELS = {"linear": "linear SVM", "rbf": "RBF SVM"}


def tables_of(name: str, results: RunResults, content: Mapping[str, Any]) -> list[Table]:
    """The tables of a command.

    Args:
        name: of the command.
        results: of the run.
        content: of the command's JSON.

    Returns:
        nothing if the command has no tables, or was not run.
    """
    result = getattr(results, name, None)
    if result and name in ("table1", "series", "groups"):
        paper = content.get("paper", {})
        return [accuracies(comparison, scores, paper.get(comparison, {})) for comparison, scores in result.items()]
    return MADE[name](result) if result and name in MADE else []


def accuracies(name: str, result: Classification, paper: Printed) -> Table:
    """Accuracies of one comparison: ours, the paper's beside it, then the means and the controls."""
    accuracy = result.accuracy
    columns = {f"{TASKS.get(task, task)}, {KERNELS[kernel]}": (task, kernel) for task in accuracy for kernel in KERNELS}
    features = dict.fromkeys(feature for task in accuracy.values() for feature in task)
    rows = [
        {"feature": feature}
        | {head: _accuracy(accuracy[task], feature, kernel) for head, (task, kernel) in columns.items()}
        for feature in sorted(features, key=lambda feature: feature != SAMPLE)
    ]
    if paper:
        printed = {head: str(number(paper.get(task, {}).get(kernel))) for head, (task, kernel) in columns.items()}
        rows.insert(1, {"feature": PAPER, **printed})
    rows.append({"feature": CHANCE} | {head: str(number(result.chance[task])) for head, (task, _) in columns.items()})
    if result.train_accuracy:
        rows += [
            {"feature": f"{feature}, training groups"}
            | {
                head: _accuracy(result.train_accuracy[task], feature, kernel)
                for head, (task, kernel) in columns.items()
            }
            for feature in features
        ]
    groups, seeds = result.groups_per_kind, len(result.seeds)
    repeated = f"mean ± s.d. over {seeds} re-splits of the images" if seeds > 1 else "of one split of the images"
    caption = (
        f"{name}: accuracy on held-out groups of {result.group_size}, {repeated}; "
        f"{groups['train']} training and {groups['test']} test groups of each of {len(result.kinds)} kinds, no image "
        "in both. In bold the samples of beta; in grey the controls."
        + (f" What the paper prints is by its own protocol, on means: see {name}, {PROTOCOL}." if paper else "")
        + (f" Information of beta: {statistics.fmean(result.information):.1f} nats." if result.information else "")
    )
    if result.protocol:
        caption = (
            f"{name}: posterior means of training images, BatchNorm in training mode, {groups['random']} random groups "
            f"of {result.group_size} and {groups['train'] + groups['test']} of each kind, a fifth for the test, with "
            f"images of the others in them too; {repeated}. In grey the controls."
        )
    return Table(caption, rows, {index: kind for index, row in enumerate(rows) if (kind := kind_of(row["feature"]))})


def group_probes(result: Mapping[str, GroupProbe]) -> Table:
    """What a linear probe reads of each column from the latents of held-out groups."""
    first = next(iter(result.values()))
    features = [BETA_MEAN, *(name for name in first.scores if name != BETA_MEAN)]
    rows: list[Row] = [
        {"feature": feature} | {_probed(name, probe): number(probe.scores[feature]) for name, probe in result.items()}
        for feature in features
    ]
    rows.append({"feature": CHANCE} | {_probed(name, probe): number(probe.chance) for name, probe in result.items()})
    sizes = first.groups
    caption = f"Read from the latents of {sizes['held out']} held-out groups; the probe learned from {sizes['train']}."
    kinds = {index: kind for index, row in enumerate(rows) if (kind := kind_of(row["feature"]))} | {0: "ours"}
    return Table(caption, rows, kinds)


def _probed(name: str, probe: GroupProbe) -> str:
    return f"{name}, {probe.measure}"


def _accuracy(accuracies: Mapping[str, Mapping[str, Accuracy]], feature: str, kernel: str) -> str:
    measured = accuracies.get(feature, {}).get(kernel)
    return ABSENT if measured is None else Number(str(measured), measured.mean, 2)


def by_size(name: str, sizes: Sequence[SizeResult]) -> Table:
    """Accuracies of one comparison by the size of the groups, with the share of images that groups have in common."""
    rows: list[Row] = []
    rarest = max(sizes[-1].shared, key=sizes[-1].shared.get)
    for size in sizes:
        result = size.classification
        row = {"images per group": str(result.group_size), "shared by two groups": number(size.shared[rarest])}
        for task, accuracies in result.accuracy.items():
            for feature in SHOWN_BY_SIZE:
                if reached := best(accuracies, [feature]):
                    head = f"{TASKS.get(task, task)}: {feature}"
                    row[head] = Number(str(reached.accuracy), reached.accuracy.mean, 2)
            row[f"{TASKS.get(task, task)}: {CHANCE}"] = str(number(result.chance[task]))
        rows.append(row)
    caption = (
        f"{name}: accuracy of the better kernel on held-out groups by their size, and the share of its images that a "
        f"group of {rarest} has in common with another. Where it is large, the groups are few in truth. 128 images are "
        "the paper's."
    )
    return Table(caption, rows)


def kind_of(feature: str) -> Kind | None:
    """What a row of accuracies is; a control is all that is not of the trained model's beta."""
    if feature in (SAMPLE, PAPER):
        return "ours" if feature == SAMPLE else "paper"
    control = feature.startswith((UNTRAINED, PIXELS, CHANCE)) or feature.endswith(PERMUTED)
    return "control" if control else None


def translation(result: Translation) -> list[Table]:
    """How often an image becomes one of the other domain, and what it keeps; and what probes of columns read."""
    rows: list[Row] = []
    kinds: dict[int, Kind] = {}
    for direction, rates in result.rates.items():
        survey = result.survives.get(direction)
        for way, rate in rates.domain.items():
            row = {
                "direction": result.domains.named(direction),
                "z": LABELS[way],
                "judged to be of the target": number(rate),
            }
            if rates.content:
                row["content kept"] = number(rates.content[way])
            if survey:
                row |= {
                    f"{name}, rank correlation": number(kept[way].spearman) for name, kept in survey.readings.items()
                }
                row["source found again"] = number(survey.retrieval[way])
            if way != "fixed":
                kinds[len(rows)] = "control" if way in CONTROL.values() else "ours"
            rows.append(row)
    judges = ", ".join(f"{name} {number(share['A'])} and {number(share['B'])}" for name, share in result.judges.items())
    caption = (
        f"{result.groups} groups of {result.group_size} held-out images of each kind"
        + (f"; the content is the {result.content.column}" if result.content.column else "")
        + f". The judges' accuracy on real images: {judges}. "
        + (f"Content not judged: {result.content.left_out}. " if result.content.left_out else "")
        + "Compare what is kept with the plain reconstruction, in grey."
    )
    tables = [Table(caption, rows, kinds), *probes(result.probes, result.domains)]
    return tables + ([crossed(result.crossed)] if result.crossed else [])


def crossed(result: Crossed) -> Table:
    """How near translations come to the true images, over all pairs of domains."""
    measures = {
        "rmse": "error of a pixel",
        "ssim": "SSIM",
        "domain": f"{result.column} judged right",
        "content": f"{result.content} found",
    }
    rows: list[Row] = []
    for shown in result.pairs:
        mean, worst = (to_json(nearness) for nearness in (result.mean(shown), result.worst(shown)))
        row = {
            words: f"{number(mean[name], 3)} ({number(worst[name], 3)})"
            for name, words in measures.items()
            if name in mean
        }
        rows.append({"against the true image": SHOWN.get(shown, shown), **row})
    kinds: dict[int, Kind] = {row: "ours" if shown in WAYS else "control" for row, shown in enumerate(result.pairs)}
    size, pairs = result.group_size, len(result.pairs[PLAIN])
    caption = (
        f"Against the true image: {result.groups * size} held-out images of each {result.column}, in groups of {size}, "
        f"carried into every other {result.column}; mean of the {pairs} pairs, in brackets the worst pair of each "
        "measure. The error is the root of the mean square, of values in [0, 1]. "
        f"{result.content.capitalize()} found: the nearest of the {result.contents} real images of the target is the "
        "true one. A translation should have a smaller error than the source itself and the mean image; the "
        "reconstruction is about the best that the decoder can do."
    )
    return Table(caption, rows, kinds)


def probes(probes: Mapping[str, Probe], domains: Domains) -> list[Table]:
    """What probes of columns read, rank correlations with the source."""
    rows: list[Row] = []
    for column, probe in probes.items():
        if probe.reason:
            rows.append({"probe": column, "direction": f"no probe: {probe.reason}"})
        for direction, read in probe.directions.items():
            kept = {
                words: read.kept[way]
                for way, words in {**LABELS, "chance": "shuffled pairs"}.items()
                if way in read.kept
            }
            row = {"probe": column, "direction": f"{domains.named(direction)}, source by {read.source}"}
            rows.append(row | {words: number(correlation.spearman) for words, correlation in kept.items()})
    caption = "Probes learned from real images: rank correlation between what the source has and what the result shows."
    return [Table(caption, rows)] if rows else []


def latent_use(results: Mapping[str, LatentUse]) -> list[Table]:
    """How much of beta is used, and what a swap of beta or z changes."""
    rows: list[Row] = []
    for name, use in results.items():
        row = {"groups": f"{name}, {use.groups} of {use.group_size}"}
        if use.beta:
            kl, known = use.beta.kl, use.beta.information
            row["KL_beta, nats per group"] = Number(f"{kl.mean:.1f} ± {kl.sd:.1f}", kl.mean, 1)
            if known:
                shown = f"{known.information:.1f} ({known.most:.1f})"
                row["of it information (most that N groups can show)"] = Number(shown, known.information, 1)
                row["if Gaussian"] = number(known.gaussian, 1)
                row["of it mismatch"] = number(known.mismatch, 1)
            units = {"active units": use.beta.active_units, "tell groups apart by a sample": use.beta.apart}
            row |= {name: Number(f"{count} of {use.beta.dimensions}", count, 1) for name, count in units.items()}
        swaps = {
            "beta": use.swap_beta,
            "beta, z transported": use.transported,
            "nothing, z transported (control)": use.transported_own,
            "z": use.swap_z,
        }
        for latent, swap in swaps.items():
            if swap:
                row[f"swap of {latent}: pixels"] = number(swap.pixels, 3)
                row[f"swap of {latent}: nats per image lost"] = number(swap.log_likelihood_loss)
        rows.append(row)
    caption = (
        "Use of beta on held-out images. KL_beta is information, what beta tells of its group, and mismatch, how far "
        "the betas lie from their prior. N groups show log N nats at most; where they do, the information is between "
        "that and the Gaussian estimate. A unit is active if the variance of its posterior mean between groups is "
        "above 0.01; it tells groups apart if it varies by more than one posterior s.d. A swap decodes with the beta "
        "of another group, or the z of another image: change of a pixel in [0, 1], and loss of log-likelihood. What a "
        "transported z does under its own beta is not beta's doing."
    )
    return [Table(caption, rows)]


def factors(results: Mapping[str, Decided]) -> list[Table]:
    """Shares of variance of decoded images that beta decides, and what the images keep under other betas."""
    names = list(dict.fromkeys(name for result in results.values() for name in result.shares))
    rows: list[Row] = [
        {"property": name}
        | {words: _share(result.shares[name]) for words, result in results.items() if name in result.shares}
        for name in names
    ]
    for what, field in (("label kept", "label_kept"), ("source found again", "retrieval")):
        kept = {
            words: _kept(getattr(result, field), getattr(result, f"{field}_plain"))
            for words, result in results.items()
            if getattr(result, field) is not None
        }
        rows += [{"property": what, **kept}] if kept else []
    caption = (
        "Share of the variance of decoded images that beta decides, by property, and the s.d. that it is a share of; "
        "the rest is of the local latents. A share of an s.d. of about 0 is not given. Beta takes the style if, with "
        "the betas of held-out groups, its share is larger for a property of style than for the pixels and than in the "
        "untrained network. Below, what images keep under other betas, beside what a plain reconstruction keeps."
    )
    return [Table(caption, rows, {row: "control" for row, name in enumerate(names) if name == properties.PIXELS})]


def _share(share: VarianceShares) -> str:
    if share.beta is None or share.sd is None:
        return number(share.beta) + ("" if share.sd is None else f" of {share.sd:.3f}")
    return Number(f"{number(share.beta)} of {share.sd:.3f}", share.beta, 2)


def _kept(share: float, plain: float | None) -> str:
    return number(share) if plain is None else Number(f"{number(share)} of {number(plain)}", share, 2)


def bound(result: BoundLadder) -> list[Table]:
    """The importance-weighted bound for growing S and T beside the ELBO."""

    def written(value: GroupMean, places: int, sign: str = "") -> str:
        return f"{number(value.mean, places, sign)} ± {value.error:.{places}f}"

    rows = [{"draws of beta": "ELBO", "draws of z": "", "bound": written(result.elbo, 2), "above the ELBO": ""}]
    for rung in result.bounds:
        draws = {"draws of beta": f"S = {rung.S}", "draws of z": f"T = {rung.T}"}
        rows.append({**draws, "bound": written(rung, 2), "above the ELBO": written(rung.gain, 3, "+")})
    caption = (
        "Importance-weighted bound, S draws of beta per group and T of z per image, nats per image ± standard error "
        f"over {result.groups} groups of {result.group_size}; fresh draws for each size. In expectation it rises with "
        "the draws. The ELBO of eq. 11 is not strictly a lower bound, so that it lies below is no theorem."
    )
    return [Table(caption, rows)]


MADE: dict[str, Callable[[Any], list[Table]]] = {
    "group_sizes": lambda results: [by_size(name, sizes) for name, sizes in results.items()],
    "translation": translation,
    "probes": lambda result: [group_probes(result)],
    "latent_use": latent_use,
    "factors": factors,
    "bound": bound,
    "disentanglement": metric_tables.disentanglement,
    "image_quality": metric_tables.image_quality,
}
