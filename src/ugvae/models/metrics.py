"""A running record of ELBO terms that stays on the device until it is read."""

import math
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from ugvae.distributed import distributed_rank, gather_objects
from ugvae.errors import NonFiniteLossError

if TYPE_CHECKING:
    from ugvae.models.bound import ELBO


class NonFiniteStep(NamedTuple):
    """The first bad step since the last flush: how long ago, which terms, which rows of the table, on which rank."""

    steps_ago: int
    names: list[str]
    indices: list[int]
    rank: int = 0


@torch.no_grad()
def mean_terms(elbo: "ELBO", terms: Sequence[str]) -> Tensor:
    """The ELBO in nats per image, then the terms named, each averaged over the groups and images of a step."""
    elbo_per_image = elbo.total / elbo.reconstruction.shape[1]
    return torch.stack([term.mean() for term in (elbo_per_image, *(getattr(elbo, name) for name in terms))])


class TermMeter:
    """Collects the terms of each step; one device synchronisation per ``flush``, none per step.

    With several processes ``flush`` is a collective call, and all of them get the means over the groups of all.

    Args:
        terms: the fields of the bound to record.
    """

    def __init__(self, terms: Sequence[str]) -> None:
        self._names = ["elbo", *terms]
        self._rows: list[Tensor] = []
        self._indices: list[Tensor] = []
        self._groups: list[int] = []
        self.start_clock()

    def start_clock(self) -> None:
        """Forgets the time so far, so that validation does not count as training."""
        self._clock, self._timed_images = time.perf_counter(), 0

    def push(self, means: Tensor, indices: Tensor) -> None:
        """Adds one step: its ``mean_terms``, and the rows ``indices (G, B)`` that its images came from."""
        self._rows.append(means)
        self._indices.append(indices)
        self._groups.append(len(indices))
        self._timed_images += indices.numel()

    def state_dict(self) -> dict[str, Any]:
        """All that was recorded since the last flush, as plain values, and the time it took in seconds."""
        return {
            "rows": [row.cpu() for row in self._rows],
            "indices": [indices.cpu() for indices in self._indices],
            "groups": list(self._groups),
            "images": self._timed_images,
            "seconds": time.perf_counter() - self._clock,
        }

    def load_state_dict(self, state: dict[str, Any], device: torch.device | str = "cpu") -> None:
        """Goes on from ``state``, on the device that the next steps are on; its clock runs from now."""
        self._groups = list(state["groups"])
        self._rows = [row.to(device) for row in state["rows"]]
        self._indices = [indices.to(device) for indices in state["indices"]]
        self._clock, self._timed_images = time.perf_counter() - state["seconds"], state["images"]

    def first_bad(self) -> NonFiniteStep | None:
        """The first step since the last flush with a NaN or infinite term, on any rank; flushes nothing."""
        bad = self._first_bad(torch.stack(self._rows).double().cpu()) if self._rows else None
        return first_of_all(gather_objects(bad))

    def flush(self) -> tuple[dict[str, float], NonFiniteStep | None]:
        """Means over the groups since the last call, in nats per image (kl_beta: per group), with images per second.

        Returns:
            the means, and the first step with a NaN or infinite term if there is one.
        """
        if not self._rows:
            return {}, None
        rows = torch.stack(self._rows).double().cpu()
        weights = torch.tensor(self._groups, dtype=rows.dtype)
        speed = self._timed_images / max(time.perf_counter() - self._clock, 1e-9)
        sums, groups, speeds, bad = zip(
            *gather_objects((weights @ rows, weights.sum(), speed, self._first_bad(rows))), strict=True
        )
        means = dict(zip(self._names, (sum(sums) / sum(groups)).tolist(), strict=True))
        means["images_per_second"] = sum(speeds)
        self._rows, self._indices, self._groups = [], [], []
        self.start_clock()
        return means, first_of_all(bad)

    def _first_bad(self, rows: Tensor) -> NonFiniteStep | None:
        steps = (~rows.isfinite()).any(1).nonzero().flatten().tolist()
        if not steps:
            return None
        first = steps[0]
        names = [
            name for name, value in zip(self._names, rows[first].tolist(), strict=True) if not math.isfinite(value)
        ]
        return NonFiniteStep(len(rows) - 1 - first, names, self._indices[first].flatten().tolist())


def first_of_all(bad: Sequence[NonFiniteStep | None]) -> NonFiniteStep | None:
    """The first bad step of all ranks, of which each has one or none; its rank is noted."""
    steps = [step._replace(rank=rank) for rank, step in enumerate(bad) if step]
    return max(steps, key=lambda step: step.steps_ago, default=None)


def non_finite_error(bad: NonFiniteStep, step: int, epoch: int) -> NonFiniteLossError:
    """The error that ends a run; it carries the rows of the training table that made the batch.

    Args:
        bad: the step.
        step: the optimiser step at which it was found.
        epoch: the epoch of it.
    """
    step -= bad.steps_ago
    where = f" on rank {bad.rank}" if distributed_rank()[1] > 1 else ""
    record = {
        "step": step,
        "epoch": epoch,
        "rank": bad.rank,
        "terms": bad.names,
        "rows_of_the_training_images": bad.indices,
    }
    return NonFiniteLossError(
        f"non-finite {', '.join(bad.names)} at step {step}{where}; the last good checkpoint is kept. "
        "Try a lower model.learning_rate.",
        record,
    )


def check_finite_weights(model: torch.nn.Module, step: int) -> None:
    """Raises a NonFiniteLossError that names the weights which ``step`` made NaN or infinite."""
    values = model.state_dict().items()
    bad = [name for name, value in values if value.is_floating_point() and not value.isfinite().all()]
    if bad:
        more = f" and {len(bad) - 3} more" if len(bad) > 3 else ""
        raise NonFiniteLossError(
            f"non-finite weights {', '.join(bad[:3])}{more} after step {step}; no checkpoint is written of them, the "
            "last good one is kept. Try a lower model.learning_rate."
        )
