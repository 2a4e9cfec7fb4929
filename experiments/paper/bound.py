"""The importance-weighted bound on the likelihood of held-out groups beside the ELBO."""

import time
from collections.abc import Sequence

import torch

from experiments.paper.command import Command, Made
from experiments.paper.common import Captioned
from ugvae.evaluation.bounds import bound_ladder
from ugvae.evaluation.kinds import trained_groups
from ugvae.evaluation.trained_run import TrainedRun
from ugvae.plots.charts import bound_figure

IMAGES = 512  # held-out images that the bound is computed of, unless told otherwise
CAPTION = (
    "What the importance-weighted bound gains over the ELBO on held-out groups. It should lie above the dashed line "
    "and rise from left to right: a bound that did not would be computed wrongly."
)


def bound(
    run: TrainedRun,
    group_samples: Sequence[int] = (1, 5),
    image_samples: Sequence[int] = (1, 5, 20, 50),
    groups: int | None = None,
    seed: int = 0,
) -> Made:
    """The importance-weighted bound on the likelihood of held-out groups beside the ELBO, for growing S and T.

    It must lie above the ELBO and rise with the draws: S of beta per group, T of z per image.

    Args:
        run: any model.
        group_samples: S, draws of beta per group
        image_samples: T, draws of z per image
        groups: held-out groups; by default those of 512 images
        seed: of the groups and of the draws
    """
    model, started = run.model, time.monotonic()
    count = groups or max(2, IMAGES // run.data.group_size)
    rows = trained_groups(run, max(2, count), seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        images = run.table.images[rows]
        ladder = bound_ladder(model, images, group_samples, image_samples)
    results = {
        "model": type(model).__name__,
        "units": "nats per image; error: standard error over groups",
        "groups": len(rows),
        "group_size": rows.shape[1],
        **ladder,
        "seconds": time.monotonic() - started,
    }
    for step in ladder["bounds"]:
        gain = step["gain"]
        print(f"S {step['S']:2d}  T {step['T']:3d}  ELBO + {gain['mean']:.3f} ± {gain['error']:.3f} nats per image")
    figure = bound_figure(ladder, f"{type(model).__name__}, {len(rows)} held-out groups of {rows.shape[1]}")
    return Made(results, {"bound": Captioned(figure, CAPTION)})


COMMAND = Command("bound", bound, "table")
