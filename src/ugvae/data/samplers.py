"""Group samplers, which draw rows ``(G, B)`` of a table, and the loader that resumes in the middle of an epoch.

The groups are a function of the seed and the epoch, and the share of a process also of its rank. Nothing is carried
from one epoch to the next, so a run can resume at any batch.
"""

import math
from abc import abstractmethod
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from ugvae.distributed import distributed_rank
from ugvae.errors import ConfigError


class GroupSampler(Sampler[Tensor]):
    """Base of the samplers. A subclass has the number of groups of an epoch, and draws them.

    The groups do not depend on the number of ranks. In training, rank r takes every num_ranks-th batch from the r-th
    on; in evaluation, every num_ranks-th group. Every rank yields the same number of batches. With ``shuffle``, groups
    that do not fill a batch are left out, other ones in every epoch; without, the last batch is short.

    With ``span`` a group has num_ranks times as many images, and every rank takes its own B images of each group.

    Args:
        group_size: B, images per group and per rank.
        groups_per_batch: G, groups per batch and per rank.
        seed: seed of the draw, together with the epoch.
        shuffle: False draws the same groups in every epoch.
        span: the ranks share the images of each group, not the groups.
        rank: rank of this process; by default that of ``torch.distributed``.
        num_ranks: number of processes.

    Attributes:
        group_size: images per group, on all ranks that share it.
    """

    def __init__(
        self,
        group_size: int,
        groups_per_batch: int,
        seed: int = 0,
        shuffle: bool = True,
        span: bool = False,
        rank: int | None = None,
        num_ranks: int | None = None,
    ) -> None:
        default = distributed_rank()
        self.rank = default[0] if rank is None else rank
        self.num_ranks = default[1] if num_ranks is None else num_ranks
        self.span = self.num_ranks if span else 1  # ranks that share a group
        self.group_size, self.groups_per_batch = group_size * self.span, groups_per_batch
        self.seed, self.shuffle = seed, shuffle
        self.epoch = 0
        self.start = 0  # first batch that the next iteration yields

    @property
    @abstractmethod
    def num_groups(self) -> int:
        """Groups of one epoch, on all ranks together."""

    @abstractmethod
    def draw(self, generator: torch.Generator) -> Tensor | list[Tensor]:
        """The groups of one epoch, indices ``(num_groups, group_size)``; a list where they differ in size."""

    def announcement(self) -> str:
        """A note on the epochs that the user gets before training; empty by default."""
        return ""

    @property
    def groups_per_rank(self) -> int:
        """Groups of one epoch on every rank."""
        return self.num_groups // (self.num_ranks // self.span)

    def __len__(self) -> int:
        if self.shuffle:
            return self.groups_per_rank // self.groups_per_batch
        return -(-self.groups_per_rank // self.groups_per_batch)

    def check_length(self, available: str) -> None:
        """Raises a ConfigError, which ends with ``available``, if an epoch has no batch."""
        if len(self) == 0:
            groups = self.groups_per_batch if self.shuffle else 1
            per_rank = self.group_size // self.span * groups
            raise ConfigError(
                f"group_size × groups_per_batch: {self.group_size // self.span} × {groups} on {self.num_ranks} "
                f"process(es) needs {per_rank * self.num_ranks} images, {available}"
            )

    def set_epoch(self, epoch: int) -> None:
        """Called by the trainer before each epoch."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[Tensor]:
        generator = torch.Generator().manual_seed(epoch_seed(self.seed, self.epoch if self.shuffle else 0))
        yield from self.batches(generator)[self.start :]

    def batches(self, generator: torch.Generator) -> Sequence[Tensor]:
        """The batches ``(G, B)`` of one epoch on this rank."""
        groups = self.draw(generator)
        own = groups.unflatten(1, (self.span, -1))[:, self.rank] if self.span > 1 else groups
        return self.share(own).split(self.groups_per_batch)[: len(self)]

    def entries(self) -> dict[str, Sequence[Tensor]]:
        """Further entries for the batches of this epoch on this rank, by name; none by default."""
        return {}

    def share(self, groups: Tensor) -> Tensor:
        """What belongs to the groups of this rank, of something ``(num_groups, ...)`` of all groups."""
        if self.span > 1:
            return groups
        if not self.shuffle:
            return groups[: self.groups_per_rank * self.num_ranks][self.rank :: self.num_ranks]
        shape = (len(self), self.num_ranks, self.groups_per_batch)
        return groups[: math.prod(shape)].unflatten(0, shape)[:, self.rank].flatten(0, 1)


class RandomGroupSampler(GroupSampler):
    """Groups of images drawn without replacement over the epoch: the paper's training groups.

    The ranks get disjoint images. Images that do not fill a group are left out, others in every epoch.

    Args:
        num_images: size of the table.
        *args: the arguments of ``GroupSampler``.
        **kwargs: the same.

    Example:
        >>> sampler = RandomGroupSampler(12, group_size=3, groups_per_batch=2, seed=1)
        >>> [tuple(batch.shape) for batch in sampler]
        [(2, 3), (2, 3)]

    Raises:
        ConfigError: the table is too small for a single batch.
    """

    def __init__(self, num_images: int, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.num_images = num_images
        self.check_length(f"the split has {num_images}")

    @property
    def num_groups(self) -> int:
        return self.num_images // self.group_size

    def draw(self, generator: torch.Generator) -> Tensor:
        order = torch.randperm(self.num_images, generator=generator)
        return order[: self.num_groups * self.group_size].view(self.num_groups, self.group_size)


def epoch_seed(seed: int, epoch: int) -> int:
    """One seed per (seed, epoch): no epoch of one seed repeats an epoch of another."""
    return (seed * 1_000_003 + epoch) % 2**63


class GroupLoader(DataLoader):
    """A DataLoader over groups that can be saved and resumed in the middle of an epoch.

    Its state is the epoch, the number of batches yielded in it, and the number of batches that it has.
    """

    def __init__(self, dataset, sampler: GroupSampler, **options) -> None:  # noqa: ANN001
        # a generator of its own: each pass draws a seed for the workers, which must not change the model's noise
        super().__init__(dataset, sampler=sampler, batch_size=None, generator=torch.Generator(), **options)
        self.position, self._epoch = 0, 0
        self._resume: dict[str, int] | None = None

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        resume, self._resume = self._resume, None
        self._epoch = self.sampler.epoch
        self.position = resume["position"] if resume and resume["epoch"] == self._epoch else 0
        self.sampler.start = self.position
        entries = self.sampler.entries()
        for batch in super().__iter__():
            batch |= {name: parts[self.position] for name, parts in entries.items()}
            self.position += 1
            yield batch
        self.sampler.start = 0

    def state_dict(self) -> dict[str, int]:
        """Epoch and batches yielded so far; the loaded state until the next iteration begins."""
        if self._resume:
            return dict(self._resume)
        position = self.position if self.sampler.epoch == self._epoch else 0  # an epoch that is set, but not begun
        return {"epoch": self.sampler.epoch, "position": position, "batches": len(self.sampler)}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Lets the next iteration continue at ``state``, if it has the same epoch.

        Raises:
            ConfigError: the epochs had another number of batches, so the position means nothing here.
        """
        if state["batches"] != len(self.sampler):
            raise ConfigError(
                f"group_size, groups_per_batch or devices: an epoch has {len(self.sampler)} batches, that of the "
                f"checkpoint had {state['batches']}; resume with the settings of the run"
            )
        self._resume = state
        self.sampler.set_epoch(state["epoch"])  # the trainer does not set it again in mid-epoch
