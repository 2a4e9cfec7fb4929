"""What every model shares: its settings, and the bound and the posteriors of images.

Axes: G groups, B images per group, C channels, H and W pixels.
"""

import inspect
import math
from abc import abstractmethod
from typing import Any, ClassVar, Literal

import torch
from jsonargparse.typing import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor

from ugvae.distributed import gather
from ugvae.distributions import hsic, transport_between
from ugvae.errors import ConfigError, check_choice, check_counts, check_not_negative, check_positive, plain_value
from ugvae.models.bound import Bound, Posterior, Way, in_halves
from ugvae.models.latent import LatentModel
from ugvae.models.sharing import SharedModule
from ugvae.models.training import TrainedModule
from ugvae.networks.backbones import DEPTH, WIDTH, build_backbone
from ugvae.networks.heads import HIDDEN, GaussianHead
from ugvae.networks.likelihoods import build_likelihood

MNIST_PIXELS = 28 * 28  # the size that the weight of independence refers to
ImageShape = tuple[PositiveInt, PositiveInt, PositiveInt]  # (C, H, W)


class BaseVAE(LatentModel, SharedModule, TrainedModule):
    """Base of all models. A subclass adds its networks, ``_bound``, ``posterior``, and what ``LatentModel`` asks for.

    Attributes:
        can_span: whether the model knows how groups that span processes make one beta.

    Args:
        image_shape: (C, H, W); the command line takes it from the data.
        z_dim: dimensions of the local latent.
        beta_dim: dimensions of the global latent, given by the subclass; 0 for none.
        backbone: ``mlp`` or ``conv`` (Table 2), or ``residual``.
        width: channels of the residual backbone at half the image's size, a multiple of 8.
        depth: residual blocks at a quarter and at an eighth of the image's size.
        likelihood: ``gaussian``, the paper's; ``learned_std``, ``discretized_logistic`` or ``continuous_bernoulli``
            (``networks/likelihoods.py``).
        x_std: σ_x, standard deviation of a pixel around the decoded mean; where it is learned, its start.
        norm: ``batch``, ``group`` or ``none`` in the conv encoder.
        learning_rate: of Adam, after the warm-up.
        schedule: of the learning rate: ``cosine`` falls to 0 at the last step, ``constant`` is the paper's.
        warmup_steps: steps in which the learning rate rises from 0; the first gradients are the largest by far.
        compile: compile the bound and the loss of a step with ``torch.compile``.
        local_posterior: ``given_x``, q(z | x), the paper's; ``given_beta``, q(z | x, beta): beta is inferred first, and
            z may leave to beta what the group has in common without losing it where groups have nothing in common.
        beta_from: ``group``: the images of a group share the beta that all of them give, as in the paper;
            ``other_half``: in training, the beta of one half of a group is inferred from the images of its other half
            (Hewitt et al. 2018, arXiv:1807.08919), so that beta cannot code the images that are decoded from it. The
            other half of an image alone is empty, and gives the prior. Evaluation takes the whole group either way.
        independence: weight of a term that asks z to be independent of beta (``hsic``), which the bound never asks. It
            is part of the loss (nats per image) from step 200 on, times 100 and times the number of pixels over that of
            MNIST: one weight means the same for images of any size. It is no part of the reported bound.
        span_devices: each group spans all processes, with B images on each of them (docs/distributed.md). Needs a
            global latent. ``elbo`` is a collective call then, and gives the share of this process.
        init_from: a checkpoint whose weights a new run starts from, and nothing else of it: settings of training,
            schedule and data are the run's own. No part of the checkpoints.

    Raises:
        ConfigError: a value out of range; the message names the setting.
    """

    can_span: ClassVar[bool] = True

    def __init__(
        self,
        image_shape: ImageShape,
        z_dim: PositiveInt,
        beta_dim: NonNegativeInt,
        backbone: Literal["mlp", "conv", "residual"] = "mlp",
        width: PositiveInt = WIDTH,
        depth: PositiveInt = DEPTH,
        likelihood: Literal["gaussian", "learned_std", "discretized_logistic", "continuous_bernoulli"] = "gaussian",
        x_std: PositiveFloat = 0.2,
        norm: Literal["batch", "group", "none"] = "batch",
        learning_rate: PositiveFloat = 5e-3,
        schedule: Literal["cosine", "constant"] = "cosine",
        warmup_steps: NonNegativeInt = 50,
        compile: bool = False,
        local_posterior: Literal["given_x", "given_beta"] = "given_x",
        beta_from: Literal["group", "other_half"] = "group",
        independence: NonNegativeFloat = 0.0,
        span_devices: bool = False,
        init_from: str | None = None,
    ) -> None:
        super().__init__()
        image_shape = tuple(image_shape)
        if len(image_shape) != 3:
            raise ConfigError(f"image_shape: expected (C, H, W), got {image_shape}")
        check_counts(image_shape=min(image_shape), z_dim=z_dim)
        check_positive(x_std=x_std, learning_rate=learning_rate)
        check_not_negative(warmup_steps=warmup_steps, independence=independence)
        check_choice("local_posterior", local_posterior, ("given_x", "given_beta"))
        check_choice("beta_from", beta_from, ("group", "other_half"))
        check_choice("schedule", schedule, ("cosine", "constant"))
        needs_beta = {
            "span_devices": span_devices,
            "local_posterior": local_posterior == "given_beta",
            "beta_from": beta_from == "other_half",
            "independence": independence,
        }
        for name, wanted in needs_beta.items():
            if wanted and not beta_dim:
                default = inspect.signature(BaseVAE).parameters[name].default
                raise ConfigError(
                    f"{name}: the images of a group share nothing in {type(self).__name__}; --model.{name} {default}"
                )
        if span_devices and not self.can_span:
            raise ConfigError(
                f"span_devices: the beta of {type(self).__name__} is no product over processes; set false"
            )
        if span_devices and beta_from == "other_half":
            raise ConfigError("span_devices: a group is cut into halves on one device; --model.beta_from group")
        if span_devices and independence:
            raise ConfigError("span_devices: the term of independence takes all images of a group on one device")
        self.keep_settings(
            image_shape=image_shape,
            z_dim=z_dim,
            backbone=backbone,
            width=width,
            depth=depth,
            likelihood=likelihood,
            x_std=x_std,
            norm=norm,
            learning_rate=learning_rate,
            schedule=schedule,
            warmup_steps=warmup_steps,
            compile=compile,
            local_posterior=local_posterior,
            beta_from=beta_from,
            independence=independence,
            span_devices=span_devices,
        )
        self.image_shape, self.z_dim, self.beta_dim = image_shape, z_dim, beta_dim
        self.x_std, self.learning_rate = float(x_std), float(learning_rate)
        self.schedule, self.warmup_steps, self.span_devices = schedule, warmup_steps, span_devices
        self.beta_from = beta_from
        self.init_from = init_from
        self.encoder, self.decoder = build_backbone(backbone, image_shape, z_dim + beta_dim, norm, width, depth)
        self.likelihood = build_likelihood(likelihood, self.x_std)
        self.local_posterior, self.independence = local_posterior, float(independence)
        self.z_head = GaussianHead(HIDDEN + (beta_dim if local_posterior == "given_beta" else 0), z_dim)
        self.training_outputs = torch.compile(self._training_outputs) if compile else self._training_outputs

    def keep_settings(self, **settings: Any) -> None:
        """Keeps arguments of the constructor in every checkpoint, the defaults too: so it outlives a new default."""
        self.save_hyperparameters({name: plain_value(value) for name, value in settings.items()})

    @abstractmethod
    def posterior(self, h: Tensor, mask: Tensor | None = None) -> Posterior:
        """The posteriors of images with features h ``(G, B, 256)`` and mask ``(G, B)``; ``infer`` encodes first."""

    def elbo(self, images: Tensor, mask: Tensor | None = None) -> Bound:
        """The evidence lower bound with one reparameterised sample of the latents.

        Args:
            images: ``(G, B, C, H, W)``, uint8 or float in [0, 1], on any device.
            mask: which images there are, bool ``(G, B)``, where groups differ in size: at least one in each group. The
                others are in no sum, no product and no statistic of BatchNorm.

        Returns:
            terms by name, nats per image ``(G, B)`` or per group ``(G,)``; ``.total``, nats per group, ``(G,)``.

        Raises:
            ValueError: wrong shape, type or range.
        """
        return self._bound(self.checked(images), self.checked_mask(mask, images))

    def infer(self, images: Tensor, mask: Tensor | None = None) -> Posterior:
        """The posteriors of the latents without sampling: what depends on a latent takes its posterior mean.

        Args:
            images: ``(G, B, C, H, W)``, uint8 or float in [0, 1], on any device.
            mask: which images there are, as for ``elbo``.

        Raises:
            ValueError: wrong shape, type or range.
        """
        mask = self.checked_mask(mask, images)
        return self.posterior(self.encode(self.checked(images), mask), mask)

    @torch.no_grad()
    def translate(self, images: Tensor, beta_from: Tensor, beta_to: Tensor, way: Way = "transported") -> Tensor:
        """Images decoded under another global latent.

        Transport carries z along the model's own mixture: under component k by the affine map from p(z | k, beta_from)
        to p(z | k, beta_to), z' = Σ_k π_k [m_k(beta_to) + s_k(beta_to) / s_k(beta_from) · (z − m_k(beta_from))]. Where
        beta does not drive the prior of z, z stays as it is.

        Args:
            images: ``(G, B, C, H, W)``, uint8 or float in [0, 1].
            beta_from: the global latent they belong to, ``(G, beta_dim)``.
            beta_to: the global latent to decode under, ``(G, beta_dim)``.
            way: ``transported``, or ``fixed``, which keeps z as it is.

        Returns:
            image means ``(G, B, C, H, W)``.
        """
        posterior = self.infer(images)
        z = posterior.z.mean
        if way == "transported" and self.num_components:
            z = transport_between(z, posterior.d, self.prior(beta_from), self.prior(beta_to))
        return self.decode(z, beta_to)

    def _training_bound(self, images: Tensor, mask: Tensor | None = None) -> Bound:
        if self.beta_from == "other_half":
            return self._bound(*in_halves(images, mask), halves=True).of_whole_groups()
        return self._bound(images, mask)

    def objective(self, bound: Bound) -> Tensor:
        """What training maximises, nats per group ``(G,)``: the bound, unless the model weighs its terms."""
        return bound.total

    def loss(self, bound: Bound) -> Tensor:
        """What training minimises: −objective, nats per image, averaged over the images there are."""
        if bound.mask is not None:
            count = bound.mask.sum()
            if self.counts_are_shared:
                count = gather(count.to(self.dtype)).mean()
            loss = -self.objective(bound).sum() / count
        else:
            loss = -self.objective(bound).mean() / bound["reconstruction"].shape[1]
        if not self.independence:
            return loss
        weight = 100 * self.independence * math.prod(self.image_shape) / MNIST_PIXELS
        return loss + self.independence_on * weight * bound["hsic"].mean()

    def dependence(self, z: Tensor, beta: Tensor, mask: Tensor | None) -> dict[str, Tensor]:
        """The term ``hsic`` of a batch, the same for each group, ``(G,)``; nothing where it has no weight."""
        return {"hsic": hsic(z, beta, mask).expand(len(beta))} if self.independence else {}
