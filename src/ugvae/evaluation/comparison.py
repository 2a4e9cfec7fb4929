"""The scores by which models are compared. Axes: N groups, B images per group."""

from collections import defaultdict
from dataclasses import dataclass

import torch
from torch import Tensor

from ugvae.data.table import ImageTable
from ugvae.evaluation.bounds import importance_weighted_bound
from ugvae.evaluation.clusters import COUNTED_IMAGES, ClusterScores, cluster_scores, no_cluster_scores
from ugvae.evaluation.disentanglement import FactorScores, measure
from ugvae.evaluation.factor_classifiers import LEAST_ROWS
from ugvae.evaluation.reconstruction import QualityMetric, ReconstructionQuality
from ugvae.models import BaseVAE


@dataclass(frozen=True)
class Score:
    """One model on held-out groups.

    Attributes:
        groups: N.
        group_size: B.
        terms: the ELBO and its terms, nats per image.
        per_group: those of the terms that have one value per group; it is divided by B.
        importance_weighted: the importance-weighted bound, nats per image.
        quality: of the reconstructions.
        parameters: of the model.
        importance_weighted_error: standard error over groups; None of a single group.
        gap_error: standard error over groups of what the importance-weighted bound is above the ELBO.
        clusters: agreement of components and labels, if the model has components and the data enough labels.
        label: how far single dimensions of z code the label, if the data have enough of them.
    """

    groups: int
    group_size: int
    terms: dict[str, float]
    per_group: list[str]
    importance_weighted: float
    quality: ReconstructionQuality
    parameters: int
    importance_weighted_error: float | None = None
    gap_error: float | None = None
    clusters: ClusterScores | None = None
    label: FactorScores | None = None

    @property
    def in_order(self) -> bool:
        """Whether the importance-weighted bound is at or above the ELBO, within two standard errors of the difference.

        Both are estimates from samples, and the ELBO of UG-VAE is not strictly a lower bound (docs/model.md).
        """
        return self.importance_weighted - self.terms["elbo"] >= -2 * (self.gap_error or 0.0)


@torch.no_grad()
def score_model(
    model: BaseVAE,
    table: ImageTable,
    groups: Tensor,
    group_samples: int,
    image_samples: int,
    seed: int = 0,
    images_per_batch: int = 1024,
) -> Score:
    """ELBO terms, importance-weighted bound, reconstructions, clusters and label of one model on given groups.

    Args:
        model: in eval mode.
        table: held-out images.
        groups: its rows, ``(N, B)``, the same for every model of a comparison.
        group_samples: S of the importance-weighted bound.
        image_samples: T of the importance-weighted bound.
        seed: of the noise and of the classifiers of the label.
        images_per_batch: bounds the memory.
    """
    size = groups.shape[1]
    values: dict[str, list[Tensor]] = defaultdict(list)  # of each group, nats per image
    per_group: set[str] = set()
    bounds, quality, z, d = [], QualityMetric(model), [], []
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for chunk in groups.split(max(1, images_per_batch // size)):
            images = table.images[chunk]
            elbo = model.elbo(images)
            values["elbo"].append(elbo.total / size)
            for name, term in elbo.items():
                if name not in elbo.beside:
                    values[name].append(term / size if term.ndim == 1 else term.mean(1))
                    per_group |= {name} if term.ndim == 1 else set()
            bounds.append(importance_weighted_bound(model, images, group_samples, image_samples) / size)
            posterior = model.infer(images)
            quality.update(images, posterior=posterior)
            z.append(posterior.z.mean.flatten(0, 1).cpu())
            if model.num_components > 1:  # one is no clustering
                d.append(posterior.d.flatten(0, 1).cpu())
    bound = torch.cat(bounds).double().cpu()
    gap = bound - torch.cat(values["elbo"]).double().cpu()
    clusters, label = None, None
    if "label" in table.columns:
        labels = table.columns["label"][groups.flatten()]
        clusters, label = _label_scores(labels, torch.cat(z), torch.cat(d) if d else None, seed)
    return Score(
        groups=len(groups),
        group_size=size,
        terms={name: float(torch.cat(parts).double().mean()) for name, parts in values.items()},
        per_group=sorted(per_group),
        importance_weighted=float(bound.mean()),
        quality=quality.compute(),
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        importance_weighted_error=float(bound.std() / len(groups) ** 0.5) if len(groups) > 1 else None,
        gap_error=float(gap.std() / len(groups) ** 0.5) if len(groups) > 1 else None,
        clusters=clusters,
        label=label,
    )


def _label_scores(
    labels: Tensor, z: Tensor, d: Tensor | None, seed: int
) -> tuple[ClusterScores | None, FactorScores | None]:
    """What the components and the posterior means of z say of the label; None where it means nothing.

    Args:
        labels: of the images, ``(M,)``, below 0 where unknown.
        z: posterior means, ``(M, z_dim)``.
        d: probabilities of the components, ``(M, K)``; None where there are no clusters.
        seed: of the classifiers.
    """
    known = labels >= 0
    if no_cluster_scores(labels[known]):
        return None, None
    clusters = None if d is None else cluster_scores(d[known], labels[known])
    z, factor = z[known][:COUNTED_IMAGES], labels[known][:COUNTED_IMAGES]
    collapsed = bool((z == z[:1]).all())
    if z.shape[1] < 2 or collapsed or int(factor.unique(return_counts=True)[1].min()) < LEAST_ROWS:
        return clusters, None
    return clusters, measure(z.numpy(), {"label": factor.numpy()}, seed=seed).factors["label"]
