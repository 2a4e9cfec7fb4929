"""The optimiser, its learning rate over the run, and the clipping of gradients."""

import math
from typing import Any

import torch
from pytorch_lightning import LightningModule
from torch.nn.utils import clip_grads_with_norm_
from torch.optim import Optimizer

from ugvae.adam import FusedAdam


class ScheduledModule(LightningModule):
    """Adam with a warm-up and a schedule.

    Attributes:
        learning_rate: at the start, after the warm-up.
        schedule: ``cosine`` falls to 0 at the last step, ``constant`` stays.
        warmup_steps: steps in which the learning rate rises from 0.
    """

    learning_rate: float
    schedule: str
    warmup_steps: int
    _total_steps: int | None = None  # of the run

    def __setattr__(self, name: str, value: Any) -> None:
        # Lightning notes the running hook here, dozens of times in every step; torch would first look whether the note
        # is a parameter or a module
        if name == "_current_fx_name":
            self.__dict__[name] = value
        else:
            super().__setattr__(name, value)

    def on_fit_start(self) -> None:
        self._total_steps = None

    def configure_optimizers(self) -> dict:
        """Adam, and the schedule; without a Trainer the length of the run is unknown and the rate stays constant."""
        optimizer = FusedAdam(self.parameters(), lr=self.learning_rate)
        if self._trainer is None or (self.schedule == "constant" and not self.warmup_steps):
            return {"optimizer": optimizer}
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, self._schedule_factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def configure_gradient_clipping(
        self, optimizer: Optimizer, gradient_clip_val: float | None = None, gradient_clip_algorithm: str | None = None
    ) -> None:
        """By norm without Lightning, which refuses fused optimisers under autocast: only float16 scales gradients."""
        scaled = getattr(self.trainer.precision_plugin, "scaler", None) is not None
        if gradient_clip_val and gradient_clip_algorithm in (None, "norm") and not scaled:
            clip_by_norm(optimizer, gradient_clip_val)
        else:
            super().configure_gradient_clipping(optimizer, gradient_clip_val, gradient_clip_algorithm)

    def _schedule_factor(self, step: int) -> float:
        # the run's length is asked for at the first step, not before: asking loads the data, and a resumed run must
        # first be told where in the epoch it stopped
        warmup = min(1.0, (step + 1) / (self.warmup_steps + 1))
        if not step or self.schedule == "constant":
            return warmup
        if self._total_steps is None:
            self._total_steps = self.trainer.estimated_stepping_batches
        return warmup * cosine_factor(step, self._total_steps)


def clip_by_norm(optimizer: Optimizer, limit: float) -> None:
    """Scales the gradients so that their norm, over all parameters together, is at most ``limit``."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norm = torch.stack(torch._foreach_norm(gradients)).norm()
    if norm.device.type != "cpu" or norm > limit:  # on a GPU, to look would be to wait: it multiplies by 1 instead
        clip_grads_with_norm_(parameters, limit, norm)


def cosine_factor(step: int, steps: int) -> float:
    """Share of the learning rate at ``step`` of ``steps``: 1 at the first, 0 at the last and after it."""
    return 0.5 * (1 + math.cos(math.pi * min(1.0, step / steps)))
