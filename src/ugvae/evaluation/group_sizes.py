"""Accuracy of Table 1 against the size of the groups, with the overlap of groups of one kind.

Groups of a rare kind share images: of 345 blond test images, a half for either part of the classifier, any two groups
of 128 have three quarters in common. Then there are fewer independent groups than their number says.

Axes: N groups, B images per group.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

from torch import Tensor

from ugvae.data.known_groups import RANDOM, StructuredGroups
from ugvae.data.table import ImageTable
from ugvae.evaluation.classification import Classification, Draw, classify_groups
from ugvae.evaluation.controls import Controls
from ugvae.evaluation.encoding import EncodedImages


@dataclass(frozen=True)
class SizeResult:
    """Groups of one size told apart.

    Attributes:
        classification: the accuracies; it says the size.
        shared: by kind of group, the share of a group's images that another group of the kind has too, on average.
    """

    classification: Classification
    shared: dict[str, float]


def shared_images(groups: Tensor) -> float:
    """The share of a group's images that another group has too, the mean over all pairs of ``groups (N, B)``.

    Example:
        >>> shared_images(Tensor([[0, 1], [1, 2], [3, 4]]))  # one pair of three shares one of two images
        0.16666666666666666
    """
    number, size = groups.shape
    times = groups.unique(return_counts=True)[1].double()  # that each image is in a group
    return float((times * (times - 1)).sum() / (number * (number - 1) * size)) if number > 1 else 0.0


def classify_by_size(
    trained: EncodedImages,
    controls: Controls,
    table: ImageTable,
    drawer: Callable[[int], Draw],
    sizes: Sequence[int],
    groups_per_kind: int = 200,
    seeds: Sequence[int] = range(5),
) -> list[SizeResult]:
    """The protocol of ``classify_groups`` for groups of several sizes.

    Args:
        trained: images by the network.
        controls: images by the same network untrained, for each seed.
        table: the same images.
        drawer: gives what draws groups of B images.
        sizes: each B.
        groups_per_kind: groups of each kind, in training and test together.
        seeds: of the repetitions.

    Raises:
        ConfigError: too few images for the groups.
    """
    return [_of_size(trained, controls, table, drawer(size), groups_per_kind, seeds) for size in sizes]


def _of_size(
    trained: EncodedImages,
    controls: Controls,
    table: ImageTable,
    draw: Draw,
    groups_per_kind: int,
    seeds: Sequence[int],
) -> SizeResult:
    shared = defaultdict(list)

    def recorded(rows: Tensor, groups: int, seed: int) -> StructuredGroups:
        drawn = draw(rows, groups, seed)
        for label, name in {**drawn.names, RANDOM: "random"}.items():
            of_kind = drawn.groups[drawn.labels == label]
            if len(of_kind) > 1:
                shared[name].append(shared_images(of_kind))
        return drawn

    result = classify_groups(trained, controls, table, recorded, groups_per_kind, seeds)
    return SizeResult(result, {name: fmean(shares) for name, shares in shared.items()})
