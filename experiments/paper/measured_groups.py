"""The held-out groups that a model's use of its latents is measured on."""

import torch
from torch import Tensor

from datamodules.structured import draw_groups, groups_where
from experiments.paper.common import TrainedRun
from experiments.paper.kinds import DOMAIN, Condition, known_values, of_values, with_and_without

HAIR = ("Black_Hair", "Blond_Hair")
LABELS = 4  # values of a label that are shown


def random_groups(run: TrainedRun, group_size: int, count: int, seed: int) -> Tensor:
    """Groups ``(count, B)`` of any test images, B at most half of them, so that two groups can differ."""
    size = max(1, min(group_size, len(run.table) // 2))
    generator = torch.Generator().manual_seed(seed)
    return draw_groups(torch.arange(len(run.table)), count, size, generator)


def trained_groups(run: TrainedRun, count: int, seed: int) -> Tensor:
    """Groups ``(N, B)`` of test images made as those of training, of their size; ``count`` of them if there are."""
    groups = torch.cat(list(run.data.loader("test").sampler))
    order = torch.randperm(len(groups), generator=torch.Generator().manual_seed(seed))
    return groups[order[:count]]


def kinds_of(run: TrainedRun) -> dict[str, Condition]:
    """Kinds of image that look unlike: two or more domains, the paper's attributes, or values of a label; or none."""
    columns = run.table.columns
    if DOMAIN in columns and len(values := known_values(run, DOMAIN)) > 1:
        return of_values(run, DOMAIN, values)
    if all(name in columns for name in HAIR):
        kinds = {name: {name: 1} for name in HAIR}
        return kinds | (with_and_without("Male") if "Male" in columns else {})
    if "label" in columns and len(values := known_values(run, "label")) > 1:
        return of_values(run, "label", values[:LABELS])
    return {}


def groups_by_kind(
    run: TrainedRun, kinds: dict[str, Condition], group_size: int, count: int, seed: int
) -> Tensor | None:
    """Groups of one kind each ``(count rounded to a multiple of the kinds, B)``, neighbours of different kinds.

    B is smaller where a kind has fewer images; None without kinds, or if a kind has fewer than two images.
    """
    counts = [int(_meets(run, condition).sum()) for condition in kinds.values()]
    size = min(group_size, *counts) if counts else 0
    if size < 2:
        return None
    each = max(1, count // len(kinds))
    drawn = groups_where(run.table, list(kinds.values()), size, each, seed=seed, names=list(kinds))
    return drawn.groups.unflatten(0, (len(kinds), each)).transpose(0, 1).flatten(0, 1)


def _meets(run: TrainedRun, condition: Condition) -> Tensor:
    """Which test images meet a condition, ``(M,)``."""
    return torch.stack([run.table.columns[column] == value for column, value in condition.items()]).all(0)
