"""What a linear probe reads from the latents of whole groups of any size, beside controls.

A probe is a ridge regression of a number, or a logistic regression of a name, on features of the training groups. It is
judged on held-out groups, whose images neither the model nor the probe has learned from.

Axes: N groups, M images, F features.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import balanced_accuracy_score, r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from ugvae.data.module import GroupDataModule
from ugvae.errors import ConfigError
from ugvae.evaluation.classification import PIXELS
from ugvae.evaluation.controls import UNTRAINED, fitted_untrained
from ugvae.evaluation.kinds import MOST_VALUES
from ugvae.evaluation.latents import UNKNOWN, Latents, column_head, encode
from ugvae.evaluation.minimum import LEAST_GROUPS
from ugvae.models import BaseVAE

R2, ACCURACY = "R²", "balanced accuracy"
BETA_MEAN, BETA_SAMPLE, MEAN_Z = "beta mean", "beta sample", "mean z"
PENALTIES = np.logspace(-3, 4, 15)  # of the ridge, chosen on the training groups


@dataclass(frozen=True)
class GroupProbe:
    """How well one column is read from the latents of held-out groups.

    Attributes:
        measure: ``R²`` of a number, ``balanced accuracy`` of a name.
        groups: N, by ``train`` and ``held out`` (validation and test).
        scores: by feature.
        chance: of the mean of the training groups, 0, or of one name for all.
        true: the numbers of the held-out groups, ``(N,)``; None of names.
        read: what the probe reads from the mean of their beta.
    """

    measure: str
    groups: dict[str, int]
    scores: dict[str, float]
    chance: float
    true: list[float] | None = None
    read: list[float] | None = None


@torch.no_grad()
def probe_groups(model: BaseVAE, data: GroupDataModule, by: str, seed: int = 0) -> dict[str, GroupProbe]:
    """Probes of every column that has one value within each group, by column.

    The features: the mean and a sample of q(beta | X, Z), and the group's mean of z; the same means of the network
    before training, BatchNorm fitted; the mean image, reduced by a PCA of the training groups to beta_dim dimensions.

    Args:
        model: with beta, in eval mode.
        data: with the column ``by``.
        by: the column whose values make the groups.
        seed: of the samples and of the untrained weights.

    Raises:
        ConfigError: no such column, fewer than 10 training or held-out groups, or no other column to be read.
    """
    latents = encode(model, data, by)
    before = encode(fitted_untrained(model, data.table("train").images, seed), data, by)
    held_out = latents.groups["split"] != "train"
    count = {"train": int((~held_out).sum()), "held out": int(held_out.sum())}
    if min(count.values()) < LEAST_GROUPS:
        raise ConfigError(
            f"by: {by} makes {count['train']} training groups and {count['held out']} of validation and test; a probe "
            f"takes {LEAST_GROUPS} of each"
        )
    features = _features(latents, seed) | {f"{UNTRAINED} {name}": f for name, f in _features(before, seed).items()}
    images = _mean_images(latents, data)
    pca = PCA(min(model.beta_dim, count["train"], images.shape[1]), random_state=seed).fit(images[~held_out])
    components = pca.transform(images)
    features[PIXELS] = components / components[~held_out].std(0).max()  # one scale: the smallest components are noise
    probes = {}
    for name in data.table("train").columns:
        column = latents.groups.get(column_head(name))
        if name != by and column is not None:
            probe = _probe(features, column, held_out, named=bool(data.value_names(name)))
            probes |= {name: probe} if probe else {}
    if not probes:
        raise ConfigError(f"by: no other column has one value within each {by}, and different ones between them")
    return probes


def _features(latents: Latents, seed: int) -> dict[str, np.ndarray]:
    """Features ``(N, F)`` of the groups, by name."""
    mean, log_var = latents.arrays["beta_mean"], latents.arrays["beta_log_var"]
    noise = np.random.default_rng(seed).standard_normal(mean.shape)
    z = _group_means(torch.from_numpy(latents.arrays["z_mean"]), latents.arrays["image_group"], len(mean))
    return {BETA_SAMPLE: mean + np.exp(0.5 * log_var) * noise, BETA_MEAN: mean, MEAN_Z: z.numpy()}


def _group_means(values: Tensor, group: np.ndarray, groups: int) -> Tensor:
    """Means ``(N, F)`` of values ``(M, F)`` by group ``(M,)``; −1 is no group."""
    rows = torch.from_numpy(np.flatnonzero(group >= 0))
    member = torch.from_numpy(group)[rows]
    sums = torch.zeros(groups, values.shape[1]).index_add_(0, member, values[rows].float())
    return sums / member.bincount(minlength=groups).unsqueeze(1)


def _mean_images(latents: Latents, data: GroupDataModule) -> np.ndarray:
    """The mean image of each group, flat in [0, 1], ``(N, C·H·W)``."""
    groups, split, group = len(latents.groups["group"]), latents.images["split"], latents.arrays["image_group"]
    means = torch.zeros(groups, math.prod(data.image_shape))
    for name in dict.fromkeys(split.tolist()):
        images, own = data.table(name).images, group[split == name]
        for number in np.unique(own[own >= 0]):
            members = torch.from_numpy(np.flatnonzero(own == number))
            means[number] = images.index_select(0, members).flatten(1).float().mean(0) / 255
    return means.numpy()


def _probe(
    features: Mapping[str, np.ndarray], column: np.ndarray, held_out: np.ndarray, named: bool
) -> GroupProbe | None:
    """The probe of one column of text ``(N,)``; None where too few groups have a value, or all have the same."""
    known = column != UNKNOWN
    parts = {"train": known & ~held_out, "held out": known & held_out}
    if any(part.sum() < LEAST_GROUPS or len(set(column[part])) < 2 for part in parts.values()):
        return None
    target = column if named else np.where(known, column, "nan").astype(float)
    if named and len(set(target[known])) > MOST_VALUES:
        return None
    learn, judge = parts.values()
    model = LogisticRegression(max_iter=1000, class_weight="balanced") if named else RidgeCV(PENALTIES)
    measure = balanced_accuracy_score if named else r2_score
    scores, read = {}, {}
    for name, values in features.items():
        fitted = make_pipeline(StandardScaler(with_std=name != PIXELS), model).fit(values[learn], target[learn])
        read[name] = fitted.predict(values[judge])
        scores[name] = float(measure(target[judge], read[name]))
    return GroupProbe(
        measure=ACCURACY if named else R2,
        groups={name: int(part.sum()) for name, part in parts.items()},
        scores=scores,
        chance=1 / len(set(target[judge])) if named else 0.0,
        true=None if named else target[judge].tolist(),
        read=None if named else read[BETA_MEAN].tolist(),
    )
