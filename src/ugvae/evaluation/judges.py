"""Judges of images: classifiers of pixels, trained on real images, that never see the model.

Axes: M images, N groups, B images per group, C channels, H and W pixels.
"""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from torch import Tensor

from ugvae.data.table import ImageTable
from ugvae.errors import ConfigError
from ugvae.evaluation.content import pooled

Judge = Callable[[np.ndarray], np.ndarray]  # what ``pixels`` gives, (M, P), to values (M,)
JUDGED_AT_ONCE = 512  # images beside all that the judge has learned from: 8 MB, which fit the caches of a CPU


def pixels(images: Tensor) -> np.ndarray:
    """Float images ``(..., C, H, W)`` in [0, 1] for a judge: flat, at most 16×16, by averages of areas."""
    return pooled(images.flatten(0, -4)).flatten(1).numpy()


def fit_judge(images: Tensor, values: Tensor) -> Judge:
    """A classifier of pixels: an RBF support vector machine with classes of equal weight.

    Args:
        images: real uint8 images ``(M, C, H, W)``.
        values: integers ``(M,)`` to predict, at least two different ones.
    """
    real = pixels(images / 255)
    scaler = StandardScaler(with_std=False).fit(real)  # all pixels have the same unit: noise of a dark margin is small
    known = scaler.transform(real).astype(float)
    # SVC's own RBF kernel, its gamma too, but as one matrix product of all pairs, which takes a sixth of the time
    kernel = partial(rbf_kernel, gamma=1 / (known.shape[1] * (known.var() or 1.0)))
    machine = SVC(C=10, class_weight="balanced", kernel=kernel).fit(known, values.numpy())

    def judge(images: np.ndarray) -> np.ndarray:
        parts = np.array_split(images, range(JUDGED_AT_ONCE, len(images), JUDGED_AT_ONCE))
        return np.concatenate([machine.predict(scaler.transform(part).astype(float)) for part in parts])

    return judge


def real_images(table: ImageTable, rows: Tensor) -> Tensor:
    """Real images of rows ``(..., )``, pooled, ``(..., C, H, W)``."""
    return pooled(table.images[rows.flatten()] / 255).unflatten(0, rows.shape)


def judge_rows(train: ImageTable, column: str, domains: Sequence[int], count: int, seed: int) -> Tensor:
    """Training rows of each domain, drawn at random: ``count`` of each, or as many as there are."""
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(seed))
    values = train.columns[column][order]
    parts = [order[values == value][:count] for value in domains]
    if lacking := [str(value) for value, part in zip(domains, parts, strict=True) if not len(part)]:
        raise ConfigError(f"data: no training images of {column} {' or '.join(lacking)}")
    return torch.cat(parts)


def why_no_content(
    train: ImageTable, test: ImageTable, learned: Tensor, groups: Sequence[Tensor], content: str | None
) -> str | None:
    """Why the content cannot be judged; None if it can."""
    if content is None or content not in train.columns or content not in test.columns:
        return "no such column in both domains"
    values = train.columns[content][learned]
    if len(values[values >= 0].unique()) < 2:
        return "the training images have fewer than two values"
    if not all((test.columns[content][rows] >= 0).any() for rows in groups):
        return "a domain's test images have no value"
    return None


def judged_share(judge: Judge, decoded: np.ndarray, values: Tensor, target: int | None) -> float:
    """Share of the images judged to be of the target domain; without a target, to have their own ``values (M,)``."""
    known = (values >= 0).numpy() if target is None else slice(None)
    wanted = values.numpy()[known] if target is None else target
    return float((judge(decoded[known]) == wanted).mean())


def judge_accuracy(judge: Judge, test: ImageTable, column: str, groups: Sequence[Tensor]) -> dict[str, float]:
    """A judge's accuracy on the real images of each domain; of a content, also that of the commonest value."""
    result = {}
    for side, group_rows in zip("AB", groups, strict=True):
        rows = group_rows.flatten().unique()
        rows = rows[test.columns[column][rows] >= 0]
        values = test.columns[column][rows]
        result[side] = float((judge(pixels(test.images[rows] / 255)) == values.numpy()).mean())
        result[f"{side} commonest"] = float(values.unique(return_counts=True)[1].max() / len(values))
    return result
