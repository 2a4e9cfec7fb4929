"""Interpolation between two images of two groups, and the map of beta around it: Fig. 5, 6, 11, 13, and the prior."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jsonargparse.typing import PositiveInt
from matplotlib.figure import Figure
from torch import Tensor

from experiments.paper.command import Command, Made, Reason
from experiments.paper.common import Captioned, TwoOrMore
from ugvae.data.known_groups import RANDOM, StructuredGroups, groups_where, mixed_groups
from ugvae.errors import ConfigError
from ugvae.evaluation.encoding import encode_beta
from ugvae.evaluation.interpolation import Grid, crossing_grids, grid_changes, posterior_ends, prior_ends
from ugvae.evaluation.kinds import DOMAIN, Condition, count, known_values, no_domains, of_values, two_kinds
from ugvae.evaluation.minimum import too_few_points
from ugvae.evaluation.trained_run import TrainedRun, lacks_beta
from ugvae.models.bound import Way
from ugvae.plots.grids import crossing_figure
from ugvae.plots.maps import tsne_figure

CHANGE_UNITS = "change: mean absolute difference of pixels in [0, 1] between opposite sides of the grid"


def fig5(run: TrainedRun, **options: Any) -> Made:
    """Fig. 5: interpolation between two domains, with fixed and with transported z, and the map of beta.

    Between an image of a group of one domain and one of the other: rows move beta from one group's to the other's,
    columns move z. --attribute, or --column and --values, names two other kinds of group.

    Args:
        run: with beta and a mixture.
        options: of ``across``.
    """
    return across(run, "fig5", **options)


def fig11(run: TrainedRun, **options: Any) -> Made:
    """Fig. 11: interpolation between two domains by a model with beta but no mixture, ML-VAE, and the map of beta.

    As Fig. 5, without d. No z is transported, since its prior does not depend on beta.

    Args:
        run: with beta and without a mixture.
        options: of ``across``.
    """
    return across(run, "fig11", **options)


def fig13(run: TrainedRun, **options: Any) -> Made:
    """Fig. 13: interpolation between two domains by a model without beta, such as GMVAE.

    There is no beta to move, so each row goes from an image of one domain to one of the other in z alone.

    Args:
        run: without beta.
        options: of ``across``.
    """
    return across(run, "fig13", **options)


def across(
    run: TrainedRun,
    name: str,
    attribute: str | None = None,
    column: str = DOMAIN,
    values: Sequence[str] = (),
    steps: TwoOrMore = 7,
    group_size: PositiveInt | None = None,
    images: tuple[int, int] = (0, 0),
    mapped: PositiveInt = 40,
    seed: int = 0,
) -> Made:
    """Interpolation across two kinds of group, by default two domains, and the map of beta if the model has it.

    The ends are an image and the beta of a group of each kind, all images of a group of that kind.

    Args:
        run: any.
        name: of the command.
        attribute: images with it and without, in place of two domains
        column: column of --values
        values: two of --column, by name or number, in place of the first two
        steps: images along each side of a grid
        group_size: images per group; by default as in training
        images: number of each in its group
        mapped: groups of each kind in the map
        seed: of the groups
    """
    kinds = two_kinds(run, attribute, column, values)
    (start, end), conditions = kinds, list(kinds.values())
    size = size_of_groups(run, group_size, images, min(count(run, condition) for condition in conditions))
    pure = groups_where(run.table, conditions, size, mapped, seed=seed, names=list(kinds))
    ends = pure.groups[[0, mapped]]
    grids = grids_between(run, ends, images, steps)
    title = f"{type(run.model).__name__}, from a group of {start} to one of {end}, {size} held-out images each"
    grid = crossing_figure(grids, (start, end), title)
    figures = {f"{name}_grid": Captioned(grid, grid_caption(grids, (start, end)))}
    no_map = too_few_points(sum(count(run, condition) for condition in conditions), 3 * mapped + steps)
    if run.model.beta_dim and not no_map:
        mixtures = mixed_groups(run.table, conditions, size, mapped, seed)
        figure = map_with_paths(run, pure, mixtures, {path_name(start, end): grids["fixed"].beta}, seed)
        caption = (
            f"t-SNE of the posterior mean of beta: groups of {start} alone, of {end} alone, random mixtures, and the "
            "rows of the grid as a path. Pure groups apart, with the mixtures between them, mean that beta knows the "
            "kinds; the grid shows what beta controls."
        )
        figures[f"{name}_map"] = Captioned(figure, caption)
    results = {
        "kinds": kinds,
        "group_size": size,
        "rows": [int(ends[side, image]) for side, image in enumerate(images)],
        "change": grid_changes(grids),
        "units": CHANGE_UNITS,
    }
    if run.model.beta_dim and no_map:
        print(f"map left out: {no_map}", flush=True)
        results["no_map"] = no_map
    return Made(results, figures)


def fig6(
    run: TrainedRun,
    steps: TwoOrMore = 7,
    group_size: PositiveInt | None = None,
    images: tuple[int, int] = (0, 0),
    mapped: PositiveInt = 40,
    seed: int = 0,
) -> Made:
    """Fig. 6: interpolation between two images of one domain, and the map of beta.

    Between two random groups of a domain, for each domain of the data; of data without domains, between any two groups.

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
        title = f"{type(run.model).__name__}, between two groups of {name}, {size} held-out images each"
        caption = (
            f"Between an image of one random group of {name} and one of another, as the model decodes them. The two "
            "betas differ only by chance: columns should change the image, rows a little of what a group shares."
        )
        figures[f"fig6_{number}"] = Captioned(crossing_figure(grids, (name, name), title), caption)
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
    figures["fig6_map"] = Captioned(map_with_paths(run, shown, mixtures, paths, seed), caption)
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


def size_of_groups(run: TrainedRun, group_size: int | None, images: tuple[int, int], available: int) -> int:
    """B: as asked for or as in training, but no more than there are images.

    Raises:
        ConfigError: a group has no such images.
    """
    size = min(group_size or run.data.group_size, available)
    if not 0 <= min(images) <= max(images) < size:
        raise ConfigError(f"images: numbers in a group of {size} are 0 to {size - 1}, got {list(images)}")
    return size


def grids_between(run: TrainedRun, groups: Tensor, images: tuple[int, int], steps: int) -> dict[Way, Grid]:
    """Grids between an image of the first and one of the second of two groups ``(2, B)``; rows shift both by one."""
    pixels, size = run.table.images[groups], groups.shape[1]
    shifted = [tuple((image + row) % size for image in images) for row in range(steps)]
    return crossing_grids(run.model, lambda row: posterior_ends(run.model, pixels, shifted[row]), steps)


def grid_caption(grids: Mapping[str, Grid], names: tuple[str, str]) -> str:
    """What to look for in the grids."""
    start, end = names
    if next(iter(grids.values())).beta is None:
        return (
            f"Each row goes from an image of {start} to one of {end} in z, as the model decodes them. Without beta, "
            "domain and content change together."
        )
    caption = (
        f"The first corner is an image of {start}, the last one of {end}, as the model decodes them. If beta controls "
        f"what tells the groups apart, the first column turns from {start} into {end} down the rows, while the columns "
        "change the image's content; rows that are all alike mean that it controls nothing."
    )
    if len(grids) > 1:
        caption += " Fixed z stays as it is, as in the paper; transported z moves with the prior of the row's beta."
    return caption


def path_name(start: str, end: str) -> str:
    """Name of the path from a group of one kind to one of another, in the legend of a map."""
    return f"path: {start} (○)\nto {end} (□)"


def map_with_paths(
    run: TrainedRun, shown: StructuredGroups, mixtures: Tensor, paths: Mapping[str, Tensor], seed: int
) -> Figure:
    """t-SNE of the mean of beta of groups, and of random mixtures ``(N, B)``, together with paths of beta by name."""
    groups = torch.cat([mixtures, shown.groups])
    labels = torch.cat([torch.full((len(mixtures),), RANDOM), shown.labels])
    beta = encode_beta(run.model, run.table.images, groups).mean
    title = f"t-SNE of the mean of beta, {type(run.model).__name__}, held-out groups of {groups.shape[1]}"
    return tsne_figure(beta, labels, shown.names, title, paths, "random mixtures", seed)


def _only(figure: str) -> Reason:
    """Says which figure suits a run's model, if it is another one."""

    def reason(run: TrainedRun) -> str | None:
        has, suited = "no beta", "fig13"
        if run.model.beta_dim:
            has, suited = ("beta and a mixture", "fig5") if run.model.num_components else ("beta, no mixture", "fig11")
        return None if suited == figure else f"{type(run.model).__name__} has {has}; see {suited}"

    return reason


FIG5 = Command("fig5", fig5, "figure", _only("fig5"), no_domains)
FIG6 = Command("fig6", fig6, "figure", lacks_beta)
FIG11 = Command("fig11", fig11, "figure", _only("fig11"), no_domains)
FIG13 = Command("fig13", fig13, "figure", _only("fig13"), no_domains)
PRIOR = Command("prior", prior, "figure")
