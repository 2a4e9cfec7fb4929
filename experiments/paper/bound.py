"""The importance-weighted bound on the likelihood of held-out groups beside the ELBO, as a command."""

import time
from collections.abc import Sequence

import torch

from ugvae.errors import ConfigError
from ugvae.evaluation.bounds import bound_ladder
from ugvae.evaluation.kinds import evaluation_groups
from ugvae.evaluation.results import to_json
from ugvae.evaluation.trained_run import TrainedRun
from ugvae.experiments.paper.command import Command, Made
from ugvae.experiments.paper.common import Captioned
from ugvae.plots.charts import bound_figure

UNITS = "nats per image; error: standard error over groups"
IMAGES = 512  # held-out images that the bound is computed of, unless told otherwise
CAPTION = (
    "What the importance-weighted bound gains over the ELBO on held-out groups, fresh draws for each point. It should "
    "rise from left to right, but for chance. That it lies above the dashed line is no theorem: the ELBO as the paper "
    "states it (eq. 11) is not strictly a lower bound."
)


def bound(
    run: TrainedRun,
    group_samples: Sequence[int] = (1, 5),
    image_samples: Sequence[int] = (1, 5, 20, 50),
    groups: int | None = None,
    seed: int = 0,
) -> Made:
    """The importance-weighted bound on the likelihood of held-out groups beside the ELBO, for growing S and T.

    It should rise with the draws, S of beta per group and T of z per image; each size has fresh ones.

    Args:
        run: any model.
        group_samples: S, draws of beta per group
        image_samples: T, draws of z per image
        groups: held-out groups; by default those of 512 images
        seed: of the groups and of the draws
    """
    model, started = run.model, time.monotonic()
    count = groups or max(2, IMAGES // run.data.group_size)
    rows = evaluation_groups(run, max(2, count), seed)
    if len(rows) < 2:
        raise ConfigError(f"groups: the test split makes one group of {rows.shape[1]}; a standard error needs two")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        images = run.table.images[rows]
        ladder = bound_ladder(model, images, group_samples, image_samples)
    for rung in ladder.bounds:
        gain = rung.gain
        print(f"S {rung.S:2d}  T {rung.T:3d}  ELBO + {gain.mean:.3f} ± {gain.error:.3f} nats per image")
    figure = bound_figure(ladder, f"{type(model).__name__}, {len(rows)} held-out groups of {rows.shape[1]}")
    facts = {"model": type(model).__name__, "units": UNITS, "seconds": time.monotonic() - started}
    return Made({**facts, **to_json(ladder)}, {"bound": Captioned(figure, CAPTION)})


COMMAND = Command("bound", bound, "table")
