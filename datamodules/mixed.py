"""Two or more datasets as one, each a domain of its own."""

from pathlib import Path

import torch
from pytorch_lightning.utilities import rank_zero_info

from ugvae.data.groupings import DOMAIN
from ugvae.data.module import GroupDataModule, summary
from ugvae.data.table import ConcatImages, ImageTable
from ugvae.errors import ConfigError


class MixedDataModule(GroupDataModule):
    """Images of several domains, for groups that mix them or keep them apart (docs/groups.md).

    Columns: ``domain``, the number of the dataset in ``domains``; and those that all the domains have and number in
    the same way, such as ``label``. Splits: those of the domains, each of its own. All images get one size; when one
    domain is in colour, the grey ones become so by repeating their channel. Nothing is copied.

    Of the settings of the domains count those that say which images they have; those of the groups, the loader and
    the size are this datamodule's.

    Args:
        domains: the datamodules, two or more.
        roots: folders of the domains, in their order, in place of their own: so that a command line can say where
            the data are.
        proportions: of the domains, in their order; equal by default.
        domain_names: short names, in the same order; by default those of the classes, or of the folders.
        image_size: H = W in pixels of all domains; by default their own, which must then be one.
        grouping: as in ``GroupDataModule``; ``random`` draws from all images alike.
        **kwargs: the other settings of ``GroupDataModule``.

    Raises:
        ConfigError: fewer than two domains, lists of another length, or sizes or channels that do not mix.
    """

    def __init__(
        self,
        domains: list[GroupDataModule],
        roots: list[str] | None = None,
        proportions: list[float] | None = None,
        domain_names: list[str] | None = None,
        image_size: int | None = None,
        grouping: str = "mixed",
        **kwargs,
    ) -> None:
        if len(domains) < 2:
            raise ConfigError(f"domains: expected two or more datamodules, got {len(domains)}")
        for name, given in {"roots": roots, "proportions": proportions, "domain_names": domain_names}.items():
            if given is not None and len(given) != len(domains):
                raise ConfigError(f"{name}: {len(given)} for {len(domains)} domains")
        sizes = sorted({domain.image_size for domain in domains})
        if image_size is None and len(sizes) > 1:
            raise ConfigError(f"image_size: the domains have {', '.join(map(str, sizes))}; give one for all")
        image_size = image_size or sizes[0]
        super().__init__(root="", image_size=image_size, grouping=grouping, proportions=proportions, **kwargs)
        for domain, root in zip(domains, roots or [None] * len(domains), strict=True):
            domain.relocate(root or domain.root, image_size)
        channels = [domain.image_shape[0] for domain in domains]
        if set(channels) - {1, max(channels)}:
            raise ConfigError(f"domains: images of {channels} channels cannot be mixed")
        self.domains = domains
        self.domain_names = list(domain_names or _names(domains))
        self.image_shape = (max(channels), image_size, image_size)
        self._noted = False

    def relocate(self, root: str, image_size: int) -> None:
        super().relocate(root, image_size)
        for domain in self.domains:
            domain.relocate(domain.root, image_size)

    def prepare_data(self) -> None:
        for domain in self.domains:
            domain.prepare_data()

    def setup(self, stage: str) -> None:
        for domain in self.domains:
            domain.setup(stage)

    def read_split(self, split: str) -> ImageTable:
        """The same split of every domain, one after the other.

        Raises:
            DataError: the data of a domain are missing or damaged.
        """
        tables = [domain.table(split) for domain in self.domains]
        columns = {name: torch.cat([table.columns[name] for table in tables]) for name in self._shared(tables)}
        sizes = torch.tensor([len(table) for table in tables])
        columns[DOMAIN] = torch.arange(len(tables)).repeat_interleave(sizes)
        return ImageTable(ConcatImages([table.images for table in tables]), columns)

    def _shared(self, tables: list[ImageTable]) -> list[str]:
        """The columns that all domains have and number in the same way; the others are noted once."""
        known = list(dict.fromkeys(name for table in tables for name in table.columns if name != DOMAIN))
        shared = [name for name in known if all(name in table.columns for table in tables) and self._agree(name)]
        left_out = [name for name in known if name not in shared]
        if left_out and not self._noted:
            self._noted = True
            rank_zero_info(
                f"domains: {summary(left_out)} left out, since not all of "
                f"{', '.join(self.domain_names)} have these columns with the same meaning"
            )
        return shared

    def _agree(self, column: str) -> bool:
        """Whether all domains have the same names for the values of a column."""
        return all(domain.names.get(column) == self.domains[0].names.get(column) for domain in self.domains)

    @property
    def names(self) -> dict[str, list[str]]:
        shared = {column: names for column, names in self.domains[0].names.items() if self._agree(column)}
        return {**shared, DOMAIN: self.domain_names}


def _names(domains: list[GroupDataModule]) -> list[str]:
    """Short names that differ: of the classes, of the folders, or numbers."""
    classes = [type(domain).__name__.removesuffix("DataModule") for domain in domains]
    folders = [Path(domain.root).name for domain in domains]
    numbers = [f"domain {number}" for number in range(len(domains))]
    return next(names for names in (classes, folders, numbers) if len(set(names)) == len(names) and all(names))
