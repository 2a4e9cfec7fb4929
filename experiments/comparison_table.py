"""What ``ugvae compare`` writes of trained and scored models: a table, a plot, and whether the bounds are in order."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ugvae import models
from ugvae.evaluation.comparison import Score
from ugvae.evaluation.results import to_json
from ugvae.experiments.paper.metric_tables import BY_FACTOR
from ugvae.experiments.paper.table import Row, Table, number, over_seeds
from ugvae.experiments.seeds import seed_of
from ugvae.machine import versions
from ugvae.plots.comparison import bound_against_seconds
from ugvae.plots.curves import term_label
from ugvae.plots.figure import save_figure
from ugvae.runs.files import atomic_path, replace_section, save_json

OF_CLUSTERS = {"nmi": "NMI", "ari": "ARI", "accuracy": "accuracy"}
OF_LABEL = {name: BY_FACTOR[name] for name in ("mig", "completeness", "informativeness")}
AGAINST_LABEL = {  # what the table says of the parts of a score, where the data have a label
    "clusters": "NMI, ARI, accuracy: components against the label. ",
    "label": "MIG and DCI: single dimensions of z against the label. ",
}


@dataclass(frozen=True)
class Entry:
    """A trained model in the comparison.

    Attributes:
        run: its folder.
        steps: optimiser steps that it was trained for.
        seconds_per_epoch: of training alone, at the median speed.
        seconds: of all steps, at the median speed.
        score: on the held-out groups.
    """

    run: str
    steps: float
    seconds_per_epoch: float
    seconds: float
    score: Score


def rows(entries: Mapping[str, Sequence[Entry]]) -> list[Row]:
    """A row per model, over its training seeds; the terms follow from the bounds; a column stands where any has it."""
    scores = [entry.score for of_model in entries.values() for entry in of_model]
    terms = {term: None for score in scores for term in score.terms}
    per_group = {term for score in scores for term in score.per_group}
    heads = {term: f"{term_label(term)}{' / B' if term in per_group else ''}" for term in terms}
    table = []
    for name, entry in ((name, entry) for name, of_model in entries.items() for entry in of_model):
        score = entry.score
        row = {"model": name, **{heads[term]: number(score.terms.get(term)) for term in terms}}
        row |= {"IW bound": number(score.importance_weighted)}
        row |= {"PSNR, dB": number(score.quality.psnr), "SSIM": number(score.quality.ssim, 3)}
        for part, columns in (("clusters", OF_CLUSTERS), ("label", OF_LABEL)):
            if any(getattr(other, part) for other in scores):
                known = getattr(score, part)
                row |= {head: number(getattr(known, column, None), 3) for column, head in columns.items()}
        row |= {"parameters": f"{score.parameters:,}", "s per epoch": number(entry.seconds_per_epoch, 1)}
        table.append(row)
    return over_seeds(table)


def order_of_bounds(entries: Mapping[str, Sequence[Entry]]) -> str:
    """Whether every importance-weighted bound is at or above its ELBO within its error, as a sentence."""
    runs = [(name, entry) for name, of_model in entries.items() for entry in of_model]
    below = [f"{name}, {Path(entry.run).name}" for name, entry in runs if not entry.score.in_order]
    if below:
        return f"The importance-weighted bound is below the ELBO by more than two standard errors: {'; '.join(below)}."
    return f"Of all {len(runs)} runs the importance-weighted bound is at or above the ELBO, within two standard errors."


def write(
    entries: Mapping[str, Sequence[Entry]],
    options: argparse.Namespace,
    epochs: int,
    extra: Sequence[str],
    directory: Path,
) -> None:
    """The table so far, as JSON and Markdown, and the plot; both into the section of ``options.doc``, if there is one.

    Args:
        entries: by model an entry per training seed.
        options: of the command.
        epochs: of every model.
        extra: settings of training besides.
        directory: where they are written; its name is that of the section.
    """
    order = order_of_bounds(entries)
    report = {
        "data": options.data,
        "epochs": epochs,
        "arguments": extra,
        "units": "nats per image",
        "group_samples": options.group_samples,
        "image_samples": options.image_samples,
        "seed": options.seed,
        "training_seeds": {name: [seed_of(Path(entry.run)) for entry in runs] for name, runs in entries.items()},
        "order_of_bounds": order,
        "models": to_json(entries),
        "versions": versions(),
    }
    save_json(report, directory / "compare.json")
    note = f"{_note(entries, options, epochs)} {order}\n"
    table = f"{Table(note, rows(entries)).markdown()}\n\n{note}"
    with atomic_path(directory / "compare.md") as temporary:
        temporary.write_text(table)
    points = {name: [(one.seconds, one.score.importance_weighted) for one in runs] for name, runs in entries.items()}
    figure = bound_against_seconds(points, {name: getattr(models, name).family for name in points})
    save_figure(figure, directory / "compare.png")
    if options.doc:
        picture = f"{directory.name}.png"
        shown = f"![The bound against seconds of training](figures/{picture})"
        replace_section(options.doc, directory.name, f"{shown}\n\n{table}")
        save_figure(figure, options.doc.parent / "figures" / picture)
    print(f"\n{table}Wrote {directory}/compare.json, compare.md, compare.png", flush=True)


def _note(entries: Mapping[str, Sequence[Entry]], options: argparse.Namespace, epochs: int) -> str:
    """What the numbers of the table are."""
    first = next(iter(entries.values()))[0]
    seeds = max(map(len, entries.values()))
    spread = f"Mean ± sample s.d. over {seeds} training seeds" if seeds > 1 else "One training seed: no error is known"
    images = f"{first.score.groups * first.score.group_size:,} test images in groups of {first.score.group_size}"
    scores = [entry.score for runs in entries.values() for entry in runs]
    of_label = "".join(text for part, text in AGAINST_LABEL.items() if any(getattr(score, part) for score in scores))
    return (
        f"{Path(options.data).stem}: {epochs} epochs each, {first.steps:,.0f} steps; nats per image on {images}. "
        f"IW bound: importance-weighted, S = {options.group_samples}, T = {options.image_samples}; models without beta "
        f"take S·T draws per image. PSNR and SSIM: reconstructions at posterior means. {of_label}{spread}."
    )
