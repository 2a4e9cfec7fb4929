"""What every model shares: settings, the training step, the record of the bound. Only here do models meet Lightning.

Axes: G groups, B images per group, C channels, H and W pixels.
"""

from abc import abstractmethod
from typing import Any, ClassVar, Literal

import torch
from jsonargparse.typing import NonNegativeInt, PositiveFloat, PositiveInt
from pytorch_lightning import LightningDataModule
from torch import Tensor

from ugvae.distributed import distributed_rank
from ugvae.errors import ConfigError, check_choice, check_counts, check_not_negative, check_positive, plain_value
from ugvae.models.bound import Bound, BoundSums, Posterior
from ugvae.models.latent import LatentModel
from ugvae.models.metrics import BoundMetric, Speed, check_finite_weights, non_finite_error
from ugvae.models.optim import ScheduledModule
from ugvae.networks.backbones import build_backbone
from ugvae.networks.heads import HIDDEN, GaussianHead

ImageShape = tuple[PositiveInt, PositiveInt, PositiveInt]  # (C, H, W)


class GroupVAE(LatentModel, ScheduledModule):
    """Base of all models. A subclass adds its networks, ``_bound``, ``_infer``, and what ``LatentModel`` asks for.

    Attributes:
        data_grouping: how the training images must be grouped (``data.grouping``); None takes any.

    Args:
        image_shape: (C, H, W); the command line takes it from the data.
        z_dim: dimensions of the local latent.
        beta_dim: dimensions of the global latent, given by the subclass; 0 for none.
        backbone: ``mlp`` or ``conv`` (Table 2).
        x_std: σ_x, standard deviation of a pixel around the decoded mean.
        norm: ``batch``, ``group`` or ``none`` in the conv encoder.
        learning_rate: of Adam, after the warm-up.
        schedule: of the learning rate: ``cosine`` falls to 0 at the last step, ``constant`` is the paper's.
        warmup_steps: steps in which the learning rate rises from 0; the first gradients are the largest by far.
        compile: compile the bound and the loss of a step with ``torch.compile``.
        span_devices: each group spans all processes, with B images on each of them (docs/distributed.md). Needs a
            global latent. ``elbo`` is a collective call then, and gives the share of this process.

    Raises:
        ConfigError: a value out of range; the message names the setting.
    """

    data_grouping: ClassVar[str | None] = None

    def __init__(
        self,
        image_shape: ImageShape,
        z_dim: PositiveInt,
        beta_dim: NonNegativeInt,
        backbone: Literal["mlp", "conv"] = "mlp",
        x_std: PositiveFloat = 0.2,
        norm: Literal["batch", "group", "none"] = "batch",
        learning_rate: PositiveFloat = 5e-3,
        schedule: Literal["cosine", "constant"] = "cosine",
        warmup_steps: NonNegativeInt = 50,
        compile: bool = False,
        span_devices: bool = False,
    ) -> None:
        super().__init__()
        image_shape = tuple(image_shape)
        if len(image_shape) != 3:
            raise ConfigError(f"image_shape: expected (C, H, W), got {image_shape}")
        check_counts(image_shape=min(image_shape), z_dim=z_dim)
        check_positive(x_std=x_std, learning_rate=learning_rate)
        check_not_negative(warmup_steps=warmup_steps)
        check_choice("schedule", schedule, ("cosine", "constant"))
        if span_devices and not beta_dim:
            raise ConfigError(f"span_devices: the images of a group share nothing in {type(self).__name__}")
        self.keep_settings(
            image_shape=image_shape,
            z_dim=z_dim,
            backbone=backbone,
            x_std=x_std,
            norm=norm,
            learning_rate=learning_rate,
            schedule=schedule,
            warmup_steps=warmup_steps,
            compile=compile,
            span_devices=span_devices,
        )
        self.image_shape, self.z_dim, self.beta_dim = image_shape, z_dim, beta_dim
        self.x_std, self.learning_rate = float(x_std), float(learning_rate)
        self.schedule, self.warmup_steps, self.span_devices = schedule, warmup_steps, span_devices
        self.encoder, self.decoder = build_backbone(backbone, image_shape, z_dim + beta_dim, norm)
        self.z_head = GaussianHead(HIDDEN, z_dim)
        self.training_terms, self.evaluation_terms, self.speed = BoundMetric(), BoundMetric(), Speed()
        self.latest_terms: dict[str, float] = {}  # the last that were logged, for the progress bar
        self.training_outputs = torch.compile(self._training_outputs) if compile else self._training_outputs

    def keep_settings(self, **settings: Any) -> None:
        """Keeps arguments of the constructor in every checkpoint, the defaults too: so it outlives a new default."""
        self.save_hyperparameters({name: plain_value(value) for name, value in settings.items()})

    @abstractmethod
    def _bound(self, images: Tensor, mask: Tensor | None) -> Bound:
        """The bound of float images ``(G, B, C, H, W)`` in [0, 1] with mask ``(G, B)``, unchecked."""

    @abstractmethod
    def _infer(self, images: Tensor, mask: Tensor | None) -> Posterior:
        """The posteriors of float images ``(G, B, C, H, W)`` in [0, 1] with mask ``(G, B)``, unchecked."""

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
        return self._infer(self.checked(images), self.checked_mask(mask, images))

    def objective(self, bound: Bound) -> Tensor:
        """What training maximises, nats per group ``(G,)``: the bound, unless the model weighs its terms."""
        return bound.total

    def loss(self, bound: Bound) -> Tensor:
        """What training minimises: −objective, nats per image, averaged over the images there are."""
        if bound.mask is not None:
            return -self.objective(bound).sum() / bound.mask.sum()
        return -self.objective(bound).mean() / bound["reconstruction"].shape[1]

    def setup(self, stage: str) -> None:
        data = self.trainer.datamodule
        if stage == "fit":
            _check_batch_norm(self, data)
            if self.data_grouping:
                _check_grouping(type(self).__name__, self.data_grouping, data)
        if data is not None:
            data.span_devices = self.span_devices
        for metric in (self.training_terms, self.evaluation_terms):
            metric.ranks_per_group = distributed_rank()[1] if self.span_devices else 1

    def _training_outputs(self, images: Tensor, mask: Tensor | None = None) -> tuple[Tensor, BoundSums]:
        """All that a step computes of the images ``(G, B, C, H, W)`` of a loader: the loss, and the terms added up."""
        bound = self._bound(self.to_unit(images), mask)
        return self.loss(bound), bound.sums()

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        mask = batch.get("mask")
        loss, sums = self.training_outputs(batch["image"], mask)
        self.training_terms.update(sums, batch["index"], mask)
        self.speed.images += batch["index"].numel()
        return loss

    def on_fit_start(self) -> None:
        super().on_fit_start()
        if rank := distributed_rank()[0]:  # each process draws noise of its own; the first one as if it were alone
            torch.manual_seed(torch.initial_seed() + rank)

    def on_train_epoch_start(self) -> None:
        self.speed.start()  # validation does not count

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.log_if_due()

    def log_if_due(self) -> None:
        """Logs the means at the steps that log; a second call at the same step does nothing."""
        if self.trainer.global_step % self.trainer.log_every_n_steps == 0 or self.trainer.is_last_batch:
            self.log_training_terms()

    def log_training_terms(self) -> None:
        """Logs the means since the last call. This is the only place of the loop that waits for the device.

        It runs before validation, so that an epoch with a non-finite step has no score.

        Raises:
            NonFiniteLossError: a term became NaN or infinite; names the first step and its terms.
        """
        if not self.training_terms.rows:
            return
        self._raise_if_not_finite()
        self.latest_terms = {**self.training_terms.compute(), "images_per_second": self.speed.images_per_second()}
        self.training_terms.reset()
        self.speed.start()
        metrics = {f"train/{name}": value for name, value in self.latest_terms.items()}
        for logger in self.loggers:
            logger.log_metrics({**metrics, "epoch": self.current_epoch}, step=self.trainer.global_step)
            logger.save()

    def _raise_if_not_finite(self) -> None:
        if bad := self.training_terms.first_bad_step():
            raise non_finite_error(bad, self.trainer.global_step, self.current_epoch)

    def _evaluation_step(self, batch: dict[str, Tensor]) -> None:
        mask = batch.get("mask")
        sums = self._bound(self.to_unit(batch["image"]), mask).sums()
        self.evaluation_terms.update(sums, batch["index"], mask)

    def _log_evaluation(self, stage: str) -> None:
        means = self.evaluation_terms.compute()
        self.evaluation_terms.reset()
        # all processes have the same already; without sync_dist Lightning would warn that they may differ
        self.log_dict({f"{stage}/{name}": value for name, value in means.items()}, sync_dist=True)

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        self._evaluation_step(batch)

    def on_validation_epoch_end(self) -> None:
        self._log_evaluation("val")

    def test_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        self._evaluation_step(batch)

    def on_test_epoch_end(self) -> None:
        self._log_evaluation("test")

    def predict_step(self, batch: dict[str, Tensor], batch_idx: int) -> tuple[Posterior, dict[str, Tensor]]:
        columns = {name: column for name, column in batch.items() if name != "image"}
        return self._infer(self.to_unit(batch["image"]), batch.get("mask")), columns

    def on_save_checkpoint(self, checkpoint: dict) -> None:
        self._raise_if_not_finite()
        check_finite_weights(self, checkpoint["global_step"])
        checkpoint["model_class"] = type(self).__name__


def _check_batch_norm(model: torch.nn.Module, data: LightningDataModule | None) -> None:
    """Raises a ConfigError if BatchNorm would be trained on one image per step, which has no variance."""
    images = getattr(data, "group_size", 2) * getattr(data, "groups_per_batch", 1)
    if images < 2 and any(isinstance(layer, torch.nn.BatchNorm2d) for layer in model.modules()):
        raise ConfigError(
            "model.norm: batch needs two images per step, data.group_size × data.groups_per_batch is 1; "
            "set model.norm to group or none"
        )


def _check_grouping(model: str, needed: str, data: LightningDataModule | None) -> None:
    """Raises a ConfigError if the training groups are not of the kind that a model needs; bare loaders are trusted."""
    if data is None:
        return
    kind = getattr(getattr(data, "training_groups", None), "kind", None)
    if kind is None:
        raise ConfigError(
            f"data: {model} needs groups of kind {needed!r}; {type(data).__name__} has random groups only"
        )
    if kind != needed:
        raise ConfigError(
            f"data.grouping: {model} needs groups of kind {needed!r}, images that share a label, got {kind!r}; set "
            f"--data.grouping {needed}, and --data.group_column to the column with the labels"
        )
