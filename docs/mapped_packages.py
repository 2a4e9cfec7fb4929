"""For the reference: packages that ``setup.cfg`` maps to other folders, as ``ugvae.datamodules`` to ``datamodules``."""

from configparser import ConfigParser
from pathlib import Path

import griffe

PROJECT = Path(__file__).parents[1]


class MappedPackages(griffe.Extension):
    """Adds the mapped folders to the package that they belong to, since griffe looks for a package in one folder."""

    def on_package(self, *, pkg: griffe.Module, loader: griffe.GriffeLoader, **kwargs) -> None:
        """Called when griffe has read a package."""
        settings = ConfigParser()
        settings.read(PROJECT / "setup.cfg")
        for line in settings["options"]["package_dir"].split("\n"):
            name, _, folder = (part.strip() for part in line.partition("="))
            parent, _, child = name.rpartition(".")
            if parent == pkg.path:
                pkg.set_member(child, loader.load(folder))
