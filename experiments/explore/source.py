"""A trained model and some held-out images, encoded once: what the views of the explorer start from.

Axes: M images, N groups, B images per group.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from ugvae import datamodules  # noqa: F401  settings may name its classes
from ugvae.data.loading import load_data
from ugvae.data.module import GroupDataModule
from ugvae.data.table import ImageTable
from ugvae.distributions import DiagonalGaussian
from ugvae.errors import ConfigError
from ugvae.evaluation.aggregate import PrincipalAxes, principal_axes
from ugvae.evaluation.encoding import EncodedImages, encode_images
from ugvae.evaluation.kinds import Condition, alike_groups
from ugvae.evaluation.trained_run import load_run
from ugvae.models import BaseVAE
from ugvae.models.bound import Posterior
from ugvae.models.sharing import CONFIG, WEIGHTS
from ugvae.runs.checkpoints import checkpoint_digest
from ugvae.runs.loading import best_checkpoint, load_model

LEAST_IMAGES = 1000  # of the held-out split, where it has as many
IMAGES_OF_GROUPS, FEWEST_GROUPS, MOST_GROUPS = 2048, 32, 128  # groups in the map of beta
MOST_VALUES = 100  # of a column from whose values groups are chosen
ANY = "any images"


@dataclass(frozen=True)
class Explored:
    """A model with held-out images.

    Attributes:
        source: folder of the run, or of ``save_pretrained``.
        settings: changed settings of the data.
        model: in eval mode.
        data: where the images are from.
        table: M of the held-out images.
        encoded: their features.
        groups: rows of the table, held-out groups of the kind of training, ``(N, B)``; None without beta, or if the
            held-out images make fewer than two.
    """

    source: Path
    settings: tuple[str, ...]
    model: BaseVAE
    data: GroupDataModule
    table: ImageTable
    encoded: EncodedImages
    groups: Tensor | None

    @torch.no_grad()
    def posterior(self, groups: Tensor) -> Posterior:
        """The posteriors of groups of the table, ``(N, B)``."""
        return self.encoded.posterior(groups)

    @property
    def name(self) -> str:
        """The class of the model and the last two folders, which tell it from others."""
        return f"{type(self.model).__name__}, {'/'.join(self.source.absolute().parts[-2:])}"

    @cached_property
    def digest(self) -> str | None:
        """SHA-256 of the weights' file."""
        return checkpoint_digest(self.source / WEIGHTS if _is_shared(self.source) else best_checkpoint(self.source))

    @cached_property
    def beta(self) -> DiagonalGaussian | None:
        """Posteriors of beta of the held-out groups, ``(N, beta_dim)``."""
        return None if self.groups is None else self.posterior(self.groups).beta

    @cached_property
    def beta_axes(self) -> PrincipalAxes | None:
        """Where the betas of held-out groups are; None without them."""
        return None if self.beta is None else principal_axes(self.beta)

    @cached_property
    def d(self) -> Tensor:
        """Component probabilities of the images, ``(M, K)``, of a model with a mixture."""
        return self.posterior(torch.arange(len(self.table)).unsqueeze(1)).d.squeeze(1)

    @cached_property
    def z_axes(self) -> PrincipalAxes:
        """The axes along which the z of the images differ most."""
        z = self.posterior(torch.arange(len(self.table)).unsqueeze(1)).z
        return principal_axes(DiagonalGaussian(z.mean.squeeze(1), z.log_var.squeeze(1)))

    @cached_property
    def kinds(self) -> Mapping[str, Condition]:
        """Kinds of image by name, such as ``label = 3``: any, and the values of the columns that have two at least."""
        kinds: dict[str, Condition] = {ANY: {}}
        for column, values in self.table.columns.items():
            known = [] if values.is_floating_point() else values[values >= 0].unique().tolist()
            if 2 <= len(known) <= MOST_VALUES:
                names = self.data.value_names(column)
                kinds |= {f"{column} = {names.get(value, value)}": {column: value} for value in known}
        return kinds

    def rows_of(self, kind: str, size: int, seed: int = 0) -> Tensor:
        """Rows ``(B,)`` of a group of images of one kind, at most ``size``, drawn at random.

        Raises:
            ConfigError: no such kind.
        """
        if kind not in self.kinds:
            raise ConfigError(f"kind: no {kind!r}; there are {', '.join(self.kinds)}")
        suitable = torch.ones(len(self.table), dtype=torch.bool)
        for column, value in self.kinds[kind].items():
            suitable &= self.table.columns[column] == value
        rows = suitable.nonzero().squeeze(1)
        return rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))[:size]]


def load(source: Path, settings: Sequence[str] = ()) -> Explored:
    """Loads a model and encodes some of its held-out images.

    Args:
        source: folder of a trained run; or of ``save_pretrained``, for which the settings name the data.
        settings: changed settings of the data, ``--data.root=FOLDER``.

    Raises:
        ConfigError: no such folder, or settings that do not suit the data or the model.
        DataError: the data are missing or damaged.
    """
    model, data = _model_and_data(source, settings)
    if data.image_shape != model.image_shape:
        raise ConfigError(f"data.image_size: the images are {data.image_shape}, those of the model {model.image_shape}")
    whole = data.table("test")
    groups = _held_out_groups(data) if model.beta_dim else None
    in_groups = torch.empty(0, dtype=torch.long) if groups is None else groups.unique()
    drawn = torch.randperm(len(whole), generator=torch.Generator().manual_seed(0))
    others = drawn[~torch.isin(drawn, in_groups)][: max(0, LEAST_IMAGES - len(in_groups))]
    rows = torch.cat([in_groups, others]).sort().values
    table = whole.subset(rows)
    places = None if groups is None else torch.searchsorted(rows, groups)
    return Explored(source, tuple(settings), model, data, table, encode_images(model, table.images), places)


def load_only_model(source: Path) -> BaseVAE:
    """The model of a run's folder, or of a folder of ``save_pretrained``.

    Raises:
        ConfigError: it is neither.
    """
    return BaseVAE.from_pretrained(source) if _is_shared(source) else load_model(best_checkpoint(source))


def _is_shared(source: Path) -> bool:
    return (source / CONFIG).is_file()


def _model_and_data(source: Path, settings: Sequence[str]) -> tuple[BaseVAE, GroupDataModule]:
    if not _is_shared(source):
        run = load_run(source, settings)
        return run.model, run.data
    model, data = load_only_model(source), load_data(None, settings)
    data.prepare_data()
    return model, data


def _held_out_groups(data: GroupDataModule) -> Tensor | None:
    """Rows ``(N, B)`` of the test split; None if it makes fewer than two groups."""
    count = min(MOST_GROUPS, max(FEWEST_GROUPS, IMAGES_OF_GROUPS // data.group_size))
    try:
        groups = alike_groups(data, "test", count, seed=0)
    except ConfigError:  # too few images for a group
        return None
    return groups if len(groups) > 1 else None
