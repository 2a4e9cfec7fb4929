"""How much of beta is used: KL, active units, groups told apart, and what a swap of beta changes in the pictures.

Beta may know the groups and control nothing: the swaps say which.
"""

import argparse
import time

import torch
from torch import Tensor

from experiments.paper.common import Captioned, save_results
from ugvae.evaluation.controls import fitted_untrained
from ugvae.evaluation.encoding import encode_groups
from ugvae.evaluation.kinds import Condition, groups_by_kind, kinds_of, random_groups, trained_groups
from ugvae.evaluation.latent_use import latent_use, posterior_use
from ugvae.evaluation.trained_run import TrainedRun, lacks_beta, load_run
from ugvae.plots.charts import use_figure
from ugvae.plots.grids import grid_figure

SHOWN_RANDOM, COLUMNS = 2, 10
USE_CAPTION = (
    "Each bar is a dimension of beta, the black line the same network before training. Above, how far groups lie apart "
    "over how well one is known: where that is below 1 (dashed) a sample cannot tell groups apart. Below, the variance "
    "of the posterior mean: above the dashed line the unit is active."
)
SWAP_CAPTION = (
    "Decoded images: each column keeps its z, each row has the beta of another held-out group. Where rows look alike "
    "beta controls nothing; where they differ it is what the rows share that beta holds."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The groups."""
    parser.add_argument("--group_size", type=int, help="images per group; by default that of training")
    parser.add_argument("--groups", type=int, default=64, help="groups of each set")
    parser.add_argument("--seed", type=int, default=0, help="of the groups")


def reason_not(run: TrainedRun) -> str | None:
    """A model without beta has none to use."""
    return lacks_beta(run)


@torch.no_grad()
def run(options: argparse.Namespace) -> None:
    """Writes ``latent_use.json``, ``latent_use.png`` and ``latent_use_swaps.png``."""
    trained_run = load_run(options.run)
    model, table, data = trained_run.model, trained_run.table, trained_run.data
    started = time.monotonic()
    size = options.group_size or data.group_size
    kinds = kinds_of(trained_run)
    sets = {"random groups": random_groups(trained_run, size, options.groups, options.seed)}
    if (
        data.evaluation_groups.kind != "random"
        and len(made := trained_groups(trained_run, options.groups, options.seed)) > 1
    ):
        sets[f"groups as in training ({data.evaluation_groups.kind})"] = made
    by_kind = groups_by_kind(trained_run, kinds, size, options.groups, options.seed)
    if by_kind is not None:
        sets["groups of one kind each"] = by_kind
    before = fitted_untrained(model, data.table("train").images, options.seed)
    uses = {
        name: {
            **latent_use(model, table, groups),
            "untrained": posterior_use(encode_groups(before, table.images, groups).beta),
        }
        for name, groups in sets.items()
    }
    for name, use in uses.items():
        beta, swap = use["beta"], use["swap_beta"]
        print(
            f"{name}: KL_beta {beta['kl']['mean']:.1f} nats per group, {beta['active_units']} of {beta['dimensions']} "
            f"units active; a swap of beta changes {swap['pixels']:.4f} per pixel, "
            f"{swap['log_likelihood_loss']:.2f} nats per image"
        )
    shown, labels = _swaps(trained_run, sets["random groups"], kinds, by_kind)
    swaps = grid_figure(shown, "z of each column under the beta of each row", labels)
    figures = {
        "latent_use": Captioned(use_figure(uses, f"use of beta, {type(model).__name__}, held-out groups"), USE_CAPTION),
        "latent_use_swaps": Captioned(swaps, SWAP_CAPTION),
    }
    results = {"kinds": list(kinds), "results": uses, "seconds": time.monotonic() - started}
    save_results(trained_run, "latent_use", options, results, figures)


def _swaps(
    run: TrainedRun, random: Tensor, kinds: dict[str, Condition], by_kind: Tensor | None
) -> tuple[Tensor, list[str]]:
    """Images under their own beta and under those of other groups ``(R, S, C, H, W)``, and what the rows are.

    The images are of the groups of each kind in turn, or of the random groups if there are none.
    """
    sources = random if by_kind is None else by_kind
    sources = sources[torch.arange(COLUMNS) % (len(sources) if by_kind is None else min(len(sources), len(kinds)))]
    groups = [random[:SHOWN_RANDOM]] + ([] if by_kind is None else [by_kind[-len(kinds) :]])
    labels = [f"random {number + 1}" for number in range(SHOWN_RANDOM)] + ([] if by_kind is None else list(kinds))
    model, images = run.model, run.table.images
    own = encode_groups(model, images, sources)
    place = torch.arange(COLUMNS) % sources.shape[1]
    z = own.z.mean[torch.arange(COLUMNS), place].to(model.device)  # (S, z_dim)
    rows = [model.decode(z.unsqueeze(1), own.beta.mean.to(model.device)).squeeze(1)]
    for each in groups:
        beta = encode_groups(model, images, each).beta.mean.to(model.device)
        rows.extend(model.decode(z.expand(len(beta), -1, -1), beta))
    return torch.stack(rows).cpu(), ["own group", *labels]
