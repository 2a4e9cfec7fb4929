"""Fig. 6: interpolation between two images of one domain, and the map of beta.

Between two random groups of a domain, for each domain of the data; of data without domains, between any two groups.
"""

import argparse

from experiments.paper.common import Captioned, save_results, suited_run
from experiments.paper.crossing import (
    CHANGE_UNITS,
    add_crossing,
    add_map,
    check_map,
    grid_figure,
    grid_numbers,
    grids_between,
    map_with_paths,
    path_name,
    size_of_groups,
    with_random,
)
from ugvae.data.known_groups import groups_where, mixed_groups
from ugvae.evaluation.kinds import DOMAIN, Condition, count, known_values, of_values
from ugvae.evaluation.trained_run import TrainedRun, lacks_beta

CAPTION = (
    "Between an image of one random group of {0} and one of another, as the model decodes them. The two betas differ "
    "only by what chance gave the groups: columns should change the image, rows a little of what a group shares."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The grids and the map."""
    add_crossing(parser)
    add_map(parser)


def reason_not(run: TrainedRun) -> str | None:
    """Why the command does not apply to a run; None if it does."""
    return lacks_beta(run)


def domains(run: TrainedRun) -> dict[str, Condition]:
    """A condition for each domain, by its name; one that all images meet if there are none."""
    if DOMAIN not in run.table.columns:
        return {"any images": {}}
    return of_values(run, DOMAIN, known_values(run, DOMAIN))


def run(options: argparse.Namespace) -> None:
    """Writes ``fig6.json``, ``fig6_<domain number>.png`` and ``fig6_map.png``."""
    trained_run = suited_run(options, reason_not)
    check_map(options)
    kinds = domains(trained_run)
    table, conditions = trained_run.table, list(kinds.values())
    size = size_of_groups(trained_run, options, min(count(trained_run, each) for each in conditions) // 2)
    figures, paths, changed = {}, {}, {}
    for number, (name, condition) in enumerate(kinds.items(), 1):
        groups = groups_where(table, [condition], size, 2, seed=options.seed).groups  # disjoint: two fit
        grids = grids_between(trained_run, groups, options)
        title = f"{type(trained_run.model).__name__}, between two groups of {name}, {size} held-out images each"
        figures[f"fig6_{number}"] = Captioned(grid_figure(grids, (name, name), title), CAPTION.format(name))
        paths[path_name(name, name)] = grids["fixed"].beta
        changed[name] = grid_numbers(grids)
    shown = groups_where(table, conditions, size, options.mapped, seed=options.seed, names=list(kinds))
    mixtures = shown.groups[:0]
    if len(kinds) > 1:
        mixtures = mixed_groups(table, conditions, size, options.mapped, options.seed)
    figure = map_with_paths(trained_run, with_random(shown, mixtures), paths, "random mixtures", options.seed)
    caption = (
        "t-SNE of the posterior mean of beta of held-out groups, with the rows of each grid as a path. A path between "
        "two groups of one domain should stay among the groups of that domain."
    )
    figures["fig6_map"] = Captioned(figure, caption)
    results = {"group_size": size, "change": changed, "units": CHANGE_UNITS}
    save_results(trained_run, "fig6", options, results, figures)
