"""How well the components of a mixture agree with labels that the model never saw."""

from dataclasses import dataclass

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torchmetrics.functional.clustering import adjusted_rand_score, normalized_mutual_info_score

from ugvae.evaluation.encoding import encode_groups
from ugvae.evaluation.minimum import too_few_images
from ugvae.models.base import BaseVAE

COUNTED_IMAGES = 5000


@dataclass(frozen=True)
class ClusterScores:
    """Agreement of the components with the labels.

    Attributes:
        nmi: normalised mutual information, 0 to 1.
        ari: adjusted Rand index, 0 by chance, 1 at best.
        accuracy: share of the images under the best one-to-one match of components and labels (Hungarian method).
        usage_entropy: entropy of the components' use in nats; log K when all are used alike.
    """

    nmi: float
    ari: float
    accuracy: float
    usage_entropy: float


@dataclass(frozen=True)
class DomainCounts:
    """Which domain each component holds (Fig. 12).

    Attributes:
        domains: their names, V of them.
        counts: images by component and domain, ``(K, V)``.
    """

    domains: list[str]
    counts: list[list[int]]


def component_probabilities(model: BaseVAE, images: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """π of images of a table ``(M, C, H, W)``, at most 5,000 drawn at random: ``(N, K)``, and their rows ``(N,)``."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randperm(len(images), generator=generator)[:COUNTED_IMAGES].sort().values
    return encode_groups(model, images, rows.unsqueeze(1)).d.squeeze(1), rows


def component_counts(d: Tensor, values: Tensor, num_values: int) -> Tensor:
    """How many images of each value have their largest π in each component.

    Args:
        d: component probabilities ``(N, K)``.
        values: 0 to ``num_values`` − 1, ``(N,)``.
        num_values: V.

    Returns:
        ``(K, V)``.

    Example:
        >>> component_counts(torch.eye(2)[[0, 0, 1]], torch.tensor([0, 2, 2]), 3)
        tensor([[1, 0, 1],
                [0, 0, 1]])
    """
    pairs = d.argmax(-1) * num_values + values
    return pairs.bincount(minlength=d.shape[1] * num_values).view(d.shape[1], num_values)


def no_cluster_scores(labels: Tensor) -> str | None:
    """Why components are not compared with labels ``(N,)``; None if they are."""
    if reason := too_few_images(len(labels), "images with a label"):
        return reason
    return None if len(labels.unique()) > 1 else "all images have one label"


def cluster_scores(d: Tensor, labels: Tensor) -> ClusterScores:
    """Agreement of the components of the largest π with labels.

    Args:
        d: component probabilities ``(N, K)``.
        labels: integers ``(N,)``.
    """
    clusters, values = d.argmax(-1), labels.unique(return_inverse=True)[1]
    table = component_counts(d, values, int(values.max()) + 1)
    shares = table.sum(1).double() / len(labels)
    return ClusterScores(
        nmi=float(normalized_mutual_info_score(clusters, values)),
        ari=float(adjusted_rand_score(clusters, values)),
        accuracy=int(table[linear_sum_assignment(table, maximize=True)].sum()) / len(labels),
        usage_entropy=float(torch.special.entr(shares).sum()),
    )
