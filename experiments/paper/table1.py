"""Table 1: groups told apart by a support vector machine on beta, two-way and with random groups, beside controls.

Groups share an attribute (Black_Hair), lack it (not Male) or have a value of a column (a digit). What the paper prints
is an accuracy on samples of beta; the posterior means of an untrained network solve the table too.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial

from torch import Tensor

from experiments.paper.common import Captioned, accuracy_table, add_protocol, save_results
from ugvae.data.known_groups import StructuredGroups, groups_where
from ugvae.data.table import ImageTable
from ugvae.errors import ConfigError
from ugvae.evaluation.classification import classify_groups
from ugvae.evaluation.kinds import Condition, check_columns, with_and_without
from ugvae.evaluation.trained_run import TrainedRun, encode_run, lacks_beta, load_run
from ugvae.plots.charts import accuracy_figure

PAPER_PAIR, PAPER_ATTRIBUTE = ("Black_Hair", "Blond_Hair"), "Male"

CAPTION = (
    "Test accuracy of support vector machines, one bar per feature. Compare “beta sample” with the untrained networks "
    "by samples: the difference is what training has earned. Means, and the mean image, solve the task untrained."
)
PAPER = {  # test accuracies
    "Black_Hair / Blond_Hair": {
        "kinds": {"linear": 0.95, "rbf": 0.98},
        "kinds and random": {"linear": 0.54, "rbf": 0.56},
    },
    "Male / not Male": {
        "kinds": {"linear": 0.85, "rbf": 0.85},
        "kinds and random": {"linear": 0.66, "rbf": 0.63},
    },
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to compare; by default what the paper does."""
    parser.add_argument("--pair", nargs=2, action="append", default=[], metavar="NAME", help="images with one or other")
    parser.add_argument("--attribute", action="append", default=[], metavar="NAME", help="images with it and without")
    parser.add_argument("--values", nargs=2, action="append", type=int, default=[], metavar="N", help="of --column")
    parser.add_argument("--column", default="label", help="of --values")
    add_protocol(parser)


def comparisons(run: TrainedRun, options: argparse.Namespace) -> dict[str, dict[str, Condition]]:
    """Conditions of the kinds of group by their names, by name of the comparison.

    Raises:
        ConfigError: the data lack a column, or nothing is asked for and they are not the paper's.
    """
    pairs, attributes = options.pair, options.attribute
    if not (pairs or attributes or options.values):
        pairs, attributes = [PAPER_PAIR], [PAPER_ATTRIBUTE]
    names = run.data.value_names(options.column)
    kinds = [{name: {name: 1} for name in pair} for pair in pairs]
    kinds += [with_and_without(name) for name in attributes]
    kinds += [
        {f"{options.column} {names.get(value, value)}": {options.column: value} for value in pair}
        for pair in options.values
    ]
    conditions = [condition for each in kinds for condition in each.values()]
    check_columns("table1", run, conditions, "--pair, --attribute, --column")
    if any(len(each) < 2 for each in kinds):
        raise ConfigError("table1: the two kinds of a pair must differ")
    return {" / ".join(each): each for each in kinds}


def reason_not(run: TrainedRun) -> str | None:
    """Why the paper's own table cannot be made of a run; None if it can."""
    missing = [name for name in (*PAPER_PAIR, PAPER_ATTRIBUTE) if name not in run.table.columns]
    if missing:
        return (
            f"the data have no {', '.join(missing)}; name other kinds by --pair, --attribute, or --column and --values"
        )
    return lacks_beta(run)


def drawer(
    table: ImageTable, kinds: dict[str, Condition], group_size: int
) -> Callable[[Tensor, int, int], StructuredGroups]:
    """Draws groups of each kind, and as many random ones as of a kind."""

    def draw(rows: Tensor, groups_per_kind: int, seed: int) -> StructuredGroups:
        where = partial(groups_where, table, list(kinds.values()), group_size, groups_per_kind)
        return where(num_random=groups_per_kind, seed=seed, rows=rows, names=list(kinds))

    return draw


def run(options: argparse.Namespace) -> None:
    """Writes ``table1.json`` and ``table1.png``."""
    trained_run = load_run(options.run)
    asked = comparisons(trained_run, options)
    seeds = range(options.seeds)
    encoding = time.monotonic()
    encoded = encode_run(trained_run, seeds)
    encoding = time.monotonic() - encoding
    results = {}
    for number, (name, kinds) in enumerate(asked.items(), 1):
        started = time.monotonic()
        draw = drawer(trained_run.table, kinds, options.group_size)
        results[name] = classify_groups(*encoded, trained_run.table, draw, options.groups, seeds)
        seconds = time.monotonic() - started
        print(f"[{number}/{len(asked)}] {name}, {seconds:.0f} s\n\n{accuracy_table(results[name])}\n", flush=True)
    title = f"groups of {options.group_size} held-out images, {type(trained_run.model).__name__}, s.d. over seeds"
    figure = accuracy_figure(results, PAPER, title)
    paper = {name: PAPER[name] for name in results if name in PAPER}
    report = {"results": results, "paper": paper, "encoding_seconds": encoding}
    save_results(trained_run, "table1", options, report, {"table1": Captioned(figure, CAPTION)})
