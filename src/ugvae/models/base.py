"""What every model shares: settings, checks, the training step, the optimiser. Lightning lives here, maths does not.

Axes: G groups, B images per group, C channels, H and W pixels.
"""

import math
from abc import abstractmethod
from typing import ClassVar

import torch
from pytorch_lightning import LightningModule
from torch import Tensor

from ugvae.errors import ConfigError, NonFiniteLossError
from ugvae.meter import TermMeter
from ugvae.models.checks import check_counts, check_grouping, check_positive
from ugvae.models.latent import LatentModel
from ugvae.models.terms import ELBO, Posterior
from ugvae.networks import HIDDEN, GaussianHead, build_backbone


class GroupVAE(LatentModel, LightningModule):
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
        compile: compile the bound with ``torch.compile``.

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
        compile: bool = False,
    ) -> None:
        super().__init__()
        image_shape = tuple(image_shape)
        if len(image_shape) != 3:
            raise ConfigError(f"image_shape: expected (C, H, W), got {image_shape}")
        check_counts(image_shape=min(image_shape), z_dim=z_dim)
        check_positive(x_std=x_std, learning_rate=learning_rate)
        if schedule not in ("cosine", "constant"):
            raise ConfigError(f"schedule: expected cosine or constant, got {schedule!r}")
        self.save_hyperparameters(
            {
                "image_shape": image_shape,
                "z_dim": z_dim,
                "backbone": backbone,
                "x_std": x_std,
                "norm": norm,
                "learning_rate": learning_rate,
                "schedule": schedule,
                "compile": compile,
            }
        )  # with the defaults, so that a checkpoint outlives a change of default
        self.image_shape, self.x_std = image_shape, x_std
        self.learning_rate, self.schedule = learning_rate, schedule
        self.z_dim, self.beta_dim = z_dim, beta_dim
        self.encoder, self.decoder = build_backbone(backbone, image_shape, z_dim + beta_dim, norm)
        self.z_head = GaussianHead(HIDDEN, z_dim)
        self.training_terms, self.evaluation_terms = TermMeter(self.terms), TermMeter(self.terms)
        self._random_state: Tensor | None = None  # of a checkpoint, until training goes on from it
        self._total_steps: int | None = None  # of the run
        self.latest_terms: dict[str, float] = {}  # means of the last flush, for the progress bar
        self._training_bound = torch.compile(self._bound) if compile else self._bound

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
        if stage == "fit" and self.data_grouping:
            check_grouping(type(self).__name__, self.data_grouping, self.trainer.datamodule)

    def elbo_of_batch(self, batch: dict[str, Tensor]) -> ELBO:
        """The training bound of a loader's batch, whose uint8 images need no check."""
        return self._training_bound(self.to_unit(batch["image"]))

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        elbo = self.elbo_of_batch(batch)
        self.training_terms.push(elbo, batch["index"])
        return self.loss(elbo)

    def on_train_epoch_start(self) -> None:
        self.training_terms.start_clock()

    def on_train_batch_start(self, batch, batch_idx: int) -> None:  # noqa: ANN001
        if self._random_state is not None:  # resumed: the last moment before noise is drawn
            torch.set_rng_state(self._random_state)
            self._random_state = None

    def on_train_batch_end(self, outputs, batch, batch_idx: int) -> None:  # noqa: ANN001
        if self.trainer.global_step % self.trainer.log_every_n_steps == 0 or self.trainer.is_last_batch:
            self.flush_training_terms()

    def flush_training_terms(self) -> None:
        """Logs the means since the last call; the only place of the loop that waits for the device.

        Runs before validation and before any checkpoint, so that no checkpoint holds weights of a non-finite step.

        Raises:
            NonFiniteLossError: a term became NaN or infinite; names the first step and its terms.
        """
        means, bad = self.training_terms.flush()
        if bad:
            step = self.trainer.global_step - bad.steps_ago
            raise NonFiniteLossError(
                f"non-finite {', '.join(bad.names)} at step {step}; the last good checkpoint is kept. "
                f"Images of that batch: {bad.indices}. Try a lower model.learning_rate."
            )
        if means:
            self.latest_terms = means
            metrics = {f"train/{name}": value for name, value in means.items()}
            for logger in self.loggers:
                logger.log_metrics({**metrics, "epoch": self.current_epoch}, step=self.trainer.global_step)
                logger.save()

    def _evaluation_step(self, batch: dict[str, Tensor]) -> None:
        self.evaluation_terms.push(self._bound(self.to_unit(batch["image"])), batch["index"])

    def _log_evaluation(self, stage: str) -> None:
        means, _ = self.evaluation_terms.flush()
        means.pop("images_per_second", None)
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

    def configure_optimizers(self) -> dict:
        """Adam, and the schedule; without a Trainer the length of the run is unknown and the rate stays constant."""
        optimizer = torch.optim.Adam(self.parameters(), lr=self.learning_rate, fused=True)
        if self.schedule == "constant" or self._trainer is None:
            return {"optimizer": optimizer}
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, self._schedule_factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def _schedule_factor(self, step: int) -> float:
        # the run's length is asked for at the first step, not before: asking loads the data, and a resumed run must
        # first be told where in the epoch it stopped
        if step and self._total_steps is None:
            self._total_steps = self.trainer.estimated_stepping_batches
        return cosine_factor(step, self._total_steps) if step else 1.0

    def on_fit_start(self) -> None:
        self._total_steps = None

    def on_save_checkpoint(self, checkpoint: dict) -> None:
        checkpoint["model_class"] = type(self).__name__
        checkpoint["random_state"] = torch.get_rng_state()

    def on_load_checkpoint(self, checkpoint: dict) -> None:
        self._random_state = checkpoint.get("random_state")


def cosine_factor(step: int, steps: int) -> float:
    """Share of the learning rate at ``step`` of ``steps``: 1 at the first, 0 at the last and after it."""
    return 0.5 * (1 + math.cos(math.pi * min(1.0, step / steps)))
