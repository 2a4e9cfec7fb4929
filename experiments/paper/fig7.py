"""Fig. 7: t-SNE maps of beta, means and samples, of held-out groups by what their images share.

By default the groups of Table 1: Black_Hair, Blond_Hair, Male, not Male and random ones; of data without these
attributes, groups of each value of a column: label or domain, or else the first that has 2 to 20 values.
"""

import argparse
from typing import Any

import torch
from sklearn.metrics import silhouette_score
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from experiments.paper.common import Captioned, save_results, suited_run
from experiments.paper.crossing import check_map
from experiments.paper.table1 import PAPER_ATTRIBUTE, PAPER_PAIR
from ugvae.data.known_groups import RANDOM, groups_where
from ugvae.errors import ConfigError
from ugvae.evaluation.encoding import encode_beta
from ugvae.evaluation.kinds import DOMAIN, Condition, check_columns, count, known_values, of_values, with_and_without
from ugvae.evaluation.trained_run import TrainedRun, lacks_beta
from ugvae.plots.maps import map_figure, tsne

MOST_VALUES = 20
CAPTIONS = {
    "mean": "Means average features, and averages differ between kinds even in an untrained network.",
    "sample": "Samples weigh the mean against its own uncertainty: this is what beta knows.",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The kinds of group, and how many."""
    parser.add_argument("--has", action="append", default=[], metavar="NAME", help="images with this attribute")
    parser.add_argument("--attribute", action="append", default=[], metavar="NAME", help="images with it and without")
    parser.add_argument("--column", metavar="NAME", help="images of each of its values, in place of attributes")
    parser.add_argument("--values", nargs="+", type=int, metavar="N", help="of --column; all by default")
    parser.add_argument("--group_size", type=int, default=128, help="images per group, fewer if a kind has fewer")
    parser.add_argument("--mapped", type=int, default=60, help="groups of each kind, and random ones")
    parser.add_argument("--seed", type=int, default=0, help="of the groups, the samples and t-SNE")


def default_kinds(run: TrainedRun) -> dict[str, Condition] | None:
    """The paper's kinds if the data have them, else the values of a column; None if there is none."""
    columns = run.table.columns
    if all(name in columns for name in (*PAPER_PAIR, PAPER_ATTRIBUTE)):
        return {name: {name: 1} for name in PAPER_PAIR} | with_and_without(PAPER_ATTRIBUTE)
    for column in dict.fromkeys(("label", DOMAIN, *sorted(columns))):
        if column in columns and 1 < len(known_values(run, column)) <= MOST_VALUES:
            return of_values(run, column, known_values(run, column))
    return None


def asked_kinds(run: TrainedRun, options: argparse.Namespace) -> dict[str, Condition]:
    """Conditions of the kinds of group, by name.

    Raises:
        ConfigError: the data lack a column, a kind has no images, or there is nothing to compare.
    """
    kinds = {name: {name: 1} for name in options.has}
    for name in options.attribute:
        kinds |= with_and_without(name)
    check_columns(options.name, run, kinds.values(), "--has, --attribute")
    if options.values and not options.column:
        raise ConfigError(f"{options.name}: --values belong to a --column")
    if options.column:
        check_columns(options.name, run, [{options.column: 0}], "--column")
        values = options.values or known_values(run, options.column)
        if len(values) > MOST_VALUES:
            raise ConfigError(
                f"{options.name}: {options.column} has {len(values)} values; name up to {MOST_VALUES} by --values"
            )
        kinds |= of_values(run, options.column, values)
    kinds = kinds or default_kinds(run) or {}
    if not kinds:
        raise ConfigError(f"{options.name}: {NO_KINDS}")
    if empty := [name for name, condition in kinds.items() if not count(run, condition)]:
        raise ConfigError(f"{options.name}: no test image is {', '.join(empty)}")
    return kinds


NO_KINDS = "the data have no attributes, and no column of 2 to 20 values"


def reason_not(run: TrainedRun) -> str | None:
    """Why the command does not apply to a run; None if it does."""
    return lacks_beta(run) or (None if default_kinds(run) else NO_KINDS)


def separation(points: Tensor, labels: Tensor) -> float | None:
    """The silhouette of the kinds in standardised ``points (N, beta_dim)``, random groups left out; −1 to 1."""
    kept = labels != RANDOM
    if not 1 < len(labels[kept].unique()) < int(kept.sum()):
        return None
    scaled = StandardScaler().fit_transform(points[kept].float().numpy())
    return float(silhouette_score(scaled, labels[kept].numpy()))


def run(options: argparse.Namespace) -> None:
    """Writes ``fig7.json``, ``fig7_mean.png`` and ``fig7_sample.png``."""
    trained_run = suited_run(options, lacks_beta)
    check_map(options)
    kinds = asked_kinds(trained_run, options)
    have = {name: count(trained_run, condition) for name, condition in kinds.items()}
    size, table = min(options.group_size, *have.values()), trained_run.table
    shown = groups_where(
        table, list(kinds.values()), size, options.mapped, options.mapped, options.seed, names=list(kinds)
    )
    q = encode_beta(trained_run.model, table.images, shown.groups)
    with torch.random.fork_rng():
        torch.manual_seed(options.seed)
        points = {"mean": q.mean, "sample": q.sample()}
    figures: dict[str, Captioned] = {}
    results: dict[str, Any] = {"group_size": size, "images": have, "silhouette": {}}
    for of, each in points.items():
        model = type(trained_run.model).__name__
        title = f"t-SNE of {'a' if of == 'sample' else 'the'} {of} of beta, {model}, held-out groups of {size}"
        flat = tsne(each, options.seed)
        caption = (
            f"A point per group of held-out images, posterior {of} of beta. Do the kinds lie apart? {CAPTIONS[of]}"
        )
        figures[f"fig7_{of}"] = Captioned(map_figure(flat, shown.labels.numpy(), shown.names, title), caption)
        results["silhouette"][of] = separation(each, shown.labels)
    save_results(trained_run, "fig7", options, results, figures)
