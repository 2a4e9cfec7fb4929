"""Table 1 by the authors' own protocol (their ``experiments/celeba_attributes.py``), to be named wherever it is shown.

300 random groups and 100 of each of two kinds are drawn from the *training* images. BatchNorm stays in training mode:
each group is normalised by its own statistics. A support vector machine sees posterior *means* of beta; a fifth of the
groups, which may share images with the others, is for its test. With random groups the commonest answer alone is right
in 0.60.

Axes: M images of a table, N groups, B images per group, F features.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from torch import Tensor, nn

from ugvae.data.known_groups import RANDOM, groups_where
from ugvae.data.table import ImageTable
from ugvae.errors import ConfigError
from ugvae.evaluation.classification import KERNELS, PIXELS, Classification, classifier, over_repetitions
from ugvae.evaluation.controls import UNTRAINED, mean_images, untrained
from ugvae.models.base import BaseVAE

PROTOCOL = "the paper's protocol"
GROUPS, RANDOM_GROUPS = 100, 300  # of each kind
HELD_OUT = 0.2  # share of the groups
SPLIT_SEED = 42  # theirs; further repetitions count on from it
MEAN = "beta mean"


@contextmanager
def batch_statistics(model: BaseVAE) -> Iterator[None]:
    """BatchNorm in training mode: each batch by its own statistics. The running ones stay as they are."""
    layers = [module for module in model.modules() if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)]
    kept = [(layer.training, layer.momentum, layer.num_batches_tracked.clone()) for layer in layers]
    try:
        for layer in layers:
            layer.train()
            layer.momentum = 0.0  # nothing of the batch enters the running statistics
        yield
    finally:
        for layer, (training, momentum, seen) in zip(layers, kept, strict=True):
            layer.train(training)
            layer.momentum, layer.num_batches_tracked = momentum, seen


@torch.no_grad()
def means_of_batches(model: BaseVAE, images: Tensor, groups: Tensor) -> np.ndarray:
    """Posterior means of beta ``(N, beta_dim)`` of groups ``(N, B)`` of a table, each group a batch of its own."""
    with batch_statistics(model):
        means = [model.infer(images[group].unsqueeze(0)).beta.mean for group in groups]
    return torch.cat(means).float().cpu().numpy()


def classify_as_the_paper(
    model: BaseVAE,
    table: ImageTable,
    kinds: Mapping[str, Mapping[str, int]],
    group_size: int = 128,
    repetitions: int = 5,
) -> Classification:
    """Accuracies on posterior means of beta, in training and in test, beside the untrained network and the pixels.

    Args:
        model: the trained network, in eval mode.
        table: the training images.
        kinds: conditions on columns of two kinds of image, by name.
        group_size: B.
        repetitions: splits of the same groups. They are no independent draws; the first is that of the authors.

    Raises:
        ConfigError: a kind has fewer images than a group, or groups are of one image.
    """
    if group_size < 2:
        raise ConfigError("group_size: a group of one image has no statistics for BatchNorm; take 2 or more")
    draw = partial(groups_where, table, list(kinds.values()), group_size, GROUPS, num_random=RANDOM_GROUPS)
    drawn = draw(names=list(kinds))
    labels = drawn.labels.numpy()
    pixels = mean_images(table.images, drawn.groups)
    features = {
        MEAN: means_of_batches(model, table.images, drawn.groups),
        f"{UNTRAINED} {MEAN}": means_of_batches(untrained(model), table.images, drawn.groups),
        PIXELS: PCA(min(model.beta_dim, *pixels.shape), random_state=0).fit_transform(pixels),
    }
    tasks = {"kinds": labels != RANDOM, "kinds and random": np.ones_like(labels, dtype=bool)}
    seeds = range(SPLIT_SEED, SPLIT_SEED + repetitions)
    rounds = {
        task: [
            {name: _scores(name, values[keep], labels[keep], seed) for name, values in features.items()}
            for seed in seeds
        ]
        for task, keep in tasks.items()
    }
    test = round(GROUPS * HELD_OUT)
    train_accuracy, accuracy = (
        {
            task: {
                name: {kernel: over_repetitions([one[name][kernel][part] for one in results]) for kernel in KERNELS}
                for name in features
            }
            for task, results in rounds.items()
        }
        for part in (0, 1)
    )
    return Classification(
        kinds=list(kinds),
        group_size=group_size,
        groups_per_kind={"train": GROUPS - test, "test": test, "random": RANDOM_GROUPS},
        seeds=list(seeds),
        chance={
            task: float(np.unique(labels[keep], return_counts=True)[1].max() / keep.sum())
            for task, keep in tasks.items()
        },
        accuracy=accuracy,
        train_accuracy=train_accuracy,
        protocol=PROTOCOL,
        images={"train": len(table)},
        model=type(model).__name__,
    )


def _scores(name: str, features: np.ndarray, labels: np.ndarray, seed: int) -> dict[str, tuple[float, float]]:
    """Accuracy in training and in test by kernel, of features ``(N, F)``."""
    train, test, train_labels, test_labels = train_test_split(features, labels, test_size=HELD_OUT, random_state=seed)
    scores = {}
    for kernel in KERNELS:
        fitted = classifier(kernel, train, one_scale=name == PIXELS).fit(train, train_labels)
        scores[kernel] = float(fitted.score(train, train_labels)), float(fitted.score(test, test_labels))
    return scores
