"""Fig. 11: interpolation between two domains by a model with beta but no mixture, ML-VAE, and the map of beta.

What Fig. 5 shows, without d; no z is transported, since its prior does not depend on beta.
"""

import argparse

from experiments.paper.across import add_arguments, draw_across
from experiments.paper.common import suited_run
from ugvae.evaluation.kinds import no_domains
from ugvae.evaluation.trained_run import TrainedRun, lacks_beta

__all__ = ["add_arguments", "reason_not", "run"]


def reason_not(run: TrainedRun) -> str | None:
    """Why the command does not apply to a run by itself; None if it does."""
    return _other_model(run) or no_domains(run)


def _other_model(run: TrainedRun) -> str | None:
    if run.model.num_components:
        return f"{type(run.model).__name__} has a mixture; see {'fig5' if run.model.beta_dim else 'fig13'}"
    return lacks_beta(run)


def run(options: argparse.Namespace) -> None:
    """Writes ``fig11.json``, ``fig11_grid.png`` and ``fig11_map.png``."""
    draw_across(suited_run(options, _other_model), options)
