"""Two or more datasets as one, each a domain of its own."""

from pathlib import Path

import torch
from jsonargparse.typing import PositiveInt
from pytorch_lightning.utilities import rank_zero_info

from ugvae.data.groupings import DOMAIN, GroupingKind
from ugvae.data.module import GroupDataModule
from ugvae.data.table import ConcatImages, ImageTable, Split
from ugvae.errors import ConfigError, summary


class MixedDataModule(GroupDataModule):
    """Images of several domains, for groups that mix them or keep them apart (docs/groups.md).

    Columns: ``domain``, the position of the dataset in ``domains``; and those that all domains have with the same
    meaning, such as ``label``. Splits: the splits of the domains. All images get one size. When one domain is in
    colour, the channel of grey images is repeated. Nothing is copied.

    The domains keep the settings that choose their images. Their settings of groups, loader and size have no effect:
    those of this datamodule count.

    Args:
        domains: two or more datamodules.
        roots: folders of the domains, in their order, in place of their own, so that a command line can set them.
        proportions: shares of the domains, in their order; equal by default.
        domain_names: short names, in the same order; by default those of the classes, or of the folders.
        image_size: H = W in pixels of all domains; by default their own, if they have the same.
        grouping: as in ``GroupDataModule``; ``random`` draws from all images alike.
        **kwargs: the other settings of ``GroupDataModule``.

    Raises:
        ConfigError: fewer than two domains, lists of another length, or sizes or channels that do not mix.
    """

    title = "Mixture"

    def __init__(
        self,
        domains: list[GroupDataModule],
        roots: list[str] | None = None,
        proportions: list[float] | None = None,
        domain_names: list[str] | None = None,
        image_size: PositiveInt | None = None,
        grouping: GroupingKind = "mixed",
        **kwargs,
    ) -> None:
        if len(domains) < 2:
            raise ConfigError(f"domains: expected two or more datamodules, got {len(domains)}")
        for name, values in {"roots": roots, "proportions": proportions, "domain_names": domain_names}.items():
            if values is not None and len(values) != len(domains):
                raise ConfigError(f"{name}: {len(values)} for {len(domains)} domains")
        sizes = sorted({domain.image_size for domain in domains})
        if image_size is None and len(sizes) > 1:
            raise ConfigError(f"image_size: the domains have {', '.join(map(str, sizes))}; give one for all")
        self.domains, self.domain_names = domains, list(domain_names or _names(domains))
        size = sizes[0] if image_size is None else image_size
        super().__init__(root="", image_size=size, grouping=grouping, proportions=proportions, **kwargs)
        for domain, root in zip(domains, roots or [None] * len(domains), strict=True):
            domain.relocate(root or domain.root, size)
        channels = {domain.image_shape[0] for domain in domains}
        if channels - {1, max(channels)}:
            raise ConfigError(f"domains: images of {sorted(channels)} channels cannot be mixed")
        self.image_shape = (max(channels), size, size)

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

    def read_split(self, split: Split) -> ImageTable:
        """The same split of every domain, one after the other."""
        tables = [domain.table(split) for domain in self.domains]
        columns = dict.fromkeys(name for table in tables for name in table.columns if name != DOMAIN)
        shared = [name for name in columns if self._agree(name) and all(name in table.columns for table in tables)]
        if (left_out := [name for name in columns if name not in shared]) and not self._tables:
            rank_zero_info(
                f"domains: {summary(left_out)} left out, since not all of {', '.join(self.domain_names)} have these "
                "columns with the same meaning. To keep them, give their values the same names in all, in one order"
            )
        values = {name: torch.cat([table.columns[name] for table in tables]) for name in shared}
        values[DOMAIN] = torch.arange(len(tables)).repeat_interleave(torch.tensor([len(table) for table in tables]))
        named = zip(self.domain_names, tables, strict=True)
        files = [f"{name}/{file}" for name, table in named for file in table.files or [""] * len(table)]
        has_files = any(table.files for table in tables)
        return ImageTable(ConcatImages([table.images for table in tables]), values, files if has_files else None)

    def _agree(self, column: str) -> bool:
        """Whether the values of a column have the same names in all domains; 5 and the name "5" are the same."""
        named = [domain.names.get(column) for domain in self.domains]
        plain = [None if names == [str(number) for number in range(len(names or ()))] else names for names in named]
        return all(names == plain[0] for names in plain)

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
