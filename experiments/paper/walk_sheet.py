"""A walk of beta for a page to move over: images of the plane of its two widest axes, a panel for each component."""

import math
from dataclasses import dataclass

from ugvae.errors import ConfigError
from ugvae.evaluation.clusters import component_probabilities
from ugvae.evaluation.trained_run import TrainedRun, lacks_beta
from ugvae.evaluation.walks import changes, plane_walk
from ugvae.experiments.paper.command import Command, Made
from ugvae.experiments.paper.common import Captioned, TwoOrMore
from ugvae.experiments.paper.walks import AGGREGATE, CHANGE, held_out_axes
from ugvae.plots.sheets import MOST_PIXELS, sheet_of

MOST_PANELS = 40  # components that are shown: those of the most images


@dataclass(frozen=True)
class Sheet:
    """What the tiles of a sheet are. Panel p is the p-th row of tiles; its tile of row r and column s is r·S + s.

    Attributes:
        panels: the name of each.
        rows: R, steps along the second axis; 1 where beta has one axis alone.
        columns: S, steps along the first axis.
        size: height and width of an image in pixels.
        shares: of the variance of the means of beta between groups, along each of the two axes.
    """

    panels: list[str]
    rows: int
    columns: int
    size: list[int]
    shares: list[float]


def walk_sheet(run: TrainedRun, steps: TwoOrMore = 7, seed: int = 0) -> Made:
    """The walk of beta: images along its two widest axes for every component, which a reader of the report moves.

    The axes are those of the betas of held-out groups. Of a model without a mixture it shows local draws of z, which
    stay as they are while beta moves.

    Args:
        run: with beta.
        steps: along an axis, odd to have a middle
        seed: of the held-out groups, of the images that are counted and of the local draws
    """
    if steps**2 > MOST_PIXELS:
        raise ConfigError(
            f"steps: a sheet has no room for {steps}×{steps} images; take {math.isqrt(MOST_PIXELS)} or less"
        )
    model, axes = run.model, held_out_axes(run, seed)
    if axes is None:
        raise ConfigError("walk_sheet: the test split makes one group of the kind of training; its beta has no axes")
    panels = plane_walk(model, axes, steps, seed=seed)
    image, names = "a local draw of z", [f"draw {number}" for number in range(1, len(panels) + 1)]
    if model.num_components:
        d, _ = component_probabilities(model, run.table.images, seed)
        counts = d.argmax(-1).bincount(minlength=model.num_components)
        largest = counts.argsort(descending=True, stable=True)[:MOST_PANELS].cpu()
        panels = panels[largest]
        names = [f"d = {k}, {int(counts[k]) / len(d):.0%}" for k in largest.tolist()]
        image = "a component d, z at its mean, with its share of the held-out images"
    caption = (
        f"Each image is {image}. Beta moves along the two axes in which {AGGREGATE} differ most, from the 5 % to "
        "the 95 % quantile of each; at the ends of both it may be where no group is. Images that stand still mean that "
        "beta changes nothing there."
    )
    rows, columns, _, *size = panels.shape[1:]
    results = {
        "sheet": Sheet(names, rows, columns, size, axes.shares[:2].tolist()),
        "change": [changes(panel) for panel in panels],
        "units": f"change: {CHANGE}; columns move beta along axis 1, rows along axis 2",
    }
    return Made(results, {"walk_sheet": Captioned(sheet_of(panels), caption)})


COMMAND = Command("walk_sheet", walk_sheet, "figure", lacks_beta)
