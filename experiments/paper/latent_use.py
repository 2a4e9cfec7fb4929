"""How much of beta is used, as a command."""

import time
from collections.abc import Sequence
from dataclasses import replace

import torch
from jsonargparse.typing import PositiveInt
from torch import Tensor
from tqdm import tqdm

from ugvae.errors import ConfigError
from ugvae.evaluation.controls import fitted_untrained
from ugvae.evaluation.encoding import encode_beta, encode_groups
from ugvae.evaluation.kinds import (
    Condition,
    check_images,
    groups_by_kind,
    kinds_of,
    of_column,
    random_groups,
    trained_groups,
)
from ugvae.evaluation.latent_use import UNITS, posterior_use
from ugvae.evaluation.latent_use import latent_use as measure
from ugvae.evaluation.trained_run import TrainedRun, lacks_beta
from ugvae.experiments.paper.command import Command, Made
from ugvae.experiments.paper.common import Captioned
from ugvae.plots.charts import use_figure
from ugvae.plots.grids import grid_figure

SHOWN_RANDOM, COLUMNS = 2, 10
USE_CAPTION = (
    "Each bar is a dimension of beta, the black line the same network before training. Above, the s.d. between groups "
    "over the posterior s.d.: below 1 (dashed) a sample cannot tell groups apart. Below, the variance of the posterior "
    "mean: above the dashed line the unit is active."
)
SWAP_CAPTION = (
    "Decoded images: each column keeps its z, each row has the beta of another held-out group. Rows that look alike "
    "mean that beta controls nothing; where they differ, the images of a row share what beta controls."
)


@torch.no_grad()
def latent_use(
    run: TrainedRun,
    group_size: PositiveInt | None = None,
    groups: PositiveInt = 512,
    swapped: PositiveInt = 64,
    column: str | None = None,
    values: Sequence[str] = (),
    seed: int = 0,
) -> Made:
    """How much of beta is used: information, active units, groups told apart, and what a swap of beta changes.

    KL_beta is what beta tells of its group (information) and how far the betas lie from their prior (mismatch). Beta
    may know the groups and control nothing: the swaps show which, with z as it is and with z carried along.

    Args:
        run: with beta.
        group_size: images per group; by default that of training
        groups: groups of each set, whose posteriors are compared; N groups can show log N nats of information
        swapped: groups of each set among which latents are swapped
        column: groups of each of its values, in place of the kinds that look different
        values: of --column, by name or number; all by default
        seed: of the groups
    """
    model, table, data, started = run.model, run.table, run.data, time.monotonic()
    if values and not column:
        raise ConfigError("values: name their column by --column")
    size, kinds = group_size or data.group_size, of_column(run, column, values) if column else kinds_of(run)
    check_images(run, kinds)
    sets = {"random groups": random_groups(run, size, groups, seed)}
    trained = trained_groups(run, groups, seed)
    if data.evaluation_groups.kind != "random" and len(trained) > 1:
        sets[f"groups as in training ({data.evaluation_groups.kind})"] = trained
    by_kind = groups_by_kind(run, kinds, size, groups, seed)
    if by_kind is not None:
        sets["groups of one kind each"] = by_kind
    before = fitted_untrained(model, data.table("train").images, seed)
    uses = {
        name: replace(
            measure(model, table, rows, swapped),
            untrained=posterior_use(encode_beta(before, table.images, rows)),
        )
        for name, rows in tqdm(sets.items(), desc="use of beta", unit=" sets", disable=None, leave=False)
    }
    for name, use in uses.items():
        beta, swap = use.beta, use.swap_beta
        print(
            f"{name}: KL_beta {beta.kl.mean:.1f} nats per group = {beta.information} "
            f"(information if Gaussian: {beta.information.gaussian:.1f}); {beta.active_units} of "
            f"{beta.dimensions} units active; a swap of beta changes {swap.pixels:.4f} per pixel, "
            f"{swap.log_likelihood_loss:.2f} nats per image"
        )
    shown, labels = _swaps(run, sets["random groups"], kinds, by_kind)
    name = type(model).__name__
    figures = {
        "latent_use": Captioned(use_figure(uses, f"use of beta, {name}, held-out groups"), USE_CAPTION),
        "latent_use_swaps": Captioned(
            grid_figure(shown, "z of each column under the beta of each row", labels), SWAP_CAPTION
        ),
    }
    seconds = time.monotonic() - started
    return Made({"model": name, "units": UNITS, "kinds": list(kinds), "results": uses, "seconds": seconds}, figures)


def _swaps(
    run: TrainedRun, random: Tensor, kinds: dict[str, Condition], by_kind: Tensor | None
) -> tuple[Tensor, list[str]]:
    """Images under their own beta and under those of other groups ``(R, S, C, H, W)``, and labels of the rows.

    The images are of the groups of each kind in turn, or of the random groups if there are no kinds.
    """
    sources, others, labels = random, random[:SHOWN_RANDOM], [f"random {row + 1}" for row in range(SHOWN_RANDOM)]
    if by_kind is not None:
        sources, labels = by_kind[: len(kinds)], labels + list(kinds)
    columns = torch.arange(COLUMNS)
    sources = sources[columns % len(sources)]
    model, images = run.model, run.table.images
    own = encode_groups(model, images, sources)
    z = own.z.mean[columns, columns % sources.shape[1]].to(model.device)  # (S, z_dim)
    rows = [model.decode(z.unsqueeze(1), own.beta.mean.to(model.device)).squeeze(1)]
    for groups in [others] if by_kind is None else [others, by_kind[-len(kinds) :]]:
        beta = encode_groups(model, images, groups).beta.mean.to(model.device)
        rows.extend(model.decode(z.expand(len(beta), -1, -1), beta))
    return torch.stack(rows).cpu(), ["own group", *labels]


COMMAND = Command("latent_use", latent_use, "table", lacks_beta)
