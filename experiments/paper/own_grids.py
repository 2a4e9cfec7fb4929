"""Grids that the paper does not have: within each domain, and in the prior."""

from jsonargparse.typing import PositiveInt

from ugvae.data.known_groups import groups_where, mixed_groups
from ugvae.errors import ConfigError
from ugvae.evaluation.interpolation import crossing_grids, grid_changes, prior_ends
from ugvae.evaluation.kinds import DOMAIN, Condition, count, known_values, of_values
from ugvae.evaluation.minimum import too_few_points
from ugvae.evaluation.trained_run import TrainedRun, lacks_beta
from ugvae.experiments.paper.command import Command, Made
from ugvae.experiments.paper.common import Captioned, TwoOrMore
from ugvae.experiments.paper.crossing import (
    CHANGE_UNITS,
    FIG5,
    grid_within,
    grids_between,
    map_with_paths,
    path_name,
    size_of_groups,
)
from ugvae.plots.grids import crossing_figure


def within(
    run: TrainedRun,
    steps: TwoOrMore = 7,
    group_size: PositiveInt | None = None,
    images: tuple[int, int] = (0, 0),
    mapped: PositiveInt = 40,
    seed: int = 0,
) -> Made:
    """Interpolation between two images of one domain, for each domain, and the map of beta.

    Fig. 5 (c) for every domain of the data; of data without domains, between any two groups.

    Args:
        run: with beta.
        steps: images along each side of a grid
        group_size: images per group; by default as in training
        images: number of each in its group
        mapped: groups of each kind in the map
        seed: of the groups
    """
    kinds: dict[str, Condition] = {"any images": {}}
    if DOMAIN in run.table.columns:
        kinds = of_values(run, DOMAIN, known_values(run, DOMAIN))
    conditions = list(kinds.values())
    size = size_of_groups(run, group_size, images, min(count(run, condition) for condition in conditions) // 2)
    figures, paths, changed = {}, {}, {}
    for number, (name, condition) in enumerate(kinds.items(), 1):
        groups = groups_where(run.table, [condition], size, 2, seed=seed).groups  # without a common image
        grids = grids_between(run, groups, images, steps)
        figures[f"within_{number}"] = grid_within(run, grids, name, size)
        paths[path_name(name, name)] = grids["fixed"].beta
        changed[name] = grid_changes(grids)
    facts = {"group_size": size, "change": changed, "units": CHANGE_UNITS}
    if reason := too_few_points(len(run.table), (mapped + steps) * len(kinds)):
        print(f"map left out: {reason}", flush=True)
        return Made(facts | {"no_map": reason}, figures)
    shown = groups_where(run.table, conditions, size, mapped, seed=seed, names=list(kinds))
    mixtures = mixed_groups(run.table, conditions, size, mapped, seed) if len(kinds) > 1 else shown.groups[:0]
    caption = (
        "t-SNE of the posterior mean of beta of held-out groups, with the rows of each grid as a path. A path between "
        "two groups of one domain should stay among the groups of that domain."
    )
    figures["within_map"] = Captioned(map_with_paths(run, shown, mixtures, paths, seed), caption)
    return Made(facts, figures)


def prior(run: TrainedRun, steps: TwoOrMore = 7, component: int | None = None, seed: int = 0) -> Made:
    """Interpolation in the prior: between two draws of beta and of an image of each.

    Args:
        run: any.
        steps: images along each side of the grid
        component: of both images; by default one is drawn
        seed: of the draws
    """
    model = run.model
    if component is not None and not model.num_components:
        raise ConfigError(f"component: {type(model).__name__} has no mixture")
    grids = crossing_grids(model, lambda row: prior_ends(model, component, seed + row), steps)
    moved = "Rows move beta, columns z; all" if model.beta_dim else "Each row moves z between two draws; all"
    caption = f"{moved} images should look like data, the middle ones as well as the ends: nothing here was encoded."
    title = f"{type(model).__name__}, between draws from the prior"
    figure = crossing_figure(grids, ("the first draw", "the second"), title)
    results = {"change": grid_changes(grids), "units": CHANGE_UNITS}
    return Made(results, {"prior": Captioned(figure, caption)})


def _is_fig5c(run: TrainedRun) -> str | None:
    return "fig5 draws it, as Fig. 5 (c)" if FIG5.reason_not(run) is None else None


WITHIN = Command("within", within, "figure", lacks_beta, _is_fig5c)
PRIOR = Command("prior", prior, "figure")
