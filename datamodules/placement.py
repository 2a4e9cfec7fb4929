"""Where a table of images lies while it is trained on: on the GPU where it fits, so that no image is sent twice."""

import torch
from torch import Tensor

from datamodules.table import ImageTable

SHARE = 0.25  # of the GPU's free memory that a table may take


def fits(images: Tensor, device: torch.device) -> bool:
    """Whether a GPU has room for the images beside a model; False for any other device, and for images in parts."""
    if device.type != "cuda" or not isinstance(images, Tensor):
        return False
    free, _ = torch.cuda.mem_get_info(device)
    return images.numel() <= SHARE * free


def placed(table: ImageTable, device: torch.device) -> ImageTable:
    """The table on ``device`` if it is a GPU where it fits, or as it is."""
    return table.to(device) if fits(table.images, device) else table
