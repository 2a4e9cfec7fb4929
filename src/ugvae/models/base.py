"""What every model shares: settings, checks, the training step, checkpoints. Lightning lives here, maths does not.

Axes: G groups, B images per group, C channels, H and W pixels.
"""

import inspect
from abc import abstractmethod
from typing import Any, ClassVar

import torch
from pytorch_lightning import LightningDataModule
from torch import Tensor

from ugvae.distributed import distributed_rank, gather_objects
from ugvae.errors import ConfigError, check_counts, check_positive
from ugvae.models.bound import ELBO, Posterior
from ugvae.models.latent import LatentModel
from ugvae.models.metrics import NonFiniteStep, TermMeter, check_finite_weights, mean_terms, non_finite_error
from ugvae.models.optim import ScheduledModule
from ugvae.models.random_state import random_states, set_random_states
from ugvae.networks.backbones import build_backbone
from ugvae.networks.heads import HIDDEN, GaussianHead


class GroupVAE(LatentModel, ScheduledModule):
    """Base of all models. A subclass adds its networks, ``_bound``, ``infer``, and what ``LatentModel`` asks for.

    Attributes:
        terms: the terms of the bound that the model has; the others are 0 and never logged.
        data_grouping: how the training images must be grouped (``data.grouping``); None takes any.

    Args:
        image_shape: (C, H, W); the command line takes it from the data.
        z_dim: dimensions of the local latent.
        beta_dim: dimensions of the global latent, given by the subclass; 0 for none.
        backbone: ``mlp`` or ``conv`` (Table 2).
        x_std: σ_x, standard deviation of a pixel around the decoded mean.
        norm: ``batch``, ``group`` or ``none`` in the conv encoder.
        learning_rate: of Adam, at the start.
        schedule: of the learning rate: ``cosine`` falls to 0 at the last step, ``constant`` is the paper's.
        warmup_steps: steps in which the learning rate rises from 0; the first gradients are the largest by far.
        compile: compile a step's bound and loss with ``torch.compile``.
        span_devices: each group spans all processes, with B images on each of them (docs/distributed.md); needs a
            global latent. ``elbo`` is a collective call then, and gives this process's share of the bound.

    Raises:
        ConfigError: a value out of range; the message names the setting.
    """

    terms: ClassVar[tuple[str, ...]] = ELBO._fields
    data_grouping: ClassVar[str | None] = None

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        z_dim: int,
        beta_dim: int,
        backbone: str = "mlp",
        x_std: float = 0.2,
        norm: str = "batch",
        learning_rate: float = 5e-3,
        schedule: str = "cosine",
        warmup_steps: int = 50,
        compile: bool = False,
        span_devices: bool = False,
    ) -> None:
        super().__init__()
        image_shape = tuple(image_shape)
        if len(image_shape) != 3:
            raise ConfigError(f"image_shape: expected (C, H, W), got {image_shape}")
        check_counts(image_shape=min(image_shape), z_dim=z_dim)
        check_positive(x_std=x_std, learning_rate=learning_rate)
        if schedule not in ("cosine", "constant"):
            raise ConfigError(f"schedule: expected cosine or constant, got {schedule!r}")
        if warmup_steps < 0:
            raise ConfigError(f"warmup_steps: expected 0 or more, got {warmup_steps}")
        if span_devices and not beta_dim:
            raise ConfigError(f"span_devices: the images of a group share nothing in {type(self).__name__}")
        self.save_hyperparameters(
            {
                "image_shape": image_shape,
                "z_dim": z_dim,
                "backbone": backbone,
                "x_std": x_std,
                "norm": norm,
                "learning_rate": learning_rate,
                "schedule": schedule,
                "warmup_steps": warmup_steps,
                "compile": compile,
                "span_devices": span_devices,
            }
        )  # with the defaults, so that a checkpoint outlives a change of default
        self.image_shape, self.x_std = image_shape, x_std
        self.learning_rate, self.schedule, self.warmup_steps = learning_rate, schedule, warmup_steps
        self.z_dim, self.beta_dim, self.span_devices = z_dim, beta_dim, span_devices
        self.encoder, self.decoder = build_backbone(backbone, image_shape, z_dim + beta_dim, norm)
        self.z_head = GaussianHead(HIDDEN, z_dim)
        self.training_terms, self.evaluation_terms = TermMeter(self.terms), TermMeter(self.terms)
        self._resumed: dict[str, Any] | None = None  # this rank's part of a checkpoint, until training goes on from it
        self.latest_terms: dict[str, float] = {}  # means of the last flush, for the progress bar
        self.training_outputs = torch.compile(self._training_outputs) if compile else self._training_outputs

    @abstractmethod
    def _bound(self, images: Tensor) -> ELBO:
        """The ELBO of float images ``(G, B, C, H, W)`` in [0, 1], unchecked."""

    def elbo(self, images: Tensor) -> ELBO:
        """The ELBO with one reparameterised sample of the latents.

        Args:
            images: float ``(G, B, C, H, W)`` in [0, 1].

        Raises:
            ValueError: wrong shape, dtype or range.
        """
        self.check_images(images)
        return self._bound(images)

    @abstractmethod
    def infer(self, images: Tensor) -> Posterior:
        """Posteriors of float images ``(G, B, C, H, W)`` in [0, 1], without sampling."""

    def objective(self, elbo: ELBO) -> Tensor:
        """What training maximises, nats per group ``(G,)``: the ELBO, unless the model weighs its terms."""
        return elbo.total

    def loss(self, elbo: ELBO) -> Tensor:
        """What training minimises: −objective, nats per image, averaged over the groups."""
        return -self.objective(elbo).mean() / elbo.reconstruction.shape[1]

    def setup(self, stage: str) -> None:
        if stage == "fit":
            check_batch_norm(self, self.trainer.datamodule)
            if self.data_grouping:
                check_grouping(type(self).__name__, self.data_grouping, self.trainer.datamodule)
        if self.trainer.datamodule is not None:
            self.trainer.datamodule.span_devices = self.span_devices

    def _training_outputs(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """All that a step computes of a loader's uint8 images ``(G, B, C, H, W)``: the loss, and the meter's terms."""
        elbo = self._bound(self.to_unit(images))
        return self.loss(elbo), mean_terms(elbo, self.terms)

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        loss, means = self.training_outputs(batch["image"])
        self.training_terms.push(means, batch["index"])
        return loss

    def on_train_start(self) -> None:
        if self._resumed is not None:  # the last moment before noise is drawn
            set_random_states(self._resumed["random"])
            self.training_terms.load_state_dict(self._resumed["training_terms"], self.device)
            self._resumed = None

    def on_train_epoch_start(self) -> None:
        self.training_terms.start_clock()

    def on_train_batch_end(self, outputs, batch, batch_idx: int) -> None:  # noqa: ANN001
        self.flush_if_due()

    def flush_if_due(self) -> None:
        """Logs the means at the steps that log; a second call at the same step does nothing."""
        if self.trainer.global_step % self.trainer.log_every_n_steps == 0 or self.trainer.is_last_batch:
            self.flush_training_terms()

    def flush_training_terms(self) -> None:
        """Logs the means since the last call; the only place of the loop that waits for the device.

        Runs before validation, so that an epoch with a non-finite step has no score.

        Raises:
            NonFiniteLossError: a term became NaN or infinite; names the first step and its terms.
        """
        means, bad = self._flush(self.training_terms)
        if bad:
            raise non_finite_error(bad, self.trainer.global_step, self.current_epoch)
        if means:
            self.latest_terms = means
            metrics = {f"train/{name}": value for name, value in means.items()}
            for logger in self.loggers:
                logger.log_metrics({**metrics, "epoch": self.current_epoch}, step=self.trainer.global_step)
                logger.save()

    def _flush(self, meter: TermMeter) -> tuple[dict[str, float], NonFiniteStep | None]:
        means, bad = meter.flush()
        if self.span_devices and means:
            means["kl_beta"] *= distributed_rank()[1]  # of the shares of one group on the ranks, their sum
        return means, bad

    def _evaluation_step(self, batch: dict[str, Tensor]) -> None:
        elbo = self._bound(self.to_unit(batch["image"]))
        self.evaluation_terms.push(mean_terms(elbo, self.terms), batch["index"])

    def _log_evaluation(self, stage: str) -> None:
        means, _ = self._flush(self.evaluation_terms)
        means.pop("images_per_second", None)
        # the same on every rank already; without sync_dist Lightning would warn that they may differ
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
        return self.infer(self.to_unit(batch["image"])), columns

    def on_fit_start(self) -> None:
        super().on_fit_start()
        if rank := distributed_rank()[0]:  # every rank draws noise of its own; that of the first is as with one process
            torch.manual_seed(torch.initial_seed() + rank)

    def on_save_checkpoint(self, checkpoint: dict) -> None:
        if bad := self.training_terms.first_bad():
            raise non_finite_error(bad, self.trainer.global_step, self.current_epoch)
        check_finite_weights(self, checkpoint["global_step"])
        checkpoint["model_class"] = type(self).__name__
        state = {"random": random_states(), "training_terms": self.training_terms.state_dict()}
        checkpoint["rank_states"] = gather_objects(state)

    def on_load_checkpoint(self, checkpoint: dict) -> None:
        rank, num_ranks = distributed_rank()
        states = checkpoint.get("rank_states", ())
        # with another number of processes there is none to go on from: noise is drawn anew
        self._resumed = states[rank] if len(states) == num_ranks else None


# Lightning asks what arguments it takes at every step; said once, that is not worked out anew
GroupVAE.training_step.__signature__ = inspect.signature(GroupVAE.training_step)


def check_batch_norm(model: torch.nn.Module, data: LightningDataModule | None) -> None:
    """Raises a ConfigError if BatchNorm would be trained on one image per step, which has no variance."""
    images = getattr(data, "group_size", 2) * getattr(data, "groups_per_batch", 1)
    if images < 2 and any(isinstance(layer, torch.nn.BatchNorm2d) for layer in model.modules()):
        raise ConfigError(
            "model.norm: batch needs two images per step, data.group_size × data.groups_per_batch is 1; "
            "set model.norm to group or none"
        )


def check_grouping(model: str, needed: str, data: LightningDataModule | None) -> None:
    """Raises a ConfigError if the training groups are not made as a model needs them.

    Args:
        model: name of the model.
        needed: the ``data.grouping`` that it needs.
        data: the trainer's datamodule; None, for bare loaders, is trusted.
    """
    grouping = getattr(getattr(data, "training_groups", None), "kind", None)
    if data is None or grouping == needed:
        return
    if grouping is None:
        raise ConfigError(
            f"data: {model} needs groups of kind {needed!r}; {type(data).__name__} has random groups only"
        )
    raise ConfigError(
        f"data.grouping: {model} needs groups of kind {needed!r}, images that share a label, got {grouping!r}; set "
        f"--data.grouping {needed}, and --data.group_column to the column with the labels"
    )
