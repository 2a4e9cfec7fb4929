"""Fig. 9: walks along each dimension of z, for a model whose only latent is a standard normal z.

That is β-VAE in the paper; VAE and NestedVAE too.
"""

import argparse

from experiments.paper.common import Captioned, save_results, suited_run
from experiments.paper.walks import add_walk, check_walk
from ugvae.evaluation.trained_run import TrainedRun
from ugvae.evaluation.walks import latent_walks
from ugvae.plots.grids import latent_walks_figure


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The walk."""
    add_walk(parser, beta_range=None, z_range=3.0)


def reason_not(run: TrainedRun) -> str | None:
    """Why the command does not apply to a run; None if it does."""
    other = "beta" if run.model.beta_dim else "a mixture" if run.model.num_components else None
    instead = "fig3" if run.model.num_components else "fig4"
    return f"{type(run.model).__name__} has {other} besides z; see {instead}" if other else None


def run(options: argparse.Namespace) -> None:
    """Writes ``fig9.json`` and ``fig9.png``."""
    check_walk(options)
    trained_run = suited_run(options, reason_not)
    images, columns = latent_walks(trained_run.model, options.steps, options.z_range)
    caption = (
        f"Each row moves one dimension of z from −{options.z_range:g} to {options.z_range:g}, the others stay at 0. "
        "Look for dimensions with one meaning each, and for those that change nothing: they are unused."
    )
    results = {
        "change": (images[:, 0] - images[:, -1]).abs().flatten(1).mean(1).tolist(),
        "units": "by dimension of z, mean absolute difference of pixels in [0, 1] from end to end",
    }
    save_results(
        trained_run, "fig9", options, results, {"fig9": Captioned(latent_walks_figure(images, columns), caption)}
    )
