"""The protocol of Table 1 for any column of the data: are groups of its values told apart by beta?"""

from collections.abc import Mapping, Sequence

from jsonargparse.typing import PositiveInt

from experiments.paper.command import Command, Made
from experiments.paper.common import Captioned
from experiments.paper.table1 import CAPTION, drawer
from experiments.paper.tables import accuracies
from ugvae.data.module import split_rows
from ugvae.errors import ConfigError
from ugvae.evaluation.classification import HELD_OUT_IMAGES, Classification, classify_groups
from ugvae.evaluation.kinds import DOMAIN, MOST_VALUES, Condition, count, known_values, of_column
from ugvae.evaluation.trained_run import TrainedRun, encode_run, lacks_beta
from ugvae.plots.charts import accuracy_figure

LISTED = 4  # values that the name of a comparison lists
LEAST = 2  # images of the smallest group
NO_COLUMNS = f"the data have no column of 2 to {MOST_VALUES} names; name one by --column"


def groups(
    run: TrainedRun,
    column: Sequence[str] = (),
    values: Sequence[str] = (),
    group_size: PositiveInt | None = None,
    groups: PositiveInt = 200,
    seeds: PositiveInt = 5,
) -> Made:
    """Your columns: groups of each value told apart by a support vector machine on beta, beside all controls.

    The protocol of Table 1: held-out images, alone and with random groups, samples and means of beta, untrained
    networks, mean z, the mean image and permuted labels. The verdict of the report follows from the samples.

    Args:
        run: with beta.
        column: one or more columns; by default all that have 2 to 20 named values
        values: of a single --column, by name or number; all by default
        group_size: images per group; by default that of training, or less where a value has fewer images
        groups: groups per value, four fifths of them for training
        seeds: repetitions
    """
    if values and len(column) != 1:
        raise ConfigError("values: name their one column by --column")
    asked, left_out = {}, {}
    for name in column or default_columns(run):
        sizes = largest_groups(run, of_column(run, name, values), seeds)
        if rare := [kind for kind, size in sizes.items() if size < LEAST]:
            left_out[name] = f"too few test images for groups: {', '.join(rare)}"
            print(f"{name}: left out: {left_out[name]}", flush=True)
        kept = [kind for kind in sizes if kind not in rare]
        if len(kept) > 1 and not (values and rare):
            asked[name] = {kind: sizes[kind] for kind in kept}
    if not asked:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
        raise ConfigError(f"column: two values with enough test images are needed. {reasons or NO_COLUMNS}")
    encoded, results = encode_run(run, range(seeds)), {}
    for name, sizes in asked.items():
        kinds = {kind: condition for kind, condition in of_column(run, name, values).items() if kind in sizes}
        comparison = f"{name}: {' / '.join(kinds)}" if len(kinds) <= LISTED else f"{name} ({len(kinds)} values)"
        size = _size(run, name, sizes, group_size, kinds)
        result = classify_groups(*encoded, run.table, drawer(run, kinds, size), groups, range(seeds))
        results[comparison] = result
        print(f"{accuracies(comparison, result, {}).markdown()}\n", flush=True)
    return Made({"results": results, "left_out": left_out}, {"groups": Captioned(_figure(run, results), CAPTION)})


def _figure(run: TrainedRun, results: Mapping[str, Classification]):  # noqa: ANN202  a Matplotlib figure
    return accuracy_figure(results, {}, f"groups of held-out images, {type(run.model).__name__}")


def _size(
    run: TrainedRun, column: str, sizes: Mapping[str, int], asked: int | None, kinds: Mapping[str, Condition]
) -> int:
    """Images per group: as asked for, or as in training; fewer, said, where a value has not as many."""
    wanted, rarest = asked or run.data.group_size, min(sizes, key=lambda kind: sizes[kind])
    if sizes[rarest] < wanted:
        images = count(run, kinds[rarest])
        print(
            f"{column}: groups of {sizes[rarest]} images, not {wanted}: {rarest} has {images} test images", flush=True
        )
    return min(wanted, sizes[rarest])


def largest_groups(run: TrainedRun, kinds: Mapping[str, Condition], seeds: int) -> dict[str, int]:
    """The most images that a group of each kind can have on both sides of every split of the test images."""
    halves = [
        rows
        for seed in range(seeds)
        for rows in split_rows(len(run.table), round(len(run.table) * HELD_OUT_IMAGES), seed)
    ]
    sizes = {}
    for name, condition in kinds.items():
        ((column, value),) = condition.items()
        meets = run.table.columns[column] == value
        sizes[name] = min(int(meets[rows].sum()) for rows in halves)
    return sizes


def default_columns(run: TrainedRun) -> list[str]:
    """The columns of 2 to 20 values that have names, without the domain, whose verdict is that of translation."""
    return [
        name
        for name in run.table.columns
        if name != DOMAIN and run.data.value_names(name) and 1 < len(known_values(run, name)) <= MOST_VALUES
    ]


def _no_columns(run: TrainedRun) -> str | None:
    return None if default_columns(run) else NO_COLUMNS


COMMAND = Command("groups", groups, "table", lacks_beta, _no_columns)
