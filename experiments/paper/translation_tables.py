"""The tables of translation: between two domains, against the true images, and of probes."""

from collections.abc import Mapping

from ugvae.evaluation.content import Probe
from ugvae.evaluation.crossed import SHOWN, Crossed
from ugvae.evaluation.results import to_json
from ugvae.evaluation.translation import Domains, Translation
from ugvae.evaluation.ways import CONTROL, LABELS, PLAIN, WAYS
from ugvae.experiments.paper.table import Kind, Row, Table, number


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
