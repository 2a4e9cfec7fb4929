"""What the models give back: the terms of a bound, posteriors, and one draw of what a group shares.

Axes: G groups, B images per group, K components, R ranks, D beta_dim.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

import torch
from einops import rearrange
from torch import Tensor
from torch.nn.functional import pad

from ugvae.distributed import distributed_rank, gather
from ugvae.distributions import DiagonalGaussian, kl_standard_normal, product_of_gaussians

HALVED, JOINED = "g (b half) ... -> (g half) b ...", "(g half) b -> g (b half)"
Way = Literal["fixed", "transported"]  # what is done to z where an image gets another beta


class BoundSums(NamedTuple):
    """The terms of a batch, added up.

    Attributes:
        names: ``elbo``, then the terms.
        per_group: for each name, whether the term has one value per group, and not one per image.
        values: the sums in nats, ``(len(names),)``.
    """

    names: tuple[str, ...]
    per_group: tuple[bool, ...]
    values: Tensor


class Bound(dict[str, Tensor]):
    """The terms of the evidence lower bound of a batch of groups, by name, in nats.

    A term of the images is ``(G, B)``, a term of the groups ``(G,)``. ``reconstruction``, log p(x | z, beta), counts
    for the bound and all others count against it: the KL terms, each at least 0. What is logged, drawn and tabulated
    follows from the names.

    Args:
        terms: the terms of the bound.
        beside: further terms that are reported and are no part of the bound, such as those of another objective.
        mask: which images there are, bool ``(G, B)``, where groups differ in size; the terms of the others become 0.

    Attributes:
        beside: names of the further terms.
        mask: as given.

    Example:
        >>> bound = Bound({"reconstruction": torch.tensor([[3.0, 4.0]]), "kl_beta": torch.tensor([2.0])})
        >>> bound.total
        tensor([5.])
    """

    def __init__(
        self, terms: Mapping[str, Tensor], beside: Mapping[str, Tensor] | None = None, mask: Tensor | None = None
    ) -> None:
        everything = {**terms, **(beside or {})}
        if mask is not None:
            everything = {n: t if t.ndim == 1 else t.masked_fill(~mask, 0.0) for n, t in everything.items()}
        super().__init__(everything)
        self.beside, self.mask = frozenset(beside or ()), mask

    @property
    def total(self) -> Tensor:
        """The bound itself, nats per group, ``(G,)``; of groups that span processes, the share of this process."""
        per_image, per_group = self["reconstruction"], 0.0
        for name, term in self.items():
            if name == "reconstruction" or name in self.beside:
                continue
            if term.ndim == 1:
                per_group = per_group + term
            else:
                per_image = per_image - term
        return per_image.sum(-1) - per_group

    def weighted(self, **weights: float) -> "Bound":
        """The bound with some of its terms multiplied: what an objective such as that of β-VAE maximises."""
        terms = {name: weights.get(name, 1.0) * term for name, term in self.items() if name not in self.beside}
        return Bound(terms, {name: self[name] for name in self.beside}, self.mask)

    def of_whole_groups(self) -> "Bound":
        """The bound of halves (``in_halves``) as that of their groups.

        The terms of the images get their places back, with one masked image more where groups are odd. Those of the
        groups add up over the two halves; those beside the bound, the same for all groups, stay.
        """
        terms, beside = {}, {}
        for name, term in self.items():
            if term.ndim == 2:
                joined = rearrange(term, JOINED, half=2)
            elif name in self.beside:
                joined = term[::2]
            else:
                joined = term.unflatten(0, (-1, 2)).sum(1)
            (beside if name in self.beside else terms)[name] = joined
        return Bound(terms, beside, None if self.mask is None else rearrange(self.mask, JOINED, half=2))

    def sums(self) -> BoundSums:
        """The terms added up over the images and groups, for the record of training; without gradients."""
        per_group = (False, *(term.ndim == 1 for term in self.values()))
        values = torch.stack([term.detach().sum() for term in (self.total, *self.values())])
        return BoundSums(("elbo", *self), per_group, values)


class Posterior(NamedTuple):
    """Posteriors of the latents at their means, without sampling. A latent that the model lacks is None.

    Attributes:
        z: Gaussian ``(G, B, z_dim)``.
        d: component probabilities π ``(G, B, K)``.
        beta: Gaussian ``(G, beta_dim)``.
    """

    z: DiagonalGaussian
    d: Tensor | None = None
    beta: DiagonalGaussian | None = None


class GlobalDraw(NamedTuple):
    """One draw of what the images of a group share, from which the importance-weighted bound goes on.

    Attributes:
        h: features of the images, ``(G, B, 256)``.
        z: q(z | x), ``(G, B, z_dim)``.
        beta: a sample of q(beta | X, Z⁰), ``(G, beta_dim)``; None if the model has no global latent.
        log_weight: log p(beta) − log q(beta | X, Z⁰) in nats, ``(G,)``.
    """

    h: Tensor
    z: DiagonalGaussian
    beta: Tensor | None
    log_weight: Tensor


def in_halves(images: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
    """Every group as two groups, ``(G, B, ...)`` to ``(2G, ⌈B/2⌉, ...)``: its images 0, 2, 4 …, then 1, 3, 5 ….

    The images of a group are in random order, and what is masked comes last, so the halves differ by one image at
    most. The smaller half of an odd group is filled up with a masked image.

    Args:
        images: ``(G, B, ...)``.
        mask: which images there are, bool ``(G, B)``; all by default.

    Returns:
        the halves, and their mask ``(2G, ⌈B/2⌉)``; None if all images are there.
    """
    if images.shape[1] % 2:
        mask = images.new_ones(images.shape[:2], dtype=torch.bool) if mask is None else mask
        images, mask = pad(images, (0, 0) * (images.ndim - 2) + (0, 1)), pad(mask, (0, 1))
    return rearrange(images, HALVED, half=2), None if mask is None else rearrange(mask, HALVED, half=2)


def draw_beta(q_beta: DiagonalGaussian, mask: Tensor | None = None, halves: bool = False) -> tuple[Tensor, Tensor]:
    """A sample of q(beta | X, Z) for each group, and its KL to N(0, I).

    Args:
        q_beta: ``(G, D)``.
        mask: which images there are, bool ``(G, B)``; all by default.
        halves: the groups are the halves of ``in_halves``, and the beta of each is that of the other half of its
            group. A half without images has no KL; the other half of an image alone is empty.

    Returns:
        beta ``(G, D)``; KL in nats per group, ``(G,)``.
    """
    beta, kl_beta = q_beta.sample(), kl_standard_normal(q_beta)
    if halves:
        beta, kl_beta = (value.unflatten(0, (-1, 2)).flip(1).flatten(0, 1) for value in (beta, kl_beta))
        if mask is not None:
            kl_beta = kl_beta.masked_fill(~mask.any(1), 0.0)
    return beta, kl_beta


def sample_beta(
    factors: DiagonalGaussian,
    prior_expert: bool,
    span_devices: bool,
    mask: Tensor | None = None,
    halves: bool = False,
) -> tuple[Tensor, Tensor]:
    """Samples beta from the product of the factors of the images of a group (paper, eq. 8-9).

    A group that spans R processes has R·B images, B on each process. The product over all of them is the product of
    the products of the processes. So the processes exchange one Gaussian per group, with gradients, and all of them
    take the noise of the first one.

    Args:
        factors: one Gaussian per image of this process, ``(G, B, D)``.
        prior_expert: multiply by N(0, I) too, once per group.
        span_devices: the groups span all processes. Then this is a collective call.
        mask: which images there are, bool ``(G, B)``; all by default. Not for groups that span processes.
        halves: of ``draw_beta``. Not for groups that span processes.

    Returns:
        beta ``(G, D)``, the same on all processes of a group; and KL(q(beta | X, Z) ‖ N(0, I)) in nats per group,
        ``(G,)``. Where a group spans R processes, this is one R-th of the KL: the bounds of the processes add up to
        the bound of the group.
    """
    num_ranks = distributed_rank()[1] if span_devices else 1
    if num_ranks == 1:
        return draw_beta(product_of_gaussians(factors, prior_expert, mask), mask, halves)
    part = product_of_gaussians(factors)
    parts = gather(torch.cat([*part, torch.randn_like(part.mean)], -1)).transpose(0, 1)  # (G, R, 3 D)
    mean, log_var, noise = parts.chunk(3, -1)
    q_beta = product_of_gaussians(DiagonalGaussian(mean, log_var), prior_expert)
    beta = torch.addcmul(q_beta.mean, q_beta.std, noise[:, 0].detach())
    return beta, kl_standard_normal(q_beta) / num_ranks
