"""A running record of ELBO terms that stays on the device until it is read."""

import math
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

if TYPE_CHECKING:
    from ugvae.models.terms import ELBO


class NonFiniteStep(NamedTuple):
    """The first bad step since the last flush: how long ago, which terms, which rows of the table."""

    steps_ago: int
    names: list[str]
    indices: list[int]


class TermMeter:
    """Collects the terms of each step; one device synchronisation per ``flush``, none per step.

    Args:
        terms: the fields of the bound to record; None records all.
    """

    def __init__(self, terms: Sequence[str] | None = None) -> None:
        self._terms = terms
        self._rows: list[Tensor] = []
        self._indices: list[Tensor] = []
        self._groups: list[int] = []
        self._names: list[str] = []
        self.start_clock()

    def start_clock(self) -> None:
        """Forgets the time so far, so that validation does not count as training."""
        self._clock, self._timed_images = time.perf_counter(), 0

    @torch.no_grad()
    def push(self, elbo: "ELBO", indices: Tensor) -> None:
        """Adds one step: ``elbo`` of (G, B) images and the rows ``indices (G, B)`` they came from."""
        elbo_per_image = elbo.total / indices.shape[1]
        recorded = elbo._fields if self._terms is None else self._terms
        terms = {"elbo": elbo_per_image, **{name: getattr(elbo, name) for name in recorded}}
        self._names = list(terms)
        self._rows.append(torch.stack([term.mean() for term in terms.values()]))
        self._indices.append(indices)
        self._groups.append(len(indices))
        self._timed_images += indices.numel()

    def flush(self) -> tuple[dict[str, float], NonFiniteStep | None]:
        """Means over the groups since the last call, in nats per image (kl_beta: per group), with images per second.

        Returns:
            the means, and the first step with a NaN or infinite term if there is one.
        """
        if not self._rows:
            return {}, None
        rows = torch.stack(self._rows).double().cpu()
        weights = torch.tensor(self._groups, dtype=rows.dtype)
        means = dict(zip(self._names, (weights @ rows / weights.sum()).tolist(), strict=True))
        means["images_per_second"] = self._timed_images / max(time.perf_counter() - self._clock, 1e-9)
        bad = self._first_bad(rows)
        self._rows, self._indices, self._groups = [], [], []
        self.start_clock()
        return means, bad

    def _first_bad(self, rows: Tensor) -> NonFiniteStep | None:
        steps = (~rows.isfinite()).any(1).nonzero().flatten().tolist()
        if not steps:
            return None
        first = steps[0]
        names = [
            name for name, value in zip(self._names, rows[first].tolist(), strict=True) if not math.isfinite(value)
        ]
        return NonFiniteStep(len(rows) - 1 - first, names, self._indices[first].flatten().tolist())
