"""Interpolation between two images of two groups, and the map of beta around it: Fig. 5, 6, 11, 13."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jsonargparse.typing import PositiveInt
from matplotlib.figure import Figure
from torch import Tensor

from ugvae.data.known_groups import RANDOM, StructuredGroups, groups_where, mixed_groups
from ugvae.datamodules import Cars3DDataModule, Chairs3DDataModule, StanfordCarsDataModule
from ugvae.errors import ConfigError
from ugvae.evaluation.encoding import encode_beta
from ugvae.evaluation.interpolation import Grid, crossing_grids, grid_changes, posterior_ends
from ugvae.evaluation.kinds import DOMAIN, count, no_domains, two_kinds
from ugvae.evaluation.minimum import too_few_points
from ugvae.evaluation.trained_run import TrainedRun
from ugvae.experiments.paper.command import Command, Made, Reason
from ugvae.experiments.paper.common import Captioned, TwoOrMore
from ugvae.models.bound import Way
from ugvae.plots.grids import crossing_figure
from ugvae.plots.maps import tsne_figure

OBJECTS = (Cars3DDataModule, Chairs3DDataModule, StanfordCarsDataModule)
CHANGE_UNITS = "change: mean absolute difference of pixels in [0, 1] between opposite sides of the grid"


def fig5(run: TrainedRun, **options: Any) -> Made:
    """Fig. 5: interpolation between two domains (a), the map of beta (b), interpolation within the first domain (c).

    Between an image of a group of one domain and one of the other, or of the same: rows move beta from one group's to
    the other's, columns move z, fixed and transported. --attribute, or --column and --values, names two other kinds.

    Args:
        run: with beta and a mixture.
        options: of ``across``.
    """
    return across(run, "fig5", **options)


def fig6(
    run: TrainedRun,
    attribute: str | None = None,
    column: str = DOMAIN,
    values: Sequence[str] = (),
    steps: TwoOrMore = 7,
    group_size: PositiveInt | None = None,
    images: tuple[int, int] = (0, 0),
    seed: int = 0,
) -> Made:
    """Fig. 6: the grid of Fig. 5 (a) on data of cars: 3D Cars with 3D Chairs, or with Cars.

    Args:
        run: with beta and a mixture.
        attribute: images with it and without, in place of two domains
        column: column of --values
        values: two of --column, by name or number, in place of the first two
        steps: images along each side of a grid
        group_size: images per group; by default as in training
        images: number of each in its group
        seed: of the groups
    """
    kinds = two_kinds(run, attribute, column, values)
    size = size_of_groups(run, group_size, images, min(count(run, condition) for condition in kinds.values()))
    ends = groups_where(run.table, list(kinds.values()), size, 1, seed=seed, names=list(kinds)).groups
    grids = grids_between(run, ends, images, steps)
    facts = {"kinds": kinds, "group_size": size, "change": grid_changes(grids), "units": CHANGE_UNITS}
    return Made(facts, {"fig6": grid_between(run, grids, tuple(kinds), size)})


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
    part_a, part_b = ("a", "b") if name == "fig5" else ("grid", "map")
    figures = {f"{name}_{part_a}": grid_between(run, grids, (start, end), size)}
    paths = {path_name(start, end): grids["fixed"].beta}
    within = None
    if name == "fig5" and max(images) < (half := min(size, count(run, conditions[0]) // 2)):
        within = grids_between(run, groups_where(run.table, conditions[:1], half, 2, seed=seed).groups, images, steps)
        figures["fig5_c"] = grid_within(run, within, start, half)
        paths[path_name(start, start)] = within["fixed"].beta
    no_map = too_few_points(sum(count(run, condition) for condition in conditions), 3 * mapped + steps)
    if run.model.beta_dim and not no_map:
        mixtures = mixed_groups(run.table, conditions, size, mapped, seed)
        figure = map_with_paths(run, pure, mixtures, paths, seed)
        caption = (
            f"t-SNE of the posterior mean of beta: groups of {start} alone, of {end} alone, random mixtures, and the "
            "rows of each grid as a path. Pure groups apart, with the mixtures between them, mean that beta knows the "
            "kinds; the grid shows what beta controls."
        )
        figures[f"{name}_{part_b}"] = Captioned(figure, caption)
    results = {
        "kinds": kinds,
        "group_size": size,
        "rows": [int(ends[side, image]) for side, image in enumerate(images)],
        "change": grid_changes(grids),
        "units": CHANGE_UNITS,
    }
    if within:
        results["change_within"] = grid_changes(within)
    if run.model.beta_dim and no_map:
        print(f"map left out: {no_map}", flush=True)
        results["no_map"] = no_map
    return Made(results, figures)


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


def grid_between(run: TrainedRun, grids: Mapping[Way, Grid], names: tuple[str, str], size: int) -> Captioned:
    """The grids between two kinds of group of B = ``size`` images."""
    title = f"{type(run.model).__name__}, from a group of {names[0]} to one of {names[1]}, {size} held-out images each"
    return Captioned(crossing_figure(grids, names, title), grid_caption(grids, names))


def grid_within(run: TrainedRun, grids: Mapping[Way, Grid], name: str, size: int) -> Captioned:
    """The grids between two groups of one kind, of B = ``size`` images."""
    title = f"{type(run.model).__name__}, between two groups of {name}, {size} held-out images each"
    caption = (
        f"Between an image of one random group of {name} and one of another, as the model decodes them. The two "
        "betas differ only by chance: columns should change the image, rows a little of what a group shares."
    )
    return Captioned(crossing_figure(grids, (name, name), title), caption)


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


def _not_of_cars(run: TrainedRun) -> str | None:
    """Fig. 6 is of these data; for any other two domains it would be Fig. 5 (a) over again."""
    of_cars = any(isinstance(domain, OBJECTS) for domain in getattr(run.data, "domains", []))
    return no_domains(run) or (None if of_cars else "Fig. 6 is of cars and chairs; fig5 draws this grid of other data")


FIG5 = Command("fig5", fig5, "figure", _only("fig5"), no_domains)
FIG6 = Command("fig6", fig6, "figure", _only("fig5"), _not_of_cars)
FIG11 = Command("fig11", fig11, "figure", _only("fig11"), no_domains)
FIG13 = Command("fig13", fig13, "figure", _only("fig13"), no_domains)
