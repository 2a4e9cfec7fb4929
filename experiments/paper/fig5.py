"""Fig. 5: interpolation between two domains, with fixed and with transported z, and the map of beta.

Between an image of a group of one domain and one of the other: rows move beta from the one group's to the other's,
columns move z. --attribute, or --column and --values, names two other kinds of group.
"""

import argparse

from experiments.paper.across import add_arguments, draw_across
from ugvae.evaluation.kinds import no_domains
from ugvae.evaluation.trained_run import TrainedRun, load_run

__all__ = ["add_arguments", "reason_not", "run"]


def reason_not(run: TrainedRun) -> str | None:
    """Why the command does not apply to a run by itself; None if it does."""
    if not run.model.beta_dim:
        return f"{type(run.model).__name__} has no beta; see fig13"
    if not run.model.num_components:
        return f"drawn as fig11: the beta of {type(run.model).__name__} drives no mixture"
    return no_domains(run)


def run(options: argparse.Namespace) -> None:
    """Writes ``fig5.json``, ``fig5_grid.png`` and ``fig5_map.png``."""
    draw_across(load_run(options.run), options)
