"""Fig. 3 and 8: walks through each component of the mixture.

Of a model with a mixture: UG-VAE, whose beta moves down the rows, or GMVAE, whose noise w does.
"""

import argparse

from experiments.paper.common import Captioned, save_results, suited_run
from experiments.paper.walks import add_walk, changes, check_walk, component_probabilities
from ugvae.evaluation.trained_run import TrainedRun
from ugvae.evaluation.walks import component_walks
from ugvae.plots.grids import component_walk_figures


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The walk."""
    add_walk(parser, beta_range=1.0, z_range=3.0)
    parser.add_argument("--seed", type=int, default=0, help="of the images that are counted")


def reason_not(run: TrainedRun) -> str | None:
    """Why the command does not apply to a run; None if it does."""
    return None if run.model.num_components else f"{type(run.model).__name__} has no mixture"


def run(options: argparse.Namespace) -> None:
    """Writes ``fig3.json`` and ``fig3.png``, or ``fig3_1.png`` and so on if the components fill several pages."""
    check_walk(options)
    trained_run = suited_run(options, reason_not)
    model = trained_run.model
    d, _ = component_probabilities(trained_run, options.seed)
    shares = d.argmax(-1).bincount(minlength=model.num_components) / len(d)
    walks, rows, columns = component_walks(model, options.steps, options.beta_range, options.z_range)
    condition = "beta" if model.beta_dim else "w"
    notes = [f"{share:.0%} of images" for share in shares.tolist()]
    pages = component_walk_figures(walks, rows, columns, condition, notes)
    caption = (
        f"A panel per component, with the share of held-out images whose largest π it has. Down the rows {condition} "
        f"goes from −{options.beta_range:g} to {options.beta_range:g}, along the columns z crosses the component's "
        f"prior. If {condition} is used, it changes all components alike; if the mixture is, components differ in kind."
    )
    names = [f"fig3_{number}" for number in range(1, len(pages) + 1)] if len(pages) > 1 else ["fig3"]
    results = {
        "components": [
            {"share": share, "change": changes(walk)} for share, walk in zip(shares.tolist(), walks, strict=True)
        ],
        "units": f"change: mean absolute difference of pixels in [0, 1] from end to end; rows move {condition}",
    }
    figures = {name: Captioned(page, caption) for name, page in zip(names, pages, strict=True)}
    save_results(trained_run, "fig3", options, results, figures)
