"""The optimiser, its learning rate over the run, and the clipping of gradients."""

import math

import torch
from pytorch_lightning import LightningModule
from torch.nn.utils import clip_grads_with_norm_, get_total_norm
from torch.optim import Adam, Optimizer


class ScheduledModule(LightningModule):
    """Adam with a warm-up and a schedule.

    Attributes:
        learning_rate: after the warm-up.
        schedule: ``cosine`` falls to 0 at the last step, ``constant`` stays.
        warmup_steps: steps in which the learning rate rises from 0.
    """

    learning_rate: float
    schedule: str
    warmup_steps: int
    _total_steps: int | None = None  # of the run

    def on_fit_start(self) -> None:
        self._total_steps = None

    def configure_optimizers(self) -> dict:
        """Adam and the schedule. Without a Trainer the length of the run is unknown and the rate stays constant."""
        optimizer = Adam(self.parameters(), lr=self.learning_rate, fused=True)
        if not self._is_attached() or (self.schedule == "constant" and not self.warmup_steps):
            return {"optimizer": optimizer}
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, self._schedule_factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def configure_gradient_clipping(
        self, optimizer: Optimizer, gradient_clip_val: float | None = None, gradient_clip_algorithm: str | None = None
    ) -> None:
        """Clips by norm without Lightning, which refuses fused optimisers under autocast: only float16 needs that."""
        scaled = getattr(self.trainer.precision_plugin, "scaler", None) is not None
        if gradient_clip_val and gradient_clip_algorithm in (None, "norm") and not scaled:
            clip_by_norm(optimizer, gradient_clip_val)
        else:
            super().configure_gradient_clipping(optimizer, gradient_clip_val, gradient_clip_algorithm)

    def _is_attached(self) -> bool:
        try:
            return self.trainer is not None
        except RuntimeError:  # how Lightning says that there is no Trainer
            return False

    def _schedule_factor(self, step: int) -> float:
        # The length of the run is asked for at the first step and not before: to ask loads the data, and a resumed run
        # must first be told where in the epoch it stopped.
        warmup = min(1.0, (step + 1) / (self.warmup_steps + 1))
        if not step or self.schedule == "constant":
            return warmup
        if self._total_steps is None:
            self._total_steps = self.trainer.estimated_stepping_batches
        return warmup * cosine_factor(step, self._total_steps)


def clip_by_norm(optimizer: Optimizer, limit: float) -> None:
    """Scales the gradients so that their norm, over all parameters together, is at most ``limit``."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    norm = get_total_norm([parameter.grad for parameter in parameters if parameter.grad is not None])
    if norm.device.type != "cpu" or norm > limit:  # to look at a norm on a GPU would be to wait for the GPU
        clip_grads_with_norm_(parameters, limit, norm)


def cosine_factor(step: int, steps: int) -> float:
    """Share of the learning rate at ``step`` of ``steps``: 1 at the first step, 0 at the last and after it."""
    return 0.5 * (1 + math.cos(math.pi * min(1.0, step / steps)))
