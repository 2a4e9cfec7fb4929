"""The importance-weighted bound on the likelihood of held-out groups beside the ELBO, for growing S and T.

It must lie above the ELBO and rise with the draws: S of beta per group, T of z per image.
"""

import argparse
import time

import torch

from experiments.paper.common import Captioned, save_results
from ugvae.evaluation.bounds import bound_ladder
from ugvae.evaluation.kinds import trained_groups
from ugvae.evaluation.trained_run import TrainedRun, load_run
from ugvae.plots.charts import bound_figure

GROUP_SAMPLES, IMAGE_SAMPLES = (1, 5), (1, 5, 20, 50)
IMAGES = 512  # held-out images that the bound is computed of, unless told otherwise
CAPTION = (
    "What the importance-weighted bound gains over the ELBO on held-out groups. It should lie above the dashed line "
    "and rise from left to right: a bound that did not would be computed wrongly."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The draws and the groups."""
    parser.add_argument("--group_samples", nargs="+", type=int, default=list(GROUP_SAMPLES), metavar="S")
    parser.add_argument("--image_samples", nargs="+", type=int, default=list(IMAGE_SAMPLES), metavar="T")
    parser.add_argument("--groups", type=int, help=f"held-out groups; by default those of {IMAGES} images")
    parser.add_argument("--seed", type=int, default=0, help="of the groups and of the draws")


def reason_not(run: TrainedRun) -> str | None:
    """Every model has a bound."""
    return None


def run(options: argparse.Namespace) -> None:
    """Writes ``bound.json`` and ``bound.png``."""
    trained_run = load_run(options.run, needs_beta=False)
    model = trained_run.model
    started = time.monotonic()
    count = options.groups or max(2, IMAGES // trained_run.data.group_size)
    groups = trained_groups(trained_run, max(2, count), options.seed)
    with torch.random.fork_rng():
        torch.manual_seed(options.seed)
        images = trained_run.table.images[groups]
        ladder = bound_ladder(model, images, options.group_samples, options.image_samples)
    results = {
        "model": type(model).__name__,
        "units": "nats per image; error: standard error over groups",
        "groups": len(groups),
        "group_size": groups.shape[1],
        **ladder,
        "seconds": time.monotonic() - started,
    }
    for each in ladder["bounds"]:
        gain = each["gain"]
        print(f"S {each['S']:2d}  T {each['T']:3d}  ELBO + {gain['mean']:.3f} ± {gain['error']:.3f} nats per image")
    figure = bound_figure(ladder, f"{type(model).__name__}, {len(groups)} held-out groups of {groups.shape[1]}")
    save_results(trained_run, "bound", options, results, {"bound": Captioned(figure, CAPTION)})
