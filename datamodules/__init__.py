"""One LightningDataModule per dataset, and the group samplers."""

from datamodules.base import GroupDataModule
from datamodules.cars3d import Cars3DDataModule
from datamodules.celeba import CelebADataModule
from datamodules.chairs3d import Chairs3DDataModule
from datamodules.digits import DigitsDataModule
from datamodules.faces3d import Faces3DDataModule
from datamodules.image_folder import ImageFolderDataModule
from datamodules.mixed import MixedDataModule
from datamodules.mnist import MNISTDataModule
from datamodules.stanford_cars import StanfordCarsDataModule

__all__ = [
    "Cars3DDataModule",
    "CelebADataModule",
    "Chairs3DDataModule",
    "DigitsDataModule",
    "Faces3DDataModule",
    "GroupDataModule",
    "ImageFolderDataModule",
    "MNISTDataModule",
    "MixedDataModule",
    "StanfordCarsDataModule",
]
