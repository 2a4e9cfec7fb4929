"""Interpolation in the prior: between two draws of beta and of an image of each."""

import argparse

from experiments.paper.common import Captioned, save_results
from experiments.paper.crossing import CHANGE_UNITS, grid_figure, grid_numbers, stacked, ways_of
from ugvae.errors import ConfigError
from ugvae.evaluation.interpolation import prior_grid
from ugvae.evaluation.trained_run import TrainedRun, load_run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The grid."""
    parser.add_argument("--steps", type=int, default=7, help="images along each side of the grid")
    parser.add_argument("--component", type=int, help="of both images; by default one is drawn")
    parser.add_argument("--seed", type=int, default=0, help="of the draws")


def reason_not(run: TrainedRun) -> str | None:
    """Why the command does not apply to a run; None, since every model has a prior."""
    return None


def run(options: argparse.Namespace) -> None:
    """Writes ``prior.json`` and ``prior.png``."""
    if options.steps < 2:
        raise ConfigError(f"steps: expected 2 or more, got {options.steps}")
    trained_run = load_run(options.run, needs_beta=False)
    model = trained_run.model
    if options.component is not None and not model.num_components:
        raise ConfigError(f"component: {type(model).__name__} has no mixture")
    if model.beta_dim:
        drawn = (model, options.component, options.steps, options.seed)
        grids = {way: prior_grid(*drawn, way) for way in ways_of(model)}
    else:
        seeds = range(options.seed, options.seed + options.steps)
        grids = {"fixed": stacked([prior_grid(model, options.component, options.steps, seed) for seed in seeds])}
    names = ("the first draw", "the second")
    moved = "Rows move beta, columns z; all" if model.beta_dim else "Each row moves z between two draws; all"
    caption = f"{moved} images should look like data, the middle ones as well as the ends: nothing here was encoded."
    figure = grid_figure(grids, names, f"{type(model).__name__}, between draws from the prior")
    results = {"change": grid_numbers(grids), "units": CHANGE_UNITS}
    save_results(trained_run, "prior", options, results, {"prior": Captioned(figure, caption)})
