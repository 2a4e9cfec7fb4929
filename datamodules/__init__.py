"""One LightningDataModule per dataset."""

from ugvae.data.module import GroupDataModule
from ugvae.datamodules.arrays import ArrayDataModule
from ugvae.datamodules.cars3d import Cars3DDataModule
from ugvae.datamodules.celeba import CelebADataModule
from ugvae.datamodules.chairs3d import Chairs3DDataModule
from ugvae.datamodules.digits import DigitsDataModule
from ugvae.datamodules.faces3d import Faces3DDataModule
from ugvae.datamodules.icons import IconsDataModule
from ugvae.datamodules.image_folder import ImageFolderDataModule
from ugvae.datamodules.mixed import MixedDataModule
from ugvae.datamodules.mnist import MNISTDataModule
from ugvae.datamodules.stanford_cars import StanfordCarsDataModule

__all__ = [
    "ArrayDataModule",
    "Cars3DDataModule",
    "CelebADataModule",
    "Chairs3DDataModule",
    "DigitsDataModule",
    "Faces3DDataModule",
    "GroupDataModule",
    "IconsDataModule",
    "ImageFolderDataModule",
    "MNISTDataModule",
    "MixedDataModule",
    "StanfordCarsDataModule",
]
