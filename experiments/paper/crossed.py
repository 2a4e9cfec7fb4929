"""The part of ``translation`` for crossed data: all domains carried into each other, beside the true images."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ugvae.data.crossing import Crossing, find_crossing
from ugvae.evaluation.crossed import SHOWN, TRUE, Crossed, crossed_translation, translate_pairs
from ugvae.evaluation.kinds import MOST_VALUES, known_values, of_values
from ugvae.evaluation.trained_run import TrainedRun
from ugvae.evaluation.ways import PLAIN
from ugvae.experiments.paper.common import Captioned
from ugvae.experiments.paper.translation_tables import crossed
from ugvae.plots.grids import grid_figure

CONTENTS = 3  # of a picture, in every domain
CAPTION = (
    "Held-out images beside the truth: the source, its true image in the domain that the column names, then what the "
    "model makes of the source, in all ways. A translation should look like the second row."
)


def crossing_of(run: TrainedRun, column: str, domains: Sequence[int], named: bool) -> Crossing | None:
    """How the test images are crossed: by all values of the column, or by two; None if they are not.

    Args:
        run: the run.
        column: of the domains.
        domains: two of its values, which stand for all if there are more than 20.
        named: whether the two were asked for by name, and so no others.
    """
    known = known_values(run, column)
    return find_crossing(run.table, column, sorted(domains) if named or len(known) > MOST_VALUES else known)


def with_true_images(run: TrainedRun, crossing: Crossing, group_size: int, seed: int) -> tuple[Crossed, Captioned]:
    """The comparison with the true images, which is printed, and a picture of a few contents.

    Args:
        run: with beta.
        crossing: of its test images.
        group_size: images per group.
        seed: of the groups and of the judge.
    """
    names = list(of_values(run, crossing.column, crossing.domains))
    train, images = run.data.table("train"), run.table.images
    result = crossed_translation(run.model, train, run.table, crossing, names, group_size, seed=seed)
    print(f"{crossed(result).markdown()}\n", flush=True)
    groups, aims = crossing.groups(group_size, seed), range(1, len(names))
    pairs = translate_pairs(run.model, images, crossing, groups, [(0, aim) for aim in aims])
    columns: list[dict[str, Tensor]] = []
    for aim, shown in zip(aims, pairs, strict=True):
        source, true = (images[crossing.rows[place][groups.flatten()]] / 255 for place in (0, aim))
        ways = {SHOWN[way]: decoded for way, decoded in shown.items() if way != PLAIN}
        columns.append({"source": source, TRUE: true} | ways)
    labels = list(columns[0])
    grid = torch.stack([torch.cat([column[label][:CONTENTS] for column in columns]) for label in labels])
    heads = [name for name in names[1:] for _ in range(CONTENTS)]
    title = f"{names[0]} carried into every other {crossing.column}, {type(run.model).__name__}"
    return result, Captioned(grid_figure(grid, title, labels, heads), CAPTION)
