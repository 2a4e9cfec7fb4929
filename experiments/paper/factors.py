"""Fig. 3 and 8 in numbers: an analysis of variance of decoded images, as a command."""

import time

import torch

from experiments.paper.command import Command, Made
from experiments.paper.common import Captioned, TwoOrMore
from ugvae.evaluation.controls import UNTRAINED, untrained
from ugvae.evaluation.encoding import encode_groups
from ugvae.evaluation.factors import decode_grid
from ugvae.evaluation.factors import factors as shares_of
from ugvae.evaluation.kinds import trained_groups
from ugvae.evaluation.trained_run import TrainedRun, lacks_beta
from ugvae.plots.charts import factors_figure

PRIOR, HELD_OUT = "beta from its prior", "beta of held-out groups"
CAPTION = (
    "What decides each property of a decoded image: beta, the local latents, or both together. The paper claims that "
    "beta takes the style: its bars should be longer for brightness, contrast, thickness or warmth than for pixels."
)


def factors(run: TrainedRun, betas: TwoOrMore = 48, draws: TwoOrMore = 48, seed: int = 0) -> Made:
    """Fig. 3 and 8 in numbers: what beta decides of an image's brightness, contrast, thickness of strokes or skin tone.

    An analysis of variance over a grid of decoded images, each local draw under each beta, beside the
    untrained network.

    Args:
        run: with beta.
        betas: rows of the grid
        draws: local draws, columns of the grid
        seed: of the draws and the groups
    """
    model, started = run.model, time.monotonic()
    prior = torch.randn(betas, model.beta_dim, generator=torch.Generator().manual_seed(seed))
    groups = trained_groups(run, betas, seed)
    rows = {PRIOR: (model, prior)}
    if len(groups) > 1:
        rows[HELD_OUT] = (model, encode_groups(model, run.table.images, groups).beta.mean)
    rows[UNTRAINED] = (untrained(model), prior)
    results = {name: shares_of(decode_grid(network, beta, draws, seed)) for name, (network, beta) in rows.items()}
    for name, shares in results.items():
        print(f"{name}: by beta " + ", ".join(f"{prop} {share.beta:.2f}" for prop, share in shares.items()))
    figure = factors_figure(results, f"share of the variance of decoded images, {type(model).__name__}")
    units = "shares of variance; sd: of the property, pixels in [0, 1]"
    facts = {"results": results, "units": units, "seconds": time.monotonic() - started}
    return Made(facts, {"factors": Captioned(figure, CAPTION)})


COMMAND = Command("factors", factors, "table", lacks_beta)
