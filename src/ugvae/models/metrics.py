"""The terms of the bound as one metric, and what is said of a step whose terms are not finite."""

import math
import time
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from ugvae.distributed import distributed_rank, gather_objects
from ugvae.errors import NonFiniteLossError
from ugvae.models.bound import BoundSums


class BadStep(NamedTuple):
    """The first step since the last reset with a NaN or infinite term.

    Attributes:
        steps_ago: how long ago it was.
        terms: names of the terms.
        rows: rows of the training table that made the batch.
        rank: process that had the batch.
    """

    steps_ago: int
    terms: list[str]
    rows: list[int]
    rank: int = 0


class BoundMetric(Metric):
    """Means of the terms of the bound over all images and groups since the last reset, over all processes.

    The state is two lists, of the sums of each step and of its numbers of images and groups. It stays on the device:
    ``update`` does no arithmetic and never waits for the device; ``compute`` reads everything at once.

    Args:
        ranks_per_group: processes that share each group, which then counts once and not once for each process.
    """

    full_state_update = False
    rows: list[Tensor]
    counts: list[Tensor]

    def __init__(self, ranks_per_group: int = 1) -> None:
        super().__init__()
        self.ranks_per_group = ranks_per_group
        self.add_state("rows", default=[], dist_reduce_fx="cat")
        self.add_state("counts", default=[], dist_reduce_fx="cat")
        self.names: tuple[str, ...] = ()
        self.per_group: tuple[bool, ...] = ()
        self.indices: list[Tensor] = []
        self._known_counts: dict[torch.Size, Tensor] = {}

    @property
    def group_terms(self) -> list[str]:
        """Names of the terms with one value per group."""
        return [name for name, of_groups in zip(self.names, self.per_group, strict=True) if of_groups]

    def update(self, sums: BoundSums, indices: Tensor, mask: Tensor | None = None) -> None:
        """Adds a step.

        Args:
            sums: what ``Bound.sums`` gives.
            indices: rows of the table that the images came from, ``(G, B)``.
            mask: which images there are, bool ``(G, B)``, where groups differ in size.
        """
        self.names, self.per_group = sums.names, sums.per_group
        if mask is not None:
            groups = mask.new_tensor(len(indices) / self.ranks_per_group, dtype=torch.float64)
            count = torch.stack([mask.sum().double(), groups])
        elif (count := self._known_counts.get(indices.shape)) is None:
            pair = [indices.numel(), len(indices) / self.ranks_per_group]
            count = self._known_counts[indices.shape] = torch.tensor(pair, dtype=torch.float64)
        self.rows.append(sums.values)
        self.counts.append(count)
        self.indices.append(indices)

    def compute(self) -> dict[str, float]:
        """Nats per image; for terms of the groups nats per group. With several processes this is a collective call."""
        sums = dim_zero_cat(self.rows).cpu().double().view(-1, len(self.names)).sum(0).tolist()
        images, groups = dim_zero_cat([count.cpu().double() for count in self.counts]).view(-1, 2).sum(0).tolist()
        return {
            name: value / (groups if of_groups else images)
            for name, of_groups, value in zip(self.names, self.per_group, sums, strict=True)
        }

    def reset(self) -> None:
        super().reset()
        self.indices = []

    def first_bad_step(self) -> BadStep | None:
        """The first step since the last reset with a NaN or infinite term, on any process; a collective call."""
        bad = None
        if self.rows:
            rows = torch.stack(self.rows).cpu()
            steps = (~rows.isfinite()).any(1).nonzero().flatten().tolist()
            if steps:
                first = steps[0]
                values = dict(zip(self.names, rows[first].tolist(), strict=True))
                terms = [name for name, value in values.items() if not math.isfinite(value)]
                taken = self.indices[first].flatten()
                bad = BadStep(len(rows) - 1 - first, terms, taken[taken >= 0].tolist())
        bad_steps = [step._replace(rank=rank) for rank, step in enumerate(gather_objects(bad)) if step]
        return max(bad_steps, key=lambda step: step.steps_ago, default=None)

    def saved_state(self) -> dict[str, Any]:
        """All that was recorded since the last reset, as plain values for a checkpoint."""
        return {
            "names": list(self.names),
            "per_group": list(self.per_group),
            "rows": [row.cpu() for row in self.rows],
            "indices": [indices.cpu() for indices in self.indices],
        }

    def restore(self, state: dict[str, Any], device: torch.device) -> None:
        """Goes on from what ``saved_state`` gave, on the device of the next steps."""
        self.reset()
        names, per_group = tuple(state["names"]), tuple(state["per_group"])
        for row, indices in zip(state["rows"], state["indices"], strict=True):
            mask = indices >= 0  # padding has the index −1
            self.update(BoundSums(names, per_group, row.to(device)), indices.to(device), None if mask.all() else mask)


class Speed:
    """Images per second since the clock was last started."""

    def __init__(self) -> None:
        self.start()

    def start(self, seconds: float = 0.0, images: int = 0) -> None:
        """Starts the clock anew; ``seconds`` and ``images`` are those of an interrupted session."""
        self.images: int | Tensor = images  # a tensor where masks are counted, so that no step waits for the device
        self._since = time.perf_counter() - seconds

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self._since

    def images_per_second(self) -> float:
        """The speed of all processes together; a collective call."""
        return sum(gather_objects(int(self.images) / max(self.seconds, 1e-9)))


def non_finite_error(bad: BadStep, step: int, epoch: int) -> NonFiniteLossError:
    """The error that ends a run; it carries the rows of the training table that made the batch.

    Args:
        bad: the bad step.
        step: optimiser step at which it was found.
        epoch: epoch in which it was found.
    """
    step -= bad.steps_ago
    where = f" on rank {bad.rank}" if distributed_rank()[1] > 1 else ""
    record = {
        "step": step,
        "epoch": epoch,
        "rank": bad.rank,
        "terms": bad.terms,
        "rows_of_the_training_images": bad.rows,
    }
    return NonFiniteLossError(
        f"non-finite {', '.join(bad.terms)} at step {step}{where}; the last good checkpoint is kept. "
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
