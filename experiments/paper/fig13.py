"""Fig. 13: interpolation between two domains by a model without beta, such as GMVAE.

There is no beta to move, so each row goes from an image of one domain to one of the other in z alone.
"""

import argparse

from experiments.paper.across import add_arguments, draw_across
from experiments.paper.common import suited_run
from ugvae.evaluation.kinds import no_domains
from ugvae.evaluation.trained_run import TrainedRun

__all__ = ["add_arguments", "reason_not", "run"]


def reason_not(run: TrainedRun) -> str | None:
    """Why the command does not apply to a run by itself; None if it does."""
    return _other_model(run) or no_domains(run)


def _other_model(run: TrainedRun) -> str | None:
    if run.model.beta_dim:
        return f"{type(run.model).__name__} has beta; see {'fig5' if run.model.num_components else 'fig11'}"
    return None


def run(options: argparse.Namespace) -> None:
    """Writes ``fig13.json`` and ``fig13_grid.png``."""
    draw_across(suited_run(options, _other_model), options)
