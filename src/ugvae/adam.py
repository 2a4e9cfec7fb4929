"""Adam as torch computes it, with less around it: in a small step, what the optimiser asks and counts is felt."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.optim import Adam


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
