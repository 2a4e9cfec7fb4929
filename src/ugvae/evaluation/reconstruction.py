"""How close decoded images come to the images that were encoded: PSNR and SSIM.

Axes: G groups, B images per group, C channels, H and W pixels.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torchmetrics.image import PeakSignalNoiseRatio, StructuralSimilarityIndexMeasure

from ugvae.models.base import BaseVAE
from ugvae.models.bound import Posterior

SIGMA, FULL_SIZE = 1.5, 64  # pixels: the Gaussian window of Wang et al. 2004, and the side from which it is used
LEAST_SIGMA, LEAST_SIZE = 0.5, 5  # pixels: the smallest window, 5×5, and the side that it needs


@dataclass(frozen=True)
class ReconstructionQuality:
    """Reconstructions at posterior means beside their images.

    Attributes:
        psnr: peak signal-to-noise ratio in dB, of the mean squared error over all images.
        ssim: structural similarity (Wang et al. 2004, doi:10.1109/TIP.2003.819861), mean over the images, 1 at best;
            None for images of fewer than 5 pixels a side.
    """

    psnr: float
    ssim: float | None = None


@torch.no_grad()
def reconstructions(
    model: BaseVAE, images: Tensor, mask: Tensor | None = None, posterior: Posterior | None = None
) -> Tensor:
    """Decodes the posterior means of images ``(G, B, C, H, W)`` with mask ``(G, B)``; float, of the same shape.

    They are inferred, unless ``posterior`` has them already.
    """
    posterior = posterior or model.infer(images, mask)
    return model.decode(posterior.z.mean, posterior.beta.mean if posterior.beta else None)


def ssim_metric(side: int) -> StructuralSimilarityIndexMeasure | None:
    """The mean SSIM of the images of this process, in [0, 1]; None if they have fewer than 5 pixels.

    SSIM compares windows. Its usual Gaussian window, 11×11 pixels with σ = 1.5, would cover a third of a 28×28 image.
    So σ shrinks in proportion for images below 64 pixels, to 0.66 at 28×28, which is a window of 5×5.

    Args:
        side: pixels of the shorter side.
    """
    if side < LEAST_SIZE:
        return None
    sigma = max(LEAST_SIGMA, SIGMA * min(1.0, side / FULL_SIZE))
    return StructuralSimilarityIndexMeasure(sigma=sigma, data_range=1.0, sync_on_compute=False)


class QualityMetric:
    """Collects reconstructions of batches, those of this process alone, and gives their quality.

    Args:
        model: in eval mode.
    """

    def __init__(self, model: BaseVAE) -> None:
        self.model = model
        self.psnr = PeakSignalNoiseRatio(data_range=1.0, sync_on_compute=False)
        self.ssim = ssim_metric(min(model.image_shape[1:]))

    def update(self, images: Tensor, mask: Tensor | None = None, posterior: Posterior | None = None) -> Tensor:
        """Adds a batch of groups ``(G, B, C, H, W)``, uint8 or float in [0, 1].

        Args:
            images: as above.
            mask: which images there are, bool ``(G, B)``; all by default.
            posterior: what ``infer`` gave for them, where it is known already. Then ``mask`` may leave out images that
                beta is inferred from too.

        Returns:
            the reconstructions of the images there are, float ``(M, C, H, W)`` on the CPU.
        """
        there = slice(None) if mask is None else mask.flatten().cpu()
        decoded = reconstructions(self.model, images, mask, posterior).flatten(0, 1).float().cpu()[there]
        original = self.model.checked(images).flatten(0, 1).float().cpu()[there]
        self.psnr.update(decoded, original)
        if self.ssim is not None:
            self.ssim.update(decoded, original)
        return decoded

    def compute(self) -> ReconstructionQuality:
        """The quality of all that was added."""
        ssim = None if self.ssim is None else float(self.ssim.compute())
        return ReconstructionQuality(float(self.psnr.compute()), ssim)
