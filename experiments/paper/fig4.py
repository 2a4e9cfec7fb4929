"""Fig. 4: the grid of local and global latents, for a model with beta and a standard normal z.

That is ML-VAE, UG-VAE without its mixture: the paper's question is whether beta still finds global factors.
"""

import argparse

from experiments.paper.common import Captioned, save_results, suited_run
from experiments.paper.walks import add_walk, changes, check_walk
from ugvae.evaluation.trained_run import TrainedRun, lacks_beta
from ugvae.evaluation.walks import global_walk
from ugvae.plots.grids import global_walk_figure


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The walk."""
    add_walk(parser, beta_range=1.0, z_range=1.0)


def reason_not(run: TrainedRun) -> str | None:
    """Why the command does not apply to a run; None if it does."""
    if run.model.num_components:
        return f"the z of {type(run.model).__name__} has a mixture as prior; fig3 walks through its components"
    return lacks_beta(run)


def run(options: argparse.Namespace) -> None:
    """Writes ``fig4.json`` and ``fig4.png``."""
    check_walk(options)
    trained_run = suited_run(options, reason_not)
    walk = global_walk(trained_run.model, options.steps, options.beta_range, options.z_range)
    caption = "Rows move beta, columns z, every dimension at once. Rows all alike mean that beta controls nothing."
    results = {
        "change": changes(walk[0]),
        "units": "mean absolute difference of pixels in [0, 1] from end to end; rows move beta, columns z",
    }
    save_results(trained_run, "fig4", options, results, {"fig4": Captioned(global_walk_figure(*walk), caption)})
