"""How near sets of decoded images come to real images: KID and FID on the features of a network, PSNR and SSIM.

Half of the held-out images are the reference. The other half stand beside the decoded images: their distance is what
two sets of real images have, the floor of every other number. The decoded images are reconstructions of this other
half, samples, and translations with groups of it. All sets of one comparison have one size, since FID falls with it.

Axes: M images, N groups, B images per group, C channels, H and W pixels, F features.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance

from ugvae.evaluation.encoding import IMAGES_AT_ONCE
from ugvae.evaluation.feature_networks import features_of
from ugvae.evaluation.reconstruction import QualityMetric, ReconstructionQuality
from ugvae.models.base import BaseVAE

SUBSETS, SUBSET_SIZE = 20, 500  # of KID, the size at most
FLOOR, RECONSTRUCTIONS = "other real images", "reconstructions"  # names of sets
PER_FEATURE = 2  # images for each feature that a covariance takes


@dataclass(frozen=True)
class Distance:
    """How far a set of images is from as many real ones; see ``distance``.

    Attributes:
        images: M, of either set.
        kid: kernel distance, 0 for two sets of one distribution in expectation.
        kid_sd: over random subsets, which share images: no standard error.
        fid: Fréchet distance; None where a covariance would take more images.
    """

    images: int
    kid: float
    kid_sd: float
    fid: float | None = None


@dataclass(frozen=True)
class ImageQuality:
    """Decoded images beside real ones.

    Attributes:
        features: whose features they are compared by: ``own features`` or ``Inception v3``.
        distances: from the real images of the reference, by name of the set; the first is that of other real images.
        reconstructions: PSNR and SSIM of the reconstructions.
        accuracy: of the small classifier on held-out images, by column; what it cannot see, its features do not tell.
        translations: distances from real images of the target, by direction and name of the set.
        left_out: why a number is not there, by its name.
    """

    features: str
    distances: dict[str, Distance]
    reconstructions: ReconstructionQuality
    accuracy: dict[str, float] = field(default_factory=dict)
    translations: dict[str, dict[str, Distance]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


class GivenFeatures(nn.Module):
    """Passes on features that are computed already, so that those of real images are computed once.

    Args:
        num_features: F, by which torchmetrics knows it.
    """

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, features: Tensor) -> Tensor:
        """Features ``(M, F)`` as they are."""
        return features


def distance(real: Tensor, shown: Tensor, seed: int = 0) -> Distance:
    """KID (Bińkowski et al. 2018) and FID (Heusel et al. 2017) between features, float64 ``(M, F)`` each.

    KID is the squared maximum mean discrepancy with the kernel (x·y / F + 1)³, without bias, its mean over 20 random
    subsets of at most 500 images. FID is ‖μ − μ'‖² + tr(Σ + Σ' − 2 (Σ Σ')^½); it is left out where there are fewer
    than 2 images for each feature.

    Args:
        real: of real images.
        shown: of the others.
        seed: of the subsets.
    """
    count, width = real.shape
    given = GivenFeatures(width)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Metric `Kernel Inception Distance` will save all", UserWarning)
        kid = KernelInceptionDistance(given, subsets=SUBSETS, subset_size=min(SUBSET_SIZE, count // 2))
    fid = FrechetInceptionDistance(given)
    for features, are_real in ((real, True), (shown, False)):
        kid.update(features, real=are_real)
        fid.update(features, real=are_real)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        mean, sd = kid.compute()
    frechet = None if few_for_fid(count, width) else float(fid.compute())
    return Distance(count, float(mean), float(sd), frechet)


def few_for_fid(images: int, features: int) -> str | None:
    """Why there is no FID of so many images a side; None if there is."""
    if images >= PER_FEATURE * features:
        return None
    return f"a covariance of {features} features takes {PER_FEATURE * features} images, there are {images}; see KID"


def distances(real: Tensor, shown: Mapping[str, Tensor], seed: int = 0) -> dict[str, Distance]:
    """Distances of sets from real images, by name of the set: features ``(M, F)``, all cut to the smallest M."""
    count = min(map(len, (real, *shown.values())))
    return {name: distance(real[:count], features[:count], seed) for name, features in shown.items()}


@torch.no_grad()
def reconstruct(
    model: BaseVAE, network: nn.Module, images: Tensor, groups: Tensor, wanted: Tensor
) -> tuple[Tensor, ReconstructionQuality, Tensor]:
    """Reconstructions at posterior means of some images of groups ``(N, B)`` of a table, without keeping them.

    Args:
        model: in eval mode.
        network: of the features.
        images: uint8 table.
        groups: its rows.
        wanted: the images to reconstruct, bool ``(N, B)``, M of them; beta is inferred from all.

    Returns:
        features ``(M, F)`` in the order of the groups, PSNR and SSIM of the same images, and the posterior means of
        beta ``(N, beta_dim)``, of width 0 without.
    """
    quality, features, beta = QualityMetric(model), [], []
    at_once = max(1, IMAGES_AT_ONCE // groups.shape[1])
    for rows, there in zip(groups.split(at_once), wanted.split(at_once), strict=True):
        posterior = model.infer(images[rows])
        if there.any():
            features.append(features_of(network, quality.update(images[rows], there, posterior)))
        beta.append(posterior.beta.mean if posterior.beta else torch.empty(len(rows), 0))
    return torch.cat(features), quality.compute(), torch.cat(beta)


@torch.no_grad()
def sample(
    model: BaseVAE, network: nn.Module, groups: int, group_size: int, beta: Tensor | None = None, seed: int = 0
) -> Tensor:
    """Features ``(N B, F)`` of sampled images.

    Args:
        model: in eval mode.
        network: of the features.
        groups: N.
        group_size: B.
        beta: the first N of them are used, ``(any, beta_dim)``; by default draws from the prior.
        seed: of the draws.
    """
    features = []
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for numbers in torch.arange(groups).split(max(1, IMAGES_AT_ONCE // group_size)):
            own = None if beta is None else beta[numbers].to(model.device)
            decoded = model.sample(len(numbers), group_size, beta=own)
            features.append(features_of(network, decoded.flatten(0, 1)))
    return torch.cat(features)
