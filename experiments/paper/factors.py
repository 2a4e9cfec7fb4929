"""Fig. 3 and 8 in numbers: an analysis of variance of decoded images, as a command."""

import time
from typing import Literal

import torch

from ugvae.errors import ConfigError
from ugvae.evaluation.controls import UNTRAINED, fitted_untrained
from ugvae.evaluation.factors import PRIOR, Decided, beta_decides, decided, decode_grid
from ugvae.evaluation.judges import Judge, fit_judge
from ugvae.evaluation.kinds import random_groups, trained_groups
from ugvae.evaluation.trained_run import TrainedRun, lacks_beta
from ugvae.experiments.paper.command import Command, Made
from ugvae.experiments.paper.common import Captioned, TwoOrMore
from ugvae.plots.charts import factors_figure

JUDGED = 2000  # real training images that the judge of labels learns from
CAPTION = (
    "What decides each property of a decoded image: beta, the local latents, or both together; in each bar the s.d. "
    "that it is a share of. From left to right: the paper's walk from the prior; the same walk with the betas of "
    "held-out groups; z of held-out images, fixed, under those betas. Below, the same network untrained."
)


def factors(
    run: TrainedRun,
    betas: TwoOrMore = 128,
    draws: TwoOrMore = 48,
    grouping: Literal["trained", "random"] = "trained",
    seed: int = 0,
) -> Made:
    """Fig. 3 and 8 in numbers: what beta decides of an image's brightness, contrast, thickness of strokes or skin tone.

    An analysis of variance over grids of decoded images: each local draw under each beta, drawn from the prior as in
    the paper's walk, and of held-out groups; and the z of held-out images, fixed, under the betas of held-out groups.
    Beside them stands the same of the untrained network. Claims rest on the betas of held-out groups.

    Args:
        run: with beta.
        betas: rows of the grid
        draws: local draws or images, columns of the grid
        grouping: groups whose betas are taken: of the kind of training, or random
        seed: of the draws and the groups
    """
    started = time.monotonic()
    groups = random_groups(run, run.data.group_size, betas, seed)
    if grouping == "trained":
        groups = trained_groups(run, betas, seed)
    if len(groups) < 2:
        raise ConfigError("grouping: the test split makes one group of the kind of training; take --grouping random")
    judge, before = label_judge(run, seed), fitted_untrained(run.model, run.data.table("train").images, seed)
    prior = torch.randn(betas, run.model.beta_dim, generator=torch.Generator().manual_seed(seed))
    results: dict[str, Decided] = {}
    for head, network in (("", run.model), (f"{UNTRAINED}, ", before)):
        results[f"{head}{PRIOR}"] = decided(decode_grid(network, prior, draws, seed), judge)
        measured = beta_decides(network, run.table, groups, draws, judge, seed)
        results |= {f"{head}{name}": result for name, result in measured.items()}
    for name, result in results.items():
        shares = ", ".join(f"{prop} {in_words(share.beta, share.sd)}" for prop, share in result.shares.items())
        print(f"{name}: by beta {shares}", flush=True)
    figure = factors_figure(results, f"share of the variance of decoded images, {type(run.model).__name__}")
    facts = {
        "results": results,
        "groups": {"kind": grouping, "count": len(groups), "group_size": groups.shape[1]},
        "units": "shares of variance; sd: of the property, pixels in [0, 1]; label_kept, retrieval: shares of images",
        "seconds": time.monotonic() - started,
    }
    return Made(facts, {"factors": Captioned(figure, CAPTION)})


def label_judge(run: TrainedRun, seed: int) -> Judge | None:
    """A judge of the labels, learned from real training images; None where there are no two labels."""
    train = run.data.table("train")
    if "label" not in train.columns or "label" not in run.table.columns:
        return None
    known = (train.columns["label"] >= 0).nonzero().squeeze(1)
    order = torch.randperm(len(known), generator=torch.Generator().manual_seed(seed))
    rows = known[order[:JUDGED]]
    labels = train.columns["label"][rows]
    return fit_judge(train.images[rows], labels) if len(labels.unique()) > 1 else None


def in_words(share: float | None, sd: float | None) -> str:
    """A share and the s.d. that it is a share of."""
    return f"{'none' if share is None else f'{share:.2f}'}{'' if sd is None else f' of s.d. {sd:.3f}'}"


COMMAND = Command("factors", factors, "table", lacks_beta)
