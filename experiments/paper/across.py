"""Interpolation across two kinds of group, by default two domains: what Fig. 5, 11 and 13 share."""

import argparse
from typing import Any

from experiments.paper.common import Captioned, add_pair, pair, save_results
from experiments.paper.crossing import (
    CHANGE_UNITS,
    add_crossing,
    add_map,
    check_map,
    grid_caption,
    grid_figure,
    grid_numbers,
    grids_between,
    map_with_paths,
    path_name,
    size_of_groups,
    with_random,
)
from ugvae.data.known_groups import groups_where, mixed_groups
from ugvae.evaluation.kinds import count
from ugvae.evaluation.trained_run import TrainedRun


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The two kinds, the grid and the map."""
    add_pair(parser)
    add_crossing(parser)
    add_map(parser)


def draw_across(run: TrainedRun, options: argparse.Namespace) -> None:
    """Writes ``<name>.json``, ``<name>_grid.png`` and, if the model has beta, ``<name>_map.png``.

    The ends are an image and the beta of a group of each kind, all images of a group of that kind.
    """
    kinds = pair(run, options)
    check_map(options)
    (start, end), conditions = kinds, list(kinds.values())
    size = size_of_groups(run, options, min(count(run, condition) for condition in conditions))
    pure = groups_where(run.table, conditions, size, options.mapped, seed=options.seed, names=list(kinds))
    ends = pure.groups[[0, options.mapped]]
    grids = grids_between(run, ends, options)
    title = f"{type(run.model).__name__}, from a group of {start} to one of {end}, {size} held-out images each"
    figure = grid_figure(grids, (start, end), title)
    figures = {f"{options.name}_grid": Captioned(figure, grid_caption(grids, (start, end)))}
    results: dict[str, Any] = {
        "kinds": kinds,
        "group_size": size,
        "rows": [int(ends[side, image]) for side, image in enumerate(options.images)],
        "change": grid_numbers(grids),
        "units": CHANGE_UNITS,
    }
    if run.model.beta_dim:
        mixtures = mixed_groups(run.table, conditions, size, options.mapped, options.seed)
        paths = {path_name(start, end): grids["fixed"].beta}
        shown = with_random(pure, mixtures)
        figure = map_with_paths(run, shown, paths, "random mixtures", options.seed)
        caption = (
            f"t-SNE of the posterior mean of beta: groups of {start} alone, of {end} alone, random mixtures, and the "
            "rows of the grid as a path. Look for pure groups apart and mixtures between them: that is what beta "
            "knows; the grid is what it controls."
        )
        figures[f"{options.name}_map"] = Captioned(figure, caption)
    save_results(run, options.name, options, results, figures)
