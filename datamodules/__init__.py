"""One LightningDataModule per dataset, and the group samplers."""

from datamodules.base import GroupDataModule
from datamodules.digits import DigitsDataModule
from datamodules.mnist import MNISTDataModule

__all__ = ["DigitsDataModule", "GroupDataModule", "MNISTDataModule"]
