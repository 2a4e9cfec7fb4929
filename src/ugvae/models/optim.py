"""The optimiser, its learning rate over the run, and the clipping of gradients."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from pytorch_lightning import LightningModule
from torch import Tensor
from torch.nn import Parameter
from torch.nn.utils import clip_grads_with_norm_
from torch.optim import Adam, Optimizer


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


class FusedAdam(Adam):
    """``torch.optim.Adam(fused=True)``: the same kernel, results and checkpoints.

    What torch collects and checks anew at every step is kept from one to the next, and the counts of steps, one for
    each parameter, lie side by side, so that one operation advances all.

    Args:
        params: of one group.
        lr: learning rate.
    """

    _kept: tuple[Tensor, list[list[Tensor]]] | None = None  # counts; parameters, both moments, each parameter's count

    def __init__(self, params: Iterable[Parameter], lr: float) -> None:
        super().__init__(params, lr=lr, fused=True)

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        (group,) = self.param_groups
        gradients = [parameter.grad for parameter in group["params"]]
        unusual = hasattr(self, "grad_scale") or any(gradient is None for gradient in gradients)  # float16's scaler
        if unusual or not self._is_kept():
            super().step()
            if not unusual:
                self._keep()
            return loss
        counts, (parameters, averages, squares, steps) = self._kept
        counts.add_(1)
        beta1, beta2 = group["betas"]
        torch._fused_adam_(
            parameters,
            gradients,
            averages,
            squares,
            [],
            steps,
            lr=group["lr"],
            beta1=beta1,
            beta2=beta2,
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            amsgrad=group["amsgrad"],
            maximize=group["maximize"],
        )
        return loss

    def _is_kept(self) -> bool:
        """Whether what was kept is still the state: loading one, or moving it to another device, replaces it."""
        if self._kept is None:
            return False
        parameters, averages, *_ = self._kept[1]
        return self.state[parameters[0]].get("exp_avg") is averages[0]

    def _keep(self) -> None:
        """Lays the counts of all parameters side by side and remembers where everything is; all have a state."""
        parameters = self.param_groups[0]["params"]
        states = [self.state[parameter] for parameter in parameters]
        counts = torch.stack([state["step"] for state in states])
        for state, count in zip(states, counts.unbind(), strict=True):
            state["step"] = count
        of_state = ([state[name] for state in states] for name in ("exp_avg", "exp_avg_sq", "step"))
        self._kept = counts, [parameters, *of_state]
