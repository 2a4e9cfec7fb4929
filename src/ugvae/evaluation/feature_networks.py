"""Networks whose features images are compared by: a small classifier trained on the spot, or Inception from a file.

Axes: M images, C channels, H and W pixels, F features.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, interpolate
from torchvision.models import inception_v3

from ugvae.data.table import ImageTable
from ugvae.errors import ConfigError

WIDTHS = (16, 32, 64)  # channels of the small classifier; the last are its features
STEPS, BATCH, LEARNING_RATE = 300, 128, 3e-3
INCEPTION_SIZE = 299  # pixels a side
OWN, INCEPTION = "own features", "Inception v3"


class OwnFeatures(nn.Module):
    """A small convolutional classifier; its features are its last layer but one, of variance 1 on training images.

    Args:
        channels: C.
        values: number of values, by column that it learns to tell.
    """

    title, num_features = OWN, WIDTHS[-1]

    def __init__(self, channels: int, values: Mapping[str, int]) -> None:
        super().__init__()
        layers, width = [], channels
        for wider in WIDTHS:
            layers += [nn.Conv2d(width, wider, 3, stride=2, padding=1), nn.BatchNorm2d(wider), nn.ReLU()]
            width = wider
        self.layers = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.scale = nn.BatchNorm1d(width, affine=False)  # so that a distance has the s.d. of a feature as its unit
        self.heads = nn.ModuleList([nn.Linear(width, count) for count in values.values()])

    def forward(self, images: Tensor) -> Tensor:
        """Features ``(M, F)`` of float images ``(M, C, H, W)`` in [0, 1]."""
        return self.scale(self.layers(images))


def train_features(table: ImageTable, columns: Mapping[str, Tensor], seed: int = 0) -> OwnFeatures:
    """Trains a small classifier of some columns together, by 300 steps of Adam on 128 images.

    Args:
        table: real training images.
        columns: places 0, 1, … of the values of its columns, ``(M,)`` by name; −1 is unknown.
        seed: of the weights and the batches.

    Returns:
        the network in eval mode.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = OwnFeatures(table.images.shape[1], {name: int(places.max()) + 1 for name, places in columns.items()})
        optimiser = torch.optim.Adam(network.parameters(), LEARNING_RATE)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
        for _ in range(STEPS):
            rows = torch.randint(len(table), (BATCH,))
            features = network(table.images[rows] / 255)
            losses = [
                cross_entropy(head(features), places[rows], ignore_index=-1)
                for head, places in zip(network.heads, columns.values(), strict=True)
                if (places[rows] >= 0).any()
            ]
            if losses:
                optimiser.zero_grad()
                torch.stack(losses).sum().backward()
                optimiser.step()
            schedule.step()
    return network.eval()


@torch.no_grad()
def classifier_accuracy(network: OwnFeatures, table: ImageTable, columns: Mapping[str, Tensor]) -> dict[str, float]:
    """Share of the known values of held-out images that the network gets right, by column that has any.

    Args:
        network: in eval mode.
        table: held-out images.
        columns: places of their values, as in ``train_features``.
    """
    features = features_of(network, table.images).float()
    results = {}
    for head, (name, places) in zip(network.heads, columns.items(), strict=True):
        known = places >= 0
        if known.any():
            results[name] = float((head(features[known]).argmax(1) == places[known]).double().mean())
    return results


class InceptionFeatures(nn.Module):
    """The 2,048 features of torchvision's Inception v3 before its classifier, with weights from a file.

    These are the weights of torchvision, ``inception_v3_google-0cc3c7bd.pth``. Published FIDs use others, so that the
    numbers compare with one another, and not with those.

    Args:
        path: a file of ``torch.save(model.state_dict())``. It is read as weights alone: nothing in it is run.

    Raises:
        ConfigError: not the weights of this network.
    """

    title, num_features = INCEPTION, 2048

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.network = inception_v3(init_weights=False)
        try:
            self.network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        except Exception as error:  # a file of any other kind
            raise ConfigError(
                f"weights: {path} does not hold the weights of torchvision's inception_v3 "
                f"({str(error).splitlines()[0]})"
            ) from error
        self.network.fc = nn.Identity()
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        """Features ``(M, 2048)`` of float images ``(M, C, H, W)`` in [0, 1], of one channel or with RGB first."""
        rgb = images[:, :3] if images.shape[1] >= 3 else images[:, :1].expand(-1, 3, -1, -1)
        large = interpolate(rgb, size=(INCEPTION_SIZE, INCEPTION_SIZE), mode="bilinear", antialias=True)
        return self.network(2 * large - 1)  # these weights take pixels in [−1, 1], not the mean and s.d. of ImageNet


@torch.no_grad()
def features_of(network: nn.Module, images: Tensor, images_per_batch: int = 128) -> Tensor:
    """Features, float64 ``(M, F)``, of images ``(M, C, H, W)``, uint8 or float in [0, 1]; all on the CPU."""
    parts = (images[start : start + images_per_batch] for start in range(0, len(images), images_per_batch))
    floats = ((part if part.is_floating_point() else part / 255).float().cpu() for part in parts)
    return torch.cat([network(part).double() for part in floats])
