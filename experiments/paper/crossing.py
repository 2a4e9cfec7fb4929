"""Interpolation between two images of two groups, and the map of beta around it: what Fig. 5, 6, 11 and 13 share.

Axes: N groups, B images per group, R rows (steps of beta), S columns (steps of z), K components.
"""

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

from experiments.paper.walks import changes
from ugvae.data.known_groups import RANDOM, StructuredGroups
from ugvae.errors import ConfigError
from ugvae.evaluation.encoding import encode_beta
from ugvae.evaluation.interpolation import Grid, posterior_grid
from ugvae.evaluation.trained_run import TrainedRun
from ugvae.evaluation.translation import CARRIED
from ugvae.models import GroupVAE
from ugvae.plots.grids import panels_figure
from ugvae.plots.maps import map_figure, tsne

TITLES = {"fixed": "z fixed (the paper's)", "transported": "z transported by the model's mixture"}
CHANGE_UNITS = "change: mean absolute difference of pixels in [0, 1] between opposite sides of the grid"


def add_crossing(parser: argparse.ArgumentParser) -> None:
    """The options of a grid between two images."""
    parser.add_argument("--steps", type=int, default=7, help="images along each side of a grid")
    parser.add_argument("--group_size", type=int, help="images per group; by default as in training")
    parser.add_argument("--images", nargs=2, type=int, default=(0, 0), metavar="N", help="number of each in its group")
    parser.add_argument("--seed", type=int, default=0, help="of the groups")


def add_map(parser: argparse.ArgumentParser) -> None:
    """The size of the map of beta."""
    parser.add_argument("--mapped", type=int, default=40, help="groups of each kind in the map")


def check_map(options: argparse.Namespace) -> None:
    """Raises a ConfigError if a map would have no groups."""
    if options.mapped < 1:
        raise ConfigError(f"mapped: expected 1 or more, got {options.mapped}")


def size_of_groups(run: TrainedRun, options: argparse.Namespace, images: int) -> int:
    """B: as asked for or as in training, but no more than there are images.

    Raises:
        ConfigError: a bad number of steps, of images of a group or of the images to show.
    """
    if options.steps < 2:
        raise ConfigError(f"steps: expected 2 or more, got {options.steps}")
    if options.group_size is not None and options.group_size < 1:
        raise ConfigError(f"group_size: expected 1 or more, got {options.group_size}")
    size = min(options.group_size or run.data.group_size, images)
    if not 0 <= min(options.images) <= max(options.images) < size:
        raise ConfigError(f"images: numbers in a group of {size} are 0 to {size - 1}, got {list(options.images)}")
    return size


def ways_of(model: GroupVAE) -> list[str]:
    """Fixed z; and transported z where beta drives the prior of z, elsewhere it would be the same."""
    return list(CARRIED) if model.beta_dim and model.num_components else ["fixed"]


def grids_between(run: TrainedRun, groups: Tensor, options: argparse.Namespace) -> dict[str, Grid]:
    """The grids between an image of the first and one of the second of two groups ``(2, B)``, by way.

    Without beta a grid would have one row; it gets as many as columns instead, each between another pair of images.
    """
    model = run.model
    images = run.table.images[groups]
    if model.beta_dim:
        pair = tuple(options.images)
        return {way: posterior_grid(model, images, pair, options.steps, way) for way in ways_of(model)}
    rows = min(options.steps, groups.shape[1])
    pairs = [tuple((first + row) % groups.shape[1] for first in options.images) for row in range(rows)]
    grids = [posterior_grid(model, images, pair, options.steps) for pair in pairs]
    return {"fixed": stacked(grids)}


def stacked(grids: Sequence[Grid]) -> Grid:
    """Grids of one row each, of a model without beta, as the rows of one."""
    return Grid(torch.cat([each.images for each in grids]), None, torch.cat([each.z for each in grids]))


def grid_figure(grids: Mapping[str, Grid], names: tuple[str, str], title: str) -> Figure:
    """The grids by way, side by side.

    Args:
        grids: of ``grids_between``.
        names: what the two groups are.
        title: of the whole.
    """
    first = next(iter(grids.values()))
    rows, columns = (torch.linspace(0, 1, steps).tolist() for steps in first.images.shape[:2])
    start, end = names
    row_title = f"beta: group of {start} (0) → {end} (1)"
    row_labels = [f"{value:.2g}" for value in rows]
    if first.beta is None:
        row_title, row_labels = "a pair of images per row", [str(number + 1) for number in range(len(rows))]
    return panels_figure(
        [grid.images for grid in grids.values()],
        [TITLES[way] if len(grids) > 1 else "" for way in grids],
        row_labels,
        [f"{value:.2g}" for value in columns],
        row_title,
        f"z: image of {start} (0) → {end} (1)",
        title,
        inch=0.55,
    )


def grid_numbers(grids: Mapping[str, Grid]) -> dict[str, Any]:
    """How much a grid changes along beta and along z, by way; ready for JSON."""
    changed = {way: changes(grid.images) for way, grid in grids.items()}
    return {
        way: {"by_z": each["columns"], **({"by_beta": each["rows"]} if grids[way].beta is not None else {})}
        for way, each in changed.items()
    }


def grid_caption(grids: Mapping[str, Grid], names: tuple[str, str]) -> str:
    """What to look for in ``grid_figure``."""
    start, end = names
    if next(iter(grids.values())).beta is None:
        return (
            f"Each row goes from an image of {start} to one of {end} in z, as the model decodes them. Without beta, "
            "domain and content change together."
        )
    caption = (
        f"The first corner is an image of {start}, the last one of {end}, as the model decodes them. If beta controls "
        f"what the groups do not share, the first column turns from {start} into {end} down the rows while the columns "
        "change the image's content; rows all alike mean that it controls nothing."
    )
    if len(grids) > 1:
        caption += " Transported z is carried along by the prior of the row's beta, fixed z stays as it is."
    return caption


def path_name(start: str, end: str) -> str:
    """Name of the path from a group of one kind to one of another, in the legend of a map."""
    return f"path: {start} (○)\nto {end} (□)"


def map_with_paths(
    run: TrainedRun, shown: StructuredGroups, paths: Mapping[str, Tensor], of_random: str, seed: int
) -> Figure:
    """t-SNE of the mean of beta of groups, embedded together with paths of beta.

    Args:
        run: with a model that has beta.
        shown: the groups.
        paths: points ``(R, beta_dim)`` by name.
        of_random: what the groups of no kind are.
        seed: of t-SNE.
    """
    beta = encode_beta(run.model, run.table.images, shown.groups).mean
    flat = tsne(torch.cat([beta, *paths.values()]), seed)
    ends = torch.tensor([len(beta), *map(len, paths.values())]).cumsum(0).tolist()
    lines = {name: flat[start:end] for name, start, end in zip(paths, ends, ends[1:], strict=False)}
    title = f"t-SNE of the mean of beta, {type(run.model).__name__}, held-out groups of {shown.groups.shape[1]}"
    return map_figure(flat[: len(beta)], shown.labels.numpy(), shown.names, title, lines, of_random)


def with_random(shown: StructuredGroups, random: Tensor) -> StructuredGroups:
    """Groups and further ones of no kind ``(N, B)``."""
    labels = torch.cat([torch.full((len(random),), RANDOM), shown.labels])
    return StructuredGroups(torch.cat([random, shown.groups]), labels, shown.names)
