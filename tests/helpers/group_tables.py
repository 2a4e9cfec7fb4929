"""Tables of domains of any size, and samplers over them."""

import torch
from torch import Tensor

from ugvae.data.groupings import Grouping
from ugvae.data.samplers import GroupSampler
from ugvae.data.table import ImageTable


def make_table(sizes: list[int], **columns: Tensor) -> ImageTable:
    """Domains and labels 0, 1, … of the sizes given, in an order of no meaning; images of one random pixel."""
    domain = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    generator = torch.Generator().manual_seed(1)
    domain = domain[torch.randperm(len(domain), generator=generator)]
    images = torch.randint(256, (len(domain), 1, 1, 1), generator=generator, dtype=torch.uint8)
    return ImageTable(images, {"domain": domain, "label": domain, **columns})


def make_sampler(
    table: ImageTable, kind: str, group_size: int = 4, groups_per_batch: int = 1, seed: int = 3, **options
) -> GroupSampler:
    rank = {name: options.pop(name) for name in ("rank", "num_ranks", "shuffle", "span") if name in options}
    return Grouping(kind, **options).sampler(
        table, group_size=group_size, groups_per_batch=groups_per_batch, seed=seed, **rank
    )


def epoch_of(sampler: GroupSampler, epoch: int = 0) -> Tensor:
    """All groups of one epoch, (groups, B)."""
    sampler.set_epoch(epoch)
    return torch.cat(list(sampler))
