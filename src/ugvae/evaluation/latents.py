"""The latents of every image and every group of some data, as tables that can be joined with what one has.

A group may have any size: its images pass the encoder in batches, and their features alone are kept.

Axes: M images, N groups, K components.
"""

import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ugvae.data.module import GroupDataModule
from ugvae.data.table import SPLITS, ConcatImages, ImageTable, Split
from ugvae.distributions import DiagonalGaussian
from ugvae.errors import ConfigError, DataError
from ugvae.evaluation.encoding import IMAGES_AT_ONCE, encode_images
from ugvae.models import BaseVAE
from ugvae.runs.files import atomic_path, save_arrays

UNKNOWN = ""  # the text of a value that is not known
OWN_COLUMNS = re.compile(r"file|split|row|group|size|component|pi_max|z_\d+|beta_\d+(_sd)?")
OF_ONE_VALUE = ("attribute", "given")  # kinds of grouping whose groups have one value of ``group_column``


@dataclass(frozen=True)
class Latents:
    """What a model makes of some data.

    Attributes:
        images: text columns of the images, ``(M,)`` each: ``file`` where there are files, ``split``, ``row`` in the
            split, every column of the data by the names of its values (under ``column_head``), ``group``, and
            ``component`` with its probability ``pi_max`` where there is a mixture.
        groups: text columns of the groups, ``(N,)`` each: ``group``, ``split`` unless groups are across splits,
            ``size``, and those columns of the data that have one value within every group.
        arrays: by name ``z_mean``, ``z_log_var`` ``(M, z_dim)``, ``d`` ``(M, K)``, ``image_group`` ``(M,)``, −1 for
            none; ``beta_mean``, ``beta_log_var`` ``(N, beta_dim)``. What the model lacks is left out.
    """

    images: dict[str, np.ndarray]
    groups: dict[str, np.ndarray]
    arrays: dict[str, np.ndarray]

    def save(self, folder: str | Path) -> list[Path]:
        """Writes ``images.csv``, ``groups.csv`` where there is a beta, and ``posterior.npz``; gives their paths."""
        folder, paths = Path(folder), []
        z = {f"z_{number}": column for number, column in enumerate(self.arrays["z_mean"].T)}
        paths.append(_write_csv(folder / "images.csv", self.images | z))
        if "beta_mean" in self.arrays:
            mean, std = self.arrays["beta_mean"].T, np.exp(0.5 * self.arrays["beta_log_var"]).T
            beta = {f"beta_{number}": column for number, column in enumerate(mean)}
            beta |= {f"beta_{number}_sd": column for number, column in enumerate(std)}
            paths.append(_write_csv(folder / "groups.csv", self.groups | beta))
        text = {f"image_{name}": column for name, column in self.images.items() if name != "group"}
        text |= {f"group_{name}" if name != "group" else "group": column for name, column in self.groups.items()}
        save_arrays(self.arrays | text, folder / "posterior.npz")
        return [*paths, folder / "posterior.npz"]


@torch.no_grad()
def encode(
    model: BaseVAE,
    data: GroupDataModule,
    by: str | None = None,
    splits: Sequence[Split] = SPLITS,
    across_splits: bool = False,
    images_per_batch: int = IMAGES_AT_ONCE,
) -> Latents:
    """Encodes every image, and every group of any size; nothing is left out.

    Args:
        model: in eval mode.
        data: the images and their columns.
        by: column whose values make the groups: all images of a split with one value are a group; images without a
            value are in none. By default the column of the data's own groups (``natural_column``); without one, the
            groups of evaluation, and further groups of the images left over.
        splits: which splits to encode; empty ones are passed over.
        across_splits: a value of ``by`` has one group, with its images of all ``splits``.
        images_per_batch: bounds the memory.

    Raises:
        ConfigError: the data lack the column, or their images have another shape than those of the model.
        DataError: there is no image, or the data are missing or damaged.

    Example:
        ``encode(model, data, by="patient").save("latents")`` writes a row for each image and each patient.
    """
    if data.image_shape != model.image_shape:
        raise ConfigError(
            f"data.image_size: the images are {data.image_shape} (channels, height, width), those of the model "
            f"{model.image_shape}"
        )
    by = by or natural_column(data)
    parts = _parts(data, splits)
    if by and across_splits:
        parts = [_joined(parts)]
    latents = [_encode_part(model, data, part, by, images_per_batch) for part in parts]
    offset = 0
    for part in latents:
        member = part.arrays["image_group"]
        member[member >= 0] += offset
        offset += len(part.groups["group"])
    return Latents(
        *(_concatenated([getattr(part, name) for part in latents]) for name in ("images", "groups", "arrays"))
    )


def natural_column(data: GroupDataModule) -> str | None:
    """The column whose values make the groups of some data; None if their groups are of another kind."""
    grouping = data.evaluation_groups
    return grouping.column if grouping.kind in OF_ONE_VALUE else None


def _concatenated(parts: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The columns that all parts have, one part after the other."""
    shared = [name for name in parts[0] if all(name in part for part in parts)]
    return {name: np.concatenate([part[name] for part in parts]) for name in shared}


@dataclass(frozen=True)
class _Part:
    """M images that are encoded together: those of a split, or of all.

    Attributes:
        table: the images.
        split: the one split that they are from; None for all.
        keys: ``file`` where there are files, ``split`` and ``row`` in the split, ``(M,)`` each.
    """

    table: ImageTable
    split: Split | None
    keys: dict[str, np.ndarray]


def _parts(data: GroupDataModule, splits: Sequence[Split]) -> list[_Part]:
    """The splits that hold images."""
    parts, empty = [], None
    for split in splits:
        try:
            table = data.table(split)
        except DataError as error:
            empty = error
            continue
        if size := len(table):
            files = getattr(table, "files", None)
            keys = {} if files is None else {"file": np.array(files)}
            parts.append(_Part(table, split, {**keys, "split": np.full(size, split), "row": np.arange(size)}))
    if not parts:
        raise empty or DataError("no image to encode")
    return parts


def _joined(parts: Sequence[_Part]) -> _Part:
    """All images as one part, with the columns that all have."""
    tables = [part.table for part in parts]
    shared = [name for name in tables[0].columns if all(name in table.columns for table in tables)]
    columns = {name: torch.cat([table.columns[name] for table in tables]) for name in shared}
    table = ImageTable(ConcatImages([table.images for table in tables]), columns)
    return _Part(table, None, _concatenated([part.keys for part in parts]))


def _encode_part(model: BaseVAE, data: GroupDataModule, part: _Part, by: str | None, images_per_batch: int) -> Latents:
    table = part.table
    names, members = _groups_by(data, table, by) if by else _groups_of_evaluation(data, part.split, table)
    h = encode_images(model, table.images, images_per_batch, progress=f"encoding {part.split or 'images'}").h
    group_of = np.full(len(table), -1)
    for number in reversed(range(len(members))):  # of several groups the first
        group_of[members[number].numpy()] = number
    alone = torch.from_numpy(group_of < 0).nonzero()
    arrays = {"image_group": group_of, **_posteriors(model, h, members, alone.split(images_per_batch))}
    texts = {column_head(name): _text(data, name, column) for name, column in table.columns.items()}
    images = {**part.keys, **texts, "group": np.where(group_of >= 0, np.array([*names, UNKNOWN])[group_of], UNKNOWN)}
    if "d" in arrays:
        images |= {"component": arrays["d"].argmax(1), "pi_max": arrays["d"].max(1)}
    groups = {"group": np.array(names, dtype=str)}
    if part.split:
        groups["split"] = np.full(len(names), part.split)
    groups["size"] = np.array([len(member) for member in members], dtype=int)
    for name, text in texts.items():
        if all(
            len(set(text[member.numpy()])) == 1 for member in members
        ):  # one row as a tensor would be a scalar index
            groups[name] = np.array([text[member[0]] for member in members], dtype=str)
    return Latents(images, groups, arrays)


def _posteriors(model: BaseVAE, h: Tensor, members: Sequence[Tensor], alone: Sequence[Tensor]) -> dict[str, np.ndarray]:
    """The posteriors of images and groups, as the arrays of ``Latents``.

    Args:
        model: in eval mode.
        h: features of all images, ``(M, 256)``.
        members: rows of each group. An image in several gets the local posterior that it has in the first.
        alone: rows of the images in no group, ``(any, 1)``: each is a group by itself.
    """
    arrays: dict[str, np.ndarray] = {}

    def put(name: str, size: int, rows: Tensor | int, values: Tensor) -> None:
        if name not in arrays:
            arrays[name] = np.empty((size, values.shape[-1]), np.float32)
        arrays[name][rows] = values.float().cpu().numpy()

    def put_local(rows: Tensor) -> DiagonalGaussian | None:
        """Puts what images ``(G, B)`` have, and gives the beta of their groups."""
        posterior = model.posterior(h[rows])
        put("z_mean", len(h), rows, posterior.z.mean)
        put("z_log_var", len(h), rows, posterior.z.log_var)
        if posterior.d is not None:
            put("d", len(h), rows, posterior.d)
        return posterior.beta

    for rows in alone:
        if len(rows):
            put_local(rows)
    for number, rows in reversed(list(enumerate(members))):
        beta = put_local(rows.unsqueeze(0))
        if beta is not None:
            put("beta_mean", len(members), number, beta.mean[0])
            put("beta_log_var", len(members), number, beta.log_var[0])
    return arrays


def _groups_by(data: GroupDataModule, table: ImageTable, column: str) -> tuple[list[str], list[Tensor]]:
    """All images with one value of a column, by the value's name."""
    if column not in table.columns:
        known = ", ".join(sorted(table.columns)) or "none"
        raise ConfigError(f"by: no column {column!r}; the data have {known}")
    values = table.columns[column]
    text = _text(data, column, values)
    members = [(values == value).nonzero().flatten() for value in values.unique() if value >= 0]
    return [str(text[member[0]]) for member in members], members


def _groups_of_evaluation(data: GroupDataModule, split: str, table: ImageTable) -> tuple[list[str], list[Tensor]]:
    """The groups of evaluation, and those of the images that are in none of them."""
    try:
        members = [group[group >= 0] for batch in data.loader(split).sampler for group in batch]
    except ConfigError:  # too few images for a group
        members = []
    left = torch.ones(len(table), dtype=torch.bool)
    for member in members:
        left[member] = False
    members += [part for part in left.nonzero().flatten().split(data.group_size) if len(part)]
    return [f"{split} {number}" for number in range(len(members))], members


def column_head(column: str) -> str:
    """The head of a column of the data in the tables: its name, with ``data_`` before a name that the tables need.

    Example:
        >>> column_head("patient"), column_head("group")
        ('patient', 'data_group')
    """
    return f"data_{column}" if OWN_COLUMNS.fullmatch(column) else column


def _text(data: GroupDataModule, column: str, values: Tensor) -> np.ndarray:
    """Values of a column as text: names where there are any, nothing where a value is unknown."""
    names = data.value_names(column)
    known, places = values.unique(return_inverse=True)
    unknown = known.isnan() if known.is_floating_point() else known < 0
    texts = [
        UNKNOWN if missing else names.get(value, f"{value:.10g}" if isinstance(value, float) else str(value))
        for value, missing in zip(known.tolist(), unknown.tolist(), strict=True)
    ]
    return np.array(texts)[places.numpy()]


def _write_csv(path: Path, columns: dict[str, np.ndarray]) -> Path:
    with atomic_path(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*(_cells(column) for column in columns.values()), strict=True))
    return path


def _cells(column: np.ndarray) -> Iterable[str]:
    return (f"{value:.6g}" for value in column) if column.dtype.kind == "f" else map(str, column)
