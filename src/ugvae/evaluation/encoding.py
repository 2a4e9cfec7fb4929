"""Drawing and encoding many groups of a table.

Axes: N groups, B images per group, K components.
"""

import torch
from torch import Tensor

from ugvae.distributions import DiagonalGaussian
from ugvae.models.base import GroupVAE, Posterior


@torch.no_grad()
def encode_groups(model: GroupVAE, images: Tensor, groups: Tensor, images_per_batch: int = 4096) -> Posterior:
    """Posteriors of groups of a table, in batches of about ``images_per_batch`` images.

    The model should be in eval mode: BatchNorm would otherwise couple the groups.

    Args:
        model: any model with ``infer``.
        images: uint8 table ``(M, C, H, W)``.
        groups: its rows, ``(N, B)``.
        images_per_batch: bounds the memory.

    Returns:
        on the CPU: z ``(N, B, z_dim)``, d ``(N, B, K)``, beta ``(N, beta_dim)``.
    """
    parts = [
        model.infer(model.to_unit(images[chunk].to(model.device)))
        for chunk in groups.split(max(1, images_per_batch // groups.shape[1]))
    ]
    return Posterior(
        _join([part.z for part in parts]), torch.cat([part.d for part in parts]).cpu(), _join([p.beta for p in parts])
    )


def _join(parts: list[DiagonalGaussian]) -> DiagonalGaussian:
    return DiagonalGaussian(*(torch.cat(pieces).cpu() for pieces in zip(*parts, strict=True)))


def draw_groups(rows: Tensor, num_groups: int, group_size: int, generator: torch.Generator) -> Tensor:
    """Groups drawn from ``rows (M,)``: no image twice in a group, and none twice at all while the rows last.

    Returns:
        indices ``(num_groups, group_size)``.

    Raises:
        ValueError: fewer rows than one group needs.
    """
    per_pass = len(rows) // group_size
    if per_pass == 0:
        raise ValueError(f"a group of {group_size} images cannot be drawn from {len(rows)}")
    passes = -(-num_groups // per_pass)
    orders = [rows[torch.randperm(len(rows), generator=generator)[: per_pass * group_size]] for _ in range(passes)]
    return torch.cat(orders).view(-1, group_size)[:num_groups]


def groups_by_value(
    column: Tensor, group_size: int, groups_per_value: int, seed: int = 0
) -> tuple[Tensor, Tensor, list[int]]:
    """Random groups, and groups whose images share one value of a column.

    All groups have the same size, since the precision of beta grows with it: ``group_size``, or the number of images
    of the rarest value if that is smaller.

    Args:
        column: integer values ``(M,)``.
        group_size: B wanted.
        groups_per_value: groups of each value; as many again, per value, are random.
        seed: of the draw.

    Returns:
        indices ``(N, B)``, the value of each group ``(N,)`` with −1 for random groups, and the values.
    """
    generator = torch.Generator().manual_seed(seed)
    values, counts = column.unique(return_counts=True)
    size = min(group_size, int(counts.min()))
    everything = torch.arange(len(column))
    parts = [draw_groups(everything, groups_per_value * len(values), size, generator)]
    labels = [torch.full((len(parts[0]),), -1)]
    for value in values.tolist():
        parts.append(draw_groups((column == value).nonzero().flatten(), groups_per_value, size, generator))
        labels.append(torch.full((groups_per_value,), value))
    return torch.cat(parts), torch.cat(labels), values.tolist()
