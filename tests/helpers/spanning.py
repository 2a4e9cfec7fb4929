"""What each of two ranks finds of groups that span them, and of a meter that all fill.

Axes: G groups, B images per group and rank, R ranks.
"""

from functools import partial
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from tests.helpers.ranks import join
from tests.helpers.reference import fixed_noise
from tests.helpers.small_models import make
from ugvae import models
from ugvae.models import BaseVAE, Bound
from ugvae.models.metrics import BoundMetric

G, B, R = 2, 3, 2
CASES = [("UGVAE", False), ("UGVAE", True), ("MLVAE", False), ("MLVAE", True)]  # with or without prior_expert
TERMS = torch.arange(24.0).view(4, 6)  # of 4 groups: reconstruction of 2 images, their kl_z, kl_d of both, kl_beta
SHARES = [slice(0, 3), slice(3, 4)]  # groups of each rank: not equally many


def case(name: str, prior_expert: bool, span: bool, **settings: bool) -> tuple[BaseVAE, Tensor, Tensor, Tensor]:
    """A model in float64, images (G, R·B, …), and noise of z and of beta: the same in every process."""
    torch.manual_seed(3)
    model = make(getattr(models, name), prior_expert=prior_expert, span_devices=span, **settings)
    images = torch.rand(G, R * B, *model.image_shape, dtype=model.dtype)
    z, beta = torch.randn(G, R * B, model.z_dim), torch.randn(G, model.beta_dim)
    return model, images, z.to(model.dtype), beta.to(model.dtype)


class Loss(torch.nn.Module):
    """The training loss as a module, so that DistributedDataParallel averages its gradients."""

    def __init__(self, model: BaseVAE) -> None:
        super().__init__()
        self.model = model
        self.bound = torch.compile(model._bound) if model.hparams.compile else model._bound

    def forward(self, images: Tensor, mask: Tensor | None = None) -> tuple[Tensor, dict[str, Tensor]]:
        elbo = self.bound(images, mask)
        return self.model.loss(elbo), dict(elbo)


def step(model: BaseVAE, images: Tensor, mask: Tensor | None, *noise: Tensor) -> dict[str, Any]:
    """Loss, terms and gradients of one step on this rank's images."""
    parallel = DistributedDataParallel(Loss(model))
    with fixed_noise(*noise):
        loss, elbo = parallel(images, mask)
    loss.backward()
    gradients = {name: value.grad for name, value in model.named_parameters()}
    terms = {term: value.detach() for term, value in elbo.items()}
    return {"loss": loss.detach(), "elbo": terms, "gradients": gradients}


def spanning_step(rank: int, name: str, prior_expert: bool, **settings: bool) -> dict[str, Any]:
    """A step on this rank's part of every group."""
    model, images, z, beta = case(name, prior_expert, span=True, **settings)
    mine = slice(rank * B, (rank + 1) * B)
    other = beta if rank == 0 else torch.full_like(beta, torch.nan)  # the first rank's noise alone may count
    return step(model, images[:, mine], None, z[:, mine], other)


def masked_groups(model: BaseVAE) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Images of 4 groups of 1, 3, 2 and 3, two for each rank; the mask; noise of z and of beta."""
    images = torch.rand(4, 3, *model.image_shape, dtype=model.dtype)
    mask = torch.arange(3) < torch.tensor([[1], [3], [2], [3]])
    z, beta = torch.randn(4, 3, model.z_dim), torch.randn(4, model.beta_dim)
    return images, mask, z.to(model.dtype), beta.to(model.dtype)


def masked_step(rank: int) -> dict[str, Any]:
    """A step on this rank's groups of unequal size."""
    torch.manual_seed(3)
    model = make(models.UGVAE)
    mine = slice(2 * rank, 2 * rank + 2)
    groups = [values[mine] for values in masked_groups(model)]
    model.counts_are_shared = True
    return step(model, *groups)


def as_bound(terms: Tensor) -> Bound:
    """Rows of ``TERMS`` as a bound of groups of 2 images."""
    of_images = {"reconstruction": terms[:, 0:2], "kl_z": terms[:, 2:4], "kl_d": terms[:, 4:5].expand(-1, 2)}
    return Bound({**of_images, "kl_beta": terms[:, 5]})


def metered(rank: int, spoil: int | None) -> tuple[dict[str, float], tuple | None]:
    """What the metric says after this rank's groups came one by one; ``spoil`` makes the last of a rank infinite."""
    metric = BoundMetric()
    for group in range(*SHARES[rank].indices(len(TERMS))):
        terms = TERMS[group : group + 1].clone()
        if rank == spoil and group == SHARES[rank].stop - 1:
            terms[:, 5] = torch.inf
        metric.update(as_bound(terms).sums(), torch.full((1, 2), group))
    bad = metric.first_bad_step()
    return metric.compute(), bad and tuple(bad)


def work() -> None:
    """One of the ranks: leaves what it found in ``RANK.pt``."""
    rank, _ = join()
    results = {"steps": {case: spanning_step(rank, *case) for case in CASES}}
    results["masked"] = masked_step(rank)
    results["metered"], results["spoilt"] = metered(rank, None), metered(rank, 1)
    torch.save(results, f"{rank}.pt")
    torch.distributed.destroy_process_group()


def compiled_work() -> None:
    """The same with a bound that is traced and split into graphs; the step that makes machine code is left out."""
    rank, _ = join()
    with patch("torch.compile", partial(torch.compile, backend="aot_eager")):
        step = spanning_step(rank, *CASES[0], compile=True)
    torch.save({"steps": {CASES[0]: step}}, f"{rank}.pt")
    torch.distributed.destroy_process_group()
