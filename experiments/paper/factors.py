"""Fig. 3 and 8 in numbers: what beta decides of a picture's brightness, contrast, thickness of strokes or skin tone.

An analysis of variance over a grid of decoded images, each local draw under each beta, beside the untrained network.
"""

import argparse
import time

import torch

from experiments.paper.common import Captioned, save_results
from ugvae.evaluation.controls import UNTRAINED, untrained
from ugvae.evaluation.encoding import encode_groups
from ugvae.evaluation.factors import decode_grid, factors
from ugvae.evaluation.kinds import trained_groups
from ugvae.evaluation.trained_run import TrainedRun, lacks_beta, load_run
from ugvae.plots.charts import factors_figure

PRIOR, HELD_OUT = "beta from its prior", "beta of held-out groups"
CAPTION = (
    "Who decides each property of a decoded image: beta, the local latents, or both together. The paper claims that "
    "beta takes the style: its bars should be longer for brightness, contrast, thickness or warmth than for pixels."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The grid."""
    parser.add_argument("--betas", type=int, default=48, help="rows of the grid")
    parser.add_argument("--draws", type=int, default=48, help="local draws, columns of the grid")
    parser.add_argument("--seed", type=int, default=0, help="of the draws and the groups")


def reason_not(run: TrainedRun) -> str | None:
    """Without beta it decides nothing."""
    return lacks_beta(run)


def run(options: argparse.Namespace) -> None:
    """Writes ``factors.json`` and ``factors.png``."""
    trained_run = load_run(options.run)
    model, started = trained_run.model, time.monotonic()
    generator = torch.Generator().manual_seed(options.seed)
    prior = torch.randn(options.betas, model.beta_dim, generator=generator)
    groups = trained_groups(trained_run, options.betas, options.seed)
    betas = {PRIOR: prior}
    if len(groups) > 1:
        betas[HELD_OUT] = encode_groups(model, trained_run.table.images, groups).beta.mean
    results = {name: factors(decode_grid(model, beta, options.draws, options.seed)) for name, beta in betas.items()}
    results[UNTRAINED] = factors(decode_grid(untrained(model), prior, options.draws, options.seed))
    for name, shares in results.items():
        print(f"{name}: by beta " + ", ".join(f"{of} {each['beta']:.2f}" for of, each in shares.items()))
    figure = factors_figure(results, f"share of the variance of decoded images, {type(model).__name__}")
    content = {
        "results": results,
        "units": "shares of variance; sd: of the property, pixels in [0, 1]",
        "seconds": time.monotonic() - started,
    }
    save_results(trained_run, "factors", options, content, {"factors": Captioned(figure, CAPTION)})
