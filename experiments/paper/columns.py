"""Your own columns: are groups of their values told apart by beta, and are they read from the beta of whole groups?"""

from collections.abc import Sequence

from jsonargparse.typing import PositiveFloat, PositiveInt

from ugvae.errors import ConfigError
from ugvae.evaluation.classification import classify_groups
from ugvae.evaluation.group_probes import probe_groups
from ugvae.evaluation.kinds import DOMAIN, MOST_VALUES, known_values, largest_groups, of_column
from ugvae.evaluation.latents import natural_column
from ugvae.evaluation.minimum import LEAST_SIZE
from ugvae.evaluation.trained_run import TrainedRun, encode_run, lacks_beta
from ugvae.experiments.paper.accuracy_tables import accuracies, group_probes
from ugvae.experiments.paper.command import Command, Made
from ugvae.experiments.paper.common import Captioned
from ugvae.experiments.paper.table1 import CAPTION, drawer
from ugvae.plots.charts import accuracy_figure, probes_figure

LISTED = 4  # values that the name of a comparison lists
NO_COLUMNS = f"the data have no column of 2 to {MOST_VALUES} names; name one by --column"

NO_GROUPS = "the run's groups are not given by a column; name one by --by"


def groups(
    run: TrainedRun,
    column: Sequence[str] = (),
    values: Sequence[str] = (),
    group_size: PositiveInt | None = None,
    groups: PositiveInt = 200,
    seeds: PositiveInt = 5,
    nats: Sequence[PositiveFloat] = (),
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
        nats: information per group, one or more, at which samples of beta are compared too: noise makes it less
    """
    if values and len(column) != 1:
        raise ConfigError("values: name their one column by --column")
    asked, left_out = {}, {}
    for name in column or default_columns(run):
        kinds = of_column(run, name, values)
        sizes = largest_groups(run, kinds, seeds)
        if rare := [kind for kind in kinds if sizes[kind] < LEAST_SIZE]:
            left_out[name] = f"too few test images for groups: {', '.join(rare)}"
            print(f"{name}: left out: {left_out[name]}", flush=True)
        common = {kind: condition for kind, condition in kinds.items() if kind not in rare}
        if len(common) > 1 and not (values and rare):
            asked[name] = common, min(sizes[kind] for kind in common)
    if not asked:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
        raise ConfigError(f"column: two values with enough test images are needed. {reasons or NO_COLUMNS}")
    encoded, results, wanted = encode_run(run, range(seeds)), {}, group_size or run.data.group_size
    for name, (kinds, largest) in asked.items():
        comparison = f"{name}: {' / '.join(kinds)}" if len(kinds) <= LISTED else f"{name} ({len(kinds)} values)"
        if largest < wanted:
            print(f"{name}: groups of {largest} images, not {wanted}: the rarest value has no more", flush=True)
        draw = drawer(run, kinds, min(wanted, largest))
        results[comparison] = classify_groups(*encoded, run.table, draw, groups, range(seeds), levels=nats)
        print(f"{accuracies(comparison, results[comparison], {}).markdown()}\n", flush=True)
    figure = accuracy_figure(results, {}, f"groups of held-out images, {type(run.model).__name__}")
    return Made({"results": results, "left_out": left_out}, {"groups": Captioned(figure, CAPTION)})


def default_columns(run: TrainedRun) -> list[str]:
    """The columns of 2 to 20 named values, without the domain, whose verdict is that of translation."""
    return [
        name
        for name in run.table.columns
        if name != DOMAIN and 1 < len(run.data.value_names(name)) <= MOST_VALUES and len(known_values(run, name)) > 1
    ]


def _no_columns(run: TrainedRun) -> str | None:
    return None if default_columns(run) else NO_COLUMNS


def probes(run: TrainedRun, by: str | None = None, seed: int = 0) -> Made:
    """Your groups: columns read from the beta of whole held-out groups by a linear probe, beside controls.

    R² of a ridge regression for numbers, balanced accuracy of a logistic regression for names. The probe learns from
    the training groups, of any size. The controls are the mean z, the mean image and the network before training.

    Args:
        run: with beta.
        by: the column whose values make the groups; by default that of the run's given groups
        seed: of the samples and of the untrained weights
    """
    by = by or natural_column(run.data)
    if by is None:
        raise ConfigError(f"by: {NO_GROUPS}")
    results = probe_groups(run.model, run.data, by, seed)
    print(f"{group_probes(results).markdown()}\n", flush=True)
    numbers = {name: probe for name, probe in results.items() if probe.true}
    caption = f"A point is a held-out {by}: its value against what a ridge regression reads from the mean of its beta."
    figures = {"probes": Captioned(probes_figure(numbers, by), caption)} if numbers else {}
    return Made({"by": by, "results": results}, figures)


def _no_groups(run: TrainedRun) -> str | None:
    return None if natural_column(run.data) else NO_GROUPS


COMMAND = Command("groups", groups, "table", lacks_beta, _no_columns)
PROBES = Command("probes", probes, "table", lacks_beta, _no_groups)
