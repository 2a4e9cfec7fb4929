"""One model's row of the comparison, and the table. Axes: N groups, B images per group."""

from collections import defaultdict
from collections.abc import Mapping

import torch
from torch import Tensor

from ugvae.data.table import ImageTable
from ugvae.evaluation.bounds import importance_weighted_bound
from ugvae.evaluation.clusters import cluster_scores
from ugvae.evaluation.encoding import encode_groups
from ugvae.models import GroupVAE

Score = dict[str, float]

COLUMNS = {  # key of a score: heading, format
    "elbo": ("ELBO", ".2f"),
    "reconstruction": ("log p(x \\| z, beta)", ".2f"),
    "kl_z": ("KL_z", ".2f"),
    "kl_d": ("KL_d", ".2f"),
    "kl_w": ("KL_w", ".2f"),
    "kl_beta": ("KL_beta / B", ".2f"),
    "importance_weighted": ("IW bound", ".2f"),
    "nmi": ("NMI", ".3f"),
    "ari": ("ARI", ".3f"),
    "accuracy": ("accuracy", ".3f"),
    "parameters": ("parameters", ",.0f"),
    "seconds_per_epoch": ("s per epoch", ".1f"),
}


@torch.no_grad()
def score_model(
    model: GroupVAE,
    table: ImageTable,
    groups: Tensor,
    group_samples: int,
    image_samples: int,
    seed: int = 0,
    images_per_batch: int = 1024,
) -> Score:
    """ELBO terms, importance-weighted bound and clusters of one model on given groups.

    Args:
        model: in eval mode.
        table: held-out images.
        groups: its rows, ``(N, B)``, the same for every model of a comparison.
        group_samples: S of the importance-weighted bound.
        image_samples: T of the importance-weighted bound.
        seed: of the noise.
        images_per_batch: bounds the memory.

    Returns:
        nats per image (kl_beta too: divided by B); the bound's standard error over groups; NMI, ARI and accuracy if the
        model has components and the table labels.
    """
    size = groups.shape[1]
    sums: dict[str, list[Tensor]] = defaultdict(list)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for chunk in groups.split(max(1, images_per_batch // size)):
            images = table.images[chunk]
            elbo = model.elbo(images)
            sums["elbo"].append(elbo.total / size)
            for name in elbo.keys() - elbo.beside:
                sums[name].append(elbo[name] / size if elbo[name].ndim == 1 else elbo[name].mean(1))
            bound = importance_weighted_bound(model, images, group_samples, image_samples)
            sums["importance_weighted"].append(bound / size)
    values = {name: torch.cat(parts).double().cpu() for name, parts in sums.items()}
    score = {name: float(value.mean()) for name, value in values.items()}
    score["importance_weighted_error"] = float(values["importance_weighted"].std() / len(groups) ** 0.5)
    if model.num_components and "label" in table.columns:
        d = encode_groups(model, table.images, groups).d.flatten(0, 1)
        score |= cluster_scores(d, table.columns["label"][groups.flatten()])
    return score


def markdown_table(scores: Mapping[str, Score]) -> str:
    """A row per model, a column per score that any model has."""
    columns = {key: column for key, column in COLUMNS.items() if any(key in score for score in scores.values())}
    lines = [
        "| model | " + " | ".join(heading for heading, _ in columns.values()) + " |",
        "|---" * (len(columns) + 1) + "|",
    ]
    for name, score in scores.items():
        cells = [format(score[key], spec) if key in score else "" for key, (_, spec) in columns.items()]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
