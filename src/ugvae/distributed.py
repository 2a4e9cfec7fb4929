"""Talking to the other processes of a run, its ranks.

Every function here is a collective call: all ranks make it, in the same order, or those that do wait for the others.
With one process each gives back what it was given.

Axes: R ranks, ``...`` any.
"""

from typing import Any, TypeVar

import torch
import torch.distributed
from torch import Tensor

T = TypeVar("T")


def gather_objects(value: T) -> list[T]:
    """The value of every rank, in their order; any that can be pickled, on the CPU."""
    _, num_ranks = distributed_rank()
    if num_ranks == 1:
        return [value]
    values: list[Any] = [None] * num_ranks
    torch.distributed.all_gather_object(values, value)
    return values


@torch.compiler.disable  # a compiled bound breaks off here and goes on behind
def gather(value: Tensor) -> Tensor:
    """The tensor of every rank, ``(...)`` to ``(R, ...)``, with gradients through the gathering.

    A rank's gradient is the sum over all ranks' losses, so that the mean that DistributedDataParallel takes afterwards
    is the gradient of the mean loss.
    """
    _, num_ranks = distributed_rank()
    return _Gather.apply(value) if num_ranks > 1 else value.unsqueeze(0)


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        _, num_ranks = distributed_rank()
        parts = [torch.empty_like(value, memory_format=torch.contiguous_format) for _ in range(num_ranks)]
        torch.distributed.all_gather(parts, value.contiguous())
        return torch.stack(parts)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        rank, _ = distributed_rank()
        total = gradient.clone(memory_format=torch.contiguous_format)
        torch.distributed.all_reduce(total)
        return total[rank]


def distributed_rank() -> tuple[int, int]:
    """(rank, number of ranks) of this process."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return 0, 1
