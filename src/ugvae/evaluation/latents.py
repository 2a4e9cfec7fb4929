"""The latents of every image and every group of some data, as tables that can be joined with what one has.

A group may have any size. The product of its factors (paper, eq. 8-9) is added up over batches of images, in float64,
so that no group has to fit into memory.

Axes: M images, N groups, P pairs of an image and a group that it is in, K components.
"""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from ugvae.data.module import SPLITS, GroupDataModule
from ugvae.data.table import ImageTable
from ugvae.errors import ConfigError, DataError
from ugvae.models import GroupVAE
from ugvae.runs.files import atomic_path, save_arrays

IMAGES_AT_ONCE = 256
UNKNOWN = ""  # the text of a value that is not known


@dataclass(frozen=True)
class Latents:
    """What a model makes of some data.

    Attributes:
        images: text columns of the images, ``(M,)`` each: ``file`` where there are files, ``split``, ``row`` in the
            split, every column of the data by the names of its values, ``group``, and ``component`` with its
            probability ``pi_max`` where there is a mixture.
        groups: text columns of the groups, ``(N,)`` each: ``group``, ``split``, ``size``, and those columns of the data
            that have one value within every group.
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
    model: GroupVAE,
    data: GroupDataModule,
    by: str | None = None,
    splits: Sequence[str] = SPLITS,
    images_per_batch: int = IMAGES_AT_ONCE,
) -> Latents:
    """Encodes every image, and every group of any size; nothing is left out.

    Args:
        model: in eval mode.
        data: the images and their columns.
        by: column whose values make the groups: all images of a split with one value are a group; images without a
            value are in none. By default the groups are those of evaluation; the images left over make further ones.
        splits: which splits to encode; empty ones are passed over.
        images_per_batch: bounds the memory.

    Raises:
        ConfigError: the data lack the column.
        DataError: there is no image, or the data are missing or damaged.
    """
    parts = [_encode_split(model, data, split, table, by, images_per_batch) for split, table in _tables(data, splits)]
    offset = 0
    for part in parts:
        member = part.arrays["image_group"]
        member[member >= 0] += offset
        offset += len(part.groups["group"])
    shared = [name for name in parts[0].groups if all(name in part.groups for part in parts)]
    return Latents(
        images={name: np.concatenate([part.images[name] for part in parts]) for name in parts[0].images},
        groups={name: np.concatenate([part.groups[name] for part in parts]) for name in shared},
        arrays={name: np.concatenate([part.arrays[name] for part in parts]) for name in parts[0].arrays},
    )


def _tables(data: GroupDataModule, splits: Sequence[str]) -> list[tuple[str, ImageTable]]:
    """The splits that hold images."""
    tables, empty = [], None
    for split in splits:
        try:
            table = data.table(split)
        except DataError as error:
            empty = error
            continue
        if len(table):
            tables.append((split, table))
    if not tables:
        raise empty or DataError("no image to encode")
    return tables


def _encode_split(
    model: GroupVAE, data: GroupDataModule, split: str, table: ImageTable, by: str | None, images_per_batch: int
) -> Latents:
    names, members = _groups_by(data, table, by) if by else _groups_of_evaluation(data, split, table)
    sums = _ProductSums(len(names), model)
    rows = torch.cat([*members, torch.empty(0, dtype=torch.long)])
    numbers = torch.arange(len(names)).repeat_interleave(
        torch.tensor([len(member) for member in members], dtype=torch.long)
    )
    order = rows.argsort(stable=True)
    rows, numbers = rows[order], numbers[order]
    local: dict[str, list[Tensor]] = {"z_mean": [], "z_log_var": [], "d": []}
    for start in tqdm(range(0, len(table), images_per_batch), desc=f"encoding {split}", disable=None, leave=False):
        images = table.images[start : start + images_per_batch].unsqueeze(0)
        posterior, factors = model.encode_images(images)
        local["z_mean"].append(posterior.z.mean[0].cpu())
        local["z_log_var"].append(posterior.z.log_var[0].cpu())
        if posterior.d is not None:
            local["d"].append(posterior.d[0].cpu())
        if factors is not None:
            first, last = torch.searchsorted(rows, torch.tensor([start, start + images.shape[1]])).tolist()
            sums.add(numbers[first:last], *(part[0, rows[first:last] - start].cpu() for part in factors))
    arrays = {name: torch.cat(batches).numpy() for name, batches in local.items() if batches}
    group_of = np.full(len(table), -1)
    group_of[rows.flip(0).numpy()] = numbers.flip(0).numpy()  # of several groups the first
    arrays |= {"image_group": group_of, **sums.product()}
    texts = {name: _text(data, name, column) for name, column in table.columns.items()}
    images = {"file": np.array(table.files)} if getattr(table, "files", None) is not None else {}
    images |= {"split": np.full(len(table), split), "row": np.arange(len(table)), **texts}
    images["group"] = np.where(group_of >= 0, np.array([*names, UNKNOWN])[group_of], UNKNOWN)
    if "d" in arrays:
        images |= {"component": arrays["d"].argmax(1), "pi_max": arrays["d"].max(1)}
    groups = {"group": np.array(names, dtype=str), "split": np.full(len(names), split)}
    groups["size"] = np.array([len(member) for member in members], dtype=int)
    for name, text in texts.items():
        if all(len(set(text[member])) == 1 for member in members):
            groups[name] = np.array([text[member[0]] for member in members], dtype=str)
    return Latents(images, groups, arrays)


class _ProductSums:
    """Precisions and precision-weighted means of the factors of each group, added up in float64."""

    def __init__(self, groups: int, model: GroupVAE) -> None:
        self.prior_expert, self.beta_dim = model.prior_expert, model.beta_dim
        self.precision = torch.zeros(groups, model.beta_dim, dtype=torch.float64)
        self.weighted = torch.zeros_like(self.precision)

    def add(self, groups: Tensor, mean: Tensor, log_var: Tensor) -> None:
        """Adds factors ``(P, beta_dim)`` to groups ``(P,)``."""
        precision = (-log_var.double()).exp()  # log-variances lie within ±15: no over- or underflow in float64
        self.precision.index_add_(0, groups, precision)
        self.weighted.index_add_(0, groups, precision * mean)

    def product(self) -> dict[str, np.ndarray]:
        """``beta_mean`` and ``beta_log_var``; nothing without a beta."""
        if not self.beta_dim:
            return {}
        precision = self.precision + float(self.prior_expert)
        mean, log_var = self.weighted / precision, -precision.log()
        return {"beta_mean": mean.float().numpy(), "beta_log_var": log_var.float().numpy()}


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


def _text(data: GroupDataModule, column: str, values: Tensor) -> np.ndarray:
    """Values of a column as text: names where there are any, nothing where a value is unknown."""
    names = data.value_names(column)
    known, places = values.unique(return_inverse=True)
    unknown = known.isnan() if known.is_floating_point() else known < 0
    texts = [
        UNKNOWN if missing else names.get(value, f"{value:.10g}")
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
