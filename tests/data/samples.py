"""Which writer makes a tiny data set for which datamodule, and under which folder its YAML expects it."""

from collections.abc import Callable
from pathlib import Path

from tests.data.cars3d import write_cars3d
from tests.data.celeba import write_celeba
from tests.data.chairs3d import write_chairs3d
from tests.data.faces3d import write_faces3d
from tests.data.icons import write_icons
from tests.data.image_folder import write_image_folder
from tests.data.stanford_cars import write_stanford_cars

# by datamodule: folder, and what fills it with enough images for the groups of the YAML
SAMPLES: dict[str, tuple[str, Callable[[Path], object]]] = {
    "CelebADataModule": ("celeba", write_celeba),
    "Faces3DDataModule": ("faces3d", write_faces3d),
    "Cars3DDataModule": ("cars3d", write_cars3d),
    "Chairs3DDataModule": ("rendered_chairs", write_chairs3d),
    "StanfordCarsDataModule": ("stanford_cars", write_stanford_cars),
    "IconsDataModule": ("icons", write_icons),
    "ImageFolderDataModule": ("folder", write_image_folder),
}


def write_samples(target: Path) -> list[Path]:
    """Writes all of them into folders below ``target``; returns these."""
    for folder, write in SAMPLES.values():
        write(target / folder)
    return [target / folder for folder, _ in SAMPLES.values()]
