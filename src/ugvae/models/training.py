"""What Lightning calls in training and evaluation: the step, the record of the bound, the checks before and after.

Axes: G groups, B images per group.
"""

from abc import abstractmethod
from typing import Any, ClassVar, Literal

import torch
from pytorch_lightning import LightningDataModule
from torch import Tensor

from ugvae.distributed import distributed_rank
from ugvae.errors import ConfigError
from ugvae.models.bound import Bound, BoundSums, Posterior
from ugvae.models.metrics import BoundMetric, Speed, check_finite_weights, non_finite_error
from ugvae.models.optim import ScheduledModule

INDEPENDENCE_FROM = 200  # steps, until the latents have a meaning


class TrainedModule(ScheduledModule):
    """A model that has a bound, and what trains, logs and checks it.

    Attributes:
        family: what the images of a training group have to do with one another: ``iid`` nothing, ``grouped`` something
            that the model finds itself, ``labelled`` a label that the data give.
        data_grouping: how the training images must be grouped (``data.grouping``); None takes any.
        span_devices: each group spans all processes.
        beta_from: ``other_half``: training infers the beta of one half of a group from the other half.
        training_outputs: ``_training_outputs``, compiled or not.
        counts_are_shared: in training, groups differ in size between the processes: ``loss`` divides by the number of
            images of all of them, so that the mean of the losses is that of one process.
        latest_terms: the means that were logged last, for the progress bar.
    """

    family: ClassVar[Literal["iid", "grouped", "labelled"]] = "iid"
    data_grouping: ClassVar[str | None] = None
    span_devices: bool
    independence: float
    beta_from: str
    counts_are_shared = False

    def __init__(self) -> None:
        super().__init__()
        self.training_terms, self.evaluation_terms, self.speed = BoundMetric(), BoundMetric(), Speed()
        self.latest_terms: dict[str, float] = {}
        self._logged_step = 0
        self.register_buffer("independence_on", torch.ones(()), persistent=False)  # 0 in the first steps

    @abstractmethod
    def _bound(self, images: Tensor, mask: Tensor | None) -> Bound:
        """The bound of float images ``(G, B, C, H, W)`` in [0, 1] with mask ``(G, B)``, unchecked.

        A model with a global latent takes ``halves`` too: the groups are the halves of ``in_halves``, and the beta of
        each is inferred from the other half of its group (``draw_beta``).
        """

    @abstractmethod
    def _training_bound(self, images: Tensor, mask: Tensor | None) -> Bound:
        """The bound whose objective is maximised: that of ``_bound``, unless training cuts groups or joins images."""

    @abstractmethod
    def infer(self, images: Tensor, mask: Tensor | None = None) -> Posterior:
        """The posteriors of images ``(G, B, C, H, W)`` with mask ``(G, B)``."""

    @abstractmethod
    def loss(self, bound: Bound) -> Tensor:
        """What training minimises, nats per image."""

    @abstractmethod
    def to_unit(self, images: Tensor) -> Tensor:
        """Images as floats in [0, 1]."""

    def setup(self, stage: str) -> None:
        data = self.trainer.datamodule
        if stage == "fit":
            self.check_data(data)
        if data is not None:
            data.span_devices = self.span_devices
        kind = getattr(getattr(data, "training_groups", None), "kind", None)
        self.counts_are_shared = kind == "given" and distributed_rank()[1] > 1
        for metric in (self.training_terms, self.evaluation_terms):
            metric.ranks_per_group = distributed_rank()[1] if self.span_devices else 1

    def check_data(self, data: LightningDataModule | None) -> None:
        """Raises a ConfigError if the model cannot be trained on groups of this kind or size."""
        _check_batch_norm(self, data)
        if self.beta_from == "other_half" and getattr(data, "group_size", 2) < 2:
            raise ConfigError("beta_from: an image alone has no other half; set data.group_size to 2 or more")
        if self.data_grouping:
            _check_grouping(type(self).__name__, self.data_grouping, data)

    def _training_outputs(self, images: Tensor, mask: Tensor | None = None) -> tuple[Tensor, BoundSums]:
        """All that a step computes of the images ``(G, B, C, H, W)`` of a loader: the loss, and the terms added up."""
        bound = self._training_bound(self.to_unit(images), mask)
        return self.loss(bound), bound.sums()

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        mask = batch.get("mask")
        if mask is None and self.counts_are_shared:  # the processes must all take part in counting the images
            mask = torch.ones_like(batch["index"], dtype=torch.bool)
        loss, sums = self.training_outputs(batch["image"], mask)
        self.training_terms.update(sums, batch["index"], mask)
        self.speed.images = self.speed.images + (batch["index"].numel() if mask is None else mask.sum())
        return loss

    def on_fit_start(self) -> None:
        super().on_fit_start()
        if rank := distributed_rank()[0]:  # each process draws noise of its own; the first one as if it were alone
            torch.manual_seed(torch.initial_seed() + rank)

    def on_train_start(self) -> None:
        self._logged_step = self.trainer.global_step

    def on_train_epoch_start(self) -> None:
        self.speed.start()  # validation does not count

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        if self.independence:
            self.independence_on.fill_(float(self.trainer.global_step >= INDEPENDENCE_FROM))

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.log_if_due()

    def log_if_due(self) -> None:
        """Logs the means at the steps that log; a second call at the same step does nothing.

        Where gradients are accumulated, several batches pass before a step is done.
        """
        step, trainer = self.trainer.global_step, self.trainer
        due = step != self._logged_step and (step % trainer.log_every_n_steps == 0 or step == trainer.max_steps)
        if due or trainer.is_last_batch:
            self._logged_step = step
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

    def predict_step(
        self, batch: dict[str, Tensor], batch_idx: int, dataloader_idx: int = 0
    ) -> tuple[Posterior, dict[str, Tensor]]:
        columns = {name: column for name, column in batch.items() if name != "image"}
        return self.infer(batch["image"], batch.get("mask")), columns

    def on_save_checkpoint(self, checkpoint: dict) -> None:
        self._raise_if_not_finite()
        check_finite_weights(self, checkpoint["global_step"])
        checkpoint["model_class"] = f"{type(self).__module__}.{type(self).__qualname__}"


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
