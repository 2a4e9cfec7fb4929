"""Two-dimensional maps of latent vectors."""

import numpy as np
from sklearn.manifold import TSNE
from torch import Tensor


def tsne(points: Tensor, seed: int = 0) -> np.ndarray:
    """t-SNE (van der Maaten & Hinton 2008) of ``points (N, D)`` to ``(N, 2)``; perplexity 30, less for few points."""
    perplexity = min(30.0, max(1.0, (len(points) - 1) / 3))
    return TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(points.float().numpy())
