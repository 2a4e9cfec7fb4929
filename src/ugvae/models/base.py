"""What every model shares: settings, checks, the training step, the optimiser. Lightning lives here, maths does not.

Axes: G groups, B images per group, C channels, H and W pixels.
"""

import math
from abc import abstractmethod
from typing import NamedTuple

import torch
from pytorch_lightning import LightningModule
from torch import Tensor

from ugvae.distributions import DiagonalGaussian
from ugvae.errors import ConfigError, NonFiniteLossError
from ugvae.meter import TermMeter
from ugvae.networks import build_backbone, full_precision


class ELBO(NamedTuple):
    """The terms of the evidence lower bound, in nats. All KL terms are ≥ 0.

    Attributes:
        reconstruction: log p(x | z, beta) per image, ``(G, B)``.
        kl_z: local Gaussian term per image, ``(G, B)``.
        kl_d: component term per image, ``(G, B)``.
        kl_beta: global term per group, ``(G,)``.
    """

    reconstruction: Tensor
    kl_z: Tensor
    kl_d: Tensor
    kl_beta: Tensor

    @property
    def total(self) -> Tensor:
        """The bound itself, nats per group, ``(G,)``."""
        return (self.reconstruction - self.kl_z - self.kl_d).sum(-1) - self.kl_beta


class Posterior(NamedTuple):
    """Posterior of the latents at their means, without sampling.

    Attributes:
        z: Gaussian ``(G, B, z_dim)``.
        d: component probabilities ``(G, B, K)``.
        beta: Gaussian ``(G, beta_dim)``.
    """

    z: DiagonalGaussian
    d: Tensor
    beta: DiagonalGaussian


class GroupVAE(LightningModule):
    """Base of all models. A subclass is its networks and a bound: ``_bound``, ``infer``, ``decode``, ``sample``.

    Args:
        image_shape: (C, H, W); the command line takes it from the data.
        backbone: ``mlp`` or ``conv`` (Table 2).
        latent_dim: width of the decoder's input, given by the subclass.
        x_std: σ_x, standard deviation of a pixel around the decoded mean.
        norm: ``batch``, ``group`` or ``none`` in the conv encoder.
        learning_rate: of Adam, at the start.
        schedule: of the learning rate: ``cosine`` falls to 0 at the last step, ``constant`` is the paper's.
        compile: compile the bound with ``torch.compile``.

    Raises:
        ConfigError: a value out of range; the message names the setting.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        latent_dim: int,
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
        check_counts(image_shape=min(image_shape))
        check_positive(x_std=x_std, learning_rate=learning_rate)
        if schedule not in ("cosine", "constant"):
            raise ConfigError(f"schedule: expected cosine or constant, got {schedule!r}")
        self.save_hyperparameters(
            {
                "image_shape": image_shape,
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
        self.encoder, self.decoder = build_backbone(backbone, image_shape, latent_dim, norm)
        self.training_terms, self.evaluation_terms = TermMeter(), TermMeter()
        self._random_state: Tensor | None = None  # of a checkpoint, until training goes on from it
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

    def check_images(self, images: Tensor) -> None:
        """Raises a ValueError that says what is wrong with ``images``."""
        if images.ndim != 5 or tuple(images.shape[2:]) != self.image_shape or 0 in images.shape:
            c, h, w = self.image_shape
            raise ValueError(f"images: expected (G, B, {c}, {h}, {w}) with G, B ≥ 1, got {tuple(images.shape)}")
        if not images.is_floating_point():
            raise ValueError(f"images: expected float in [0, 1], got {images.dtype}; divide uint8 by 255")
        if images.dtype != self.dtype and not torch.is_autocast_enabled(images.device.type):
            raise ValueError(f"images: expected {self.dtype}, the type of the model's weights, got {images.dtype}")
        low, high = images.aminmax()
        if not (low >= 0 and high <= 1):
            raise ValueError(f"images: expected values in [0, 1], got {low:.3g} to {high:.3g}")

    def _decode(self, latent: Tensor) -> Tensor:
        """Decoder inputs (G, B, latent_dim) to image means (G, B, C, H, W); the sigmoid in full precision."""
        logits = self.decoder(latent.flatten(0, 1))
        return full_precision(logits).sigmoid().unflatten(0, latent.shape[:2])

    def to_unit(self, images: Tensor) -> Tensor:
        """uint8 images to the model's float type in [0, 1], on their own device."""
        return images.to(self.dtype) / 255

    def loss(self, elbo: ELBO) -> Tensor:
        """What training minimises: −ELBO, nats per image, averaged over the groups."""
        return -elbo.total.mean() / elbo.reconstruction.shape[1]

    def elbo_of_batch(self, batch: dict[str, Tensor]) -> ELBO:
        """The training bound of a loader's batch, whose uint8 images need no check."""
        return self._training_bound(self.to_unit(batch["image"]))

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        elbo = self.elbo_of_batch(batch)
        self.training_terms.push(elbo, batch["index"])
        return self.loss(elbo)

    def on_train_epoch_start(self) -> None:
        self.training_terms.start_clock()
        if self._random_state is not None:
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
        steps = self.trainer.estimated_stepping_batches
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: cosine_factor(step, steps))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict) -> None:
        checkpoint["model_class"] = type(self).__name__
        checkpoint["random_state"] = torch.get_rng_state()

    def on_load_checkpoint(self, checkpoint: dict) -> None:
        self._random_state = checkpoint.get("random_state")


def cosine_factor(step: int, steps: int) -> float:
    """Share of the learning rate at ``step`` of ``steps``: 1 at the first, 0 at the last and after it."""
    return 0.5 * (1 + math.cos(math.pi * min(1.0, step / steps)))


def check_positive(**settings: float) -> None:
    """Raises a ConfigError that names the first setting that is not a finite number > 0."""
    for name, value in settings.items():
        if not 0 < value < math.inf:
            raise ConfigError(f"{name}: expected a number > 0, got {value}")


def check_counts(**settings: int) -> None:
    """Raises a ConfigError that names the first setting that is not a whole number > 0."""
    for name, value in settings.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ConfigError(f"{name}: expected a whole number > 0, got {value}")
