"""What the callbacks have in common."""

from pytorch_lightning import Callback


class RunCallback(Callback):
    """A callback with nothing to do around the backward pass.

    Lightning calls four hooks there, of every callback and at every step, but passes over what cannot be called.
    """

    on_before_zero_grad = on_before_backward = on_after_backward = on_before_optimizer_step = None
