"""How well argmax π agrees with labels that the model never saw."""

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.stats import entropy
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from torch import Tensor


def component_counts(d: Tensor, values: Tensor, num_values: int) -> Tensor:
    """How many images of each value have their largest π in each component.

    Args:
        d: component probabilities ``(N, K)``.
        values: 0 to ``num_values`` − 1, ``(N,)``.
        num_values: V.

    Returns:
        ``(K, V)``.
    """
    pairs = d.argmax(-1) * num_values + values
    return pairs.bincount(minlength=d.shape[1] * num_values).view(d.shape[1], num_values)


def cluster_scores(d: Tensor, labels: Tensor) -> dict[str, float]:
    """Agreement of the components with the labels.

    Args:
        d: component probabilities ``(N, K)``.
        labels: integers ``(N,)``.

    Returns:
        ``nmi``, ``ari``, ``accuracy`` (under the best one-to-one match of components and labels, Hungarian), and
        ``usage_entropy`` of the components in nats (log K when all are used alike).
    """
    clusters, labels = d.argmax(-1).numpy(), np.unique(labels.numpy(), return_inverse=True)[1]
    table = np.zeros((max(d.shape[1], labels.max() + 1),) * 2, dtype=int)
    np.add.at(table, (clusters, labels), 1)
    rows, columns = linear_sum_assignment(table, maximize=True)
    return {
        "nmi": float(normalized_mutual_info_score(labels, clusters)),
        "ari": float(adjusted_rand_score(labels, clusters)),
        "accuracy": float(table[rows, columns].sum() / len(labels)),
        "usage_entropy": float(entropy(table.sum(1))),
    }
