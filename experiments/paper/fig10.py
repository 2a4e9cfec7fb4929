"""Fig. 10: samples with the component d drawn once per row, for a model with a mixture."""

import argparse

import torch

from experiments.paper.common import Captioned, save_results, suited_run
from ugvae.errors import ConfigError
from ugvae.evaluation.trained_run import TrainedRun
from ugvae.evaluation.walks import component_samples
from ugvae.plots.grids import samples_figure


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How many samples."""
    parser.add_argument("--rows", type=int, default=10, help="groups, each of one component")
    parser.add_argument("--columns", type=int, default=10, help="images of each group")
    parser.add_argument("--seed", type=int, default=0, help="of the draws")


def reason_not(run: TrainedRun) -> str | None:
    """Why the command does not apply to a run; None if it does."""
    return None if run.model.num_components else f"{type(run.model).__name__} has no mixture"


def run(options: argparse.Namespace) -> None:
    """Writes ``fig10.json`` and ``fig10.png``."""
    if min(options.rows, options.columns) < 1:
        raise ConfigError(f"rows, columns: expected 1 or more, got {options.rows}, {options.columns}")
    trained_run = suited_run(options, reason_not)
    with torch.random.fork_rng():
        torch.manual_seed(options.seed)
        images, d = component_samples(trained_run.model, options.rows, options.columns)
    shared = "one beta and one component" if trained_run.model.beta_dim else "one component"
    caption = (
        f"Images drawn from the prior, each row a group with {shared}. Images of a row should be of one kind, and rows "
        "of one component differ only by what the group shares."
    )
    figures = {"fig10": Captioned(samples_figure(images, d), caption)}
    save_results(trained_run, "fig10", options, {"components": d.tolist()}, figures)
