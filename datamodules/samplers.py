"""Group samplers: each draws (G, B) indices over a table, so that a group is never implied by a batch.

A sampler is a pure function of its seed, the epoch and the rank: nothing is carried from one epoch to the next, which
is what makes it resumable at any batch.
"""

from collections.abc import Iterator

import torch
import torch.distributed
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from ugvae.errors import ConfigError


def distributed_rank() -> tuple[int, int]:
    """(rank, number of ranks) of this process."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return 0, 1


class RandomGroupSampler(Sampler[Tensor]):
    """Groups of images drawn without replacement over the epoch: the paper's training groups.

    Every rank yields the same number of batches, over disjoint images. Images that do not fill a group are left out.
    With ``shuffle`` so are groups that do not fill a batch, others in every epoch; without, the last batch is short.

    Args:
        num_images: size of the table.
        group_size: B, images per group.
        groups_per_batch: G, groups per batch and per rank.
        seed: of the permutation, together with the epoch.
        shuffle: False takes the images in one fixed, seeded order: the same groups in every epoch.
        rank: of this process; by default what ``torch.distributed`` says.
        num_ranks: number of processes.

    Raises:
        ConfigError: the table is too small for a single batch.
    """

    def __init__(
        self,
        num_images: int,
        group_size: int,
        groups_per_batch: int,
        seed: int = 0,
        shuffle: bool = True,
        rank: int | None = None,
        num_ranks: int | None = None,
    ) -> None:
        default_rank, default_num_ranks = distributed_rank()
        self.rank = default_rank if rank is None else rank
        self.num_ranks = default_num_ranks if num_ranks is None else num_ranks
        self.num_images, self.group_size, self.groups_per_batch = num_images, group_size, groups_per_batch
        self.seed, self.shuffle = seed, shuffle
        self.epoch = 0
        self.start = 0  # first batch that the next iteration yields
        if len(self) == 0:
            groups = groups_per_batch if shuffle else 1
            raise ConfigError(
                f"group_size × groups_per_batch: {group_size} × {groups} on {self.num_ranks} process(es) "
                f"needs {group_size * groups * self.num_ranks} images, the split has {num_images}"
            )

    @property
    def groups_per_rank(self) -> int:
        """Whole groups that every rank gets of the table."""
        return self.num_images // (self.group_size * self.num_ranks)

    def __len__(self) -> int:
        if self.shuffle:
            return self.groups_per_rank // self.groups_per_batch
        return -(-self.groups_per_rank // self.groups_per_batch)

    def set_epoch(self, epoch: int) -> None:
        """Called by the trainer before each epoch."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[Tensor]:
        generator = torch.Generator().manual_seed(epoch_seed(self.seed, self.epoch if self.shuffle else 0))
        order = torch.randperm(self.num_images, generator=generator)
        used = self.groups_per_rank * self.num_ranks * self.group_size
        groups = order[:used].view(self.groups_per_rank, self.num_ranks, self.group_size)[:, self.rank]
        yield from groups.split(self.groups_per_batch)[self.start : len(self)]


def epoch_seed(seed: int, epoch: int) -> int:
    """One seed per (seed, epoch): no epoch of one seed repeats an epoch of another."""
    return (seed * 1_000_003 + epoch) % 2**63


class GroupLoader(DataLoader):
    """A DataLoader over groups that can be saved and resumed in mid-epoch.

    The state is the epoch the number of batches handed out in it, and how many it has.
    """

    def __init__(self, dataset, sampler: RandomGroupSampler, **options) -> None:  # noqa: ANN001
        super().__init__(dataset, sampler=sampler, batch_size=None, **options)
        self.position = 0
        self._resume: dict[str, int] | None = None

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        resume, self._resume = self._resume, None
        self.position = resume["position"] if resume and resume["epoch"] == self.sampler.epoch else 0
        self.sampler.start = self.position
        for batch in super().__iter__():
            self.position += 1
            yield batch
        self.sampler.start = 0

    def state_dict(self) -> dict[str, int]:
        """Epoch and batches handed out so far; what was loaded, until the next iteration begins."""
        if self._resume:
            return dict(self._resume)
        return {"epoch": self.sampler.epoch, "position": self.position, "batches": len(self.sampler)}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Makes the next iteration go on from ``state``, if it is of the same epoch.

        Raises:
            ConfigError: the epochs of ``state`` have another number of batches, so that its place means nothing here.
        """
        if state["batches"] != len(self.sampler):
            raise ConfigError(
                f"group_size, groups_per_batch or devices: an epoch has {len(self.sampler)} batches, that of the "
                f"checkpoint had {state['batches']}; resume with the settings of the run"
            )
        self._resume = state
