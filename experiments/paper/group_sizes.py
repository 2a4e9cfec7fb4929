"""Table 1 against the size of the groups, B = 4 … 128, with the overlap of groups."""

from collections.abc import Sequence
from functools import partial

from jsonargparse.typing import PositiveInt

from ugvae.errors import ConfigError
from ugvae.evaluation.group_sizes import classify_by_size
from ugvae.evaluation.kinds import largest_groups
from ugvae.evaluation.trained_run import TrainedRun, encode_run, lacks_beta
from ugvae.experiments.paper.accuracy_tables import SHOWN_BY_SIZE, by_size
from ugvae.experiments.paper.command import Command, Made
from ugvae.experiments.paper.common import Captioned
from ugvae.experiments.paper.table1 import comparisons, drawer, lacks_paper
from ugvae.plots.group_sizes import group_size_figure

CAPTION = (
    "Accuracy by the better kernel against the size of the groups, s.d. over re-splits. Below each size stands the "
    "share of its images that a group of the rarest kind has in common with another: where it is large, the groups are "
    "few in truth. A larger group averages more, in the controls too: look at the lead over them. 128 is the paper's."
)


def group_sizes(
    run: TrainedRun,
    pair: Sequence[str] = (),
    attribute: Sequence[str] = (),
    values: Sequence[str] = (),
    column: str = "label",
    sizes: Sequence[PositiveInt] = (4, 8, 16, 32, 64, 128),
    groups: PositiveInt = 200,
    seeds: PositiveInt = 5,
) -> Made:
    """Table 1 against the size of the groups, with the share of images that two groups of a kind have in common.

    The kinds of group are those of ``table1``, by default the paper's.

    Args:
        run: with beta.
        pair: two attributes, images with one or the other; several pairs one after the other
        attribute: images with it and without; one comparison for each
        values: two values of --column, by name or number; several pairs one after the other
        column: of --values
        sizes: images per group; those that a kind cannot fill are left out
        groups: groups per kind, four fifths of them for training
        seeds: repetitions; re-splits of the same images
    """
    asked, results, left_out = comparisons(run, pair, attribute, values, column), {}, {}
    filled = {}
    for name, kinds in asked.items():
        available = largest_groups(run, kinds, seeds)
        rarest = min(available, key=available.get)
        if some := sorted(size for size in set(sizes) if size <= available[rarest]):
            filled[name] = some
        if absent := sorted(set(sizes) - set(some)):
            left_out[name] = (
                f"groups of {', '.join(map(str, absent))}: {rarest} has {available[rarest]} images in a half"
            )
            print(f"{name}: left out: {left_out[name]}", flush=True)
    if not filled:
        raise ConfigError(f"sizes: none can be filled, take --sizes of what there is: {'; '.join(left_out.values())}")
    encoded = encode_run(run, range(seeds))
    for name, some in filled.items():
        draw = partial(drawer, run, asked[name])
        results[name] = classify_by_size(*encoded, run.table, draw, some, groups, range(seeds))
        print(f"{by_size(name, results[name]).markdown()}\n", flush=True)
    figure = group_size_figure(results, SHOWN_BY_SIZE, f"groups of held-out images, {type(run.model).__name__}")
    return Made({"results": results, "left_out": left_out}, {"group_sizes": Captioned(figure, CAPTION)})


COMMAND = Command("group_sizes", group_sizes, "table", lacks_beta, lacks_paper)
