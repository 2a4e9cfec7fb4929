"""Walk: a group drawn from the model, decoded anew while one moves beta and z. Axes: R rows, S columns."""

from collections.abc import Sequence

import gradio as gr
import torch
from torch import Tensor

from ugvae.errors import ConfigError
from ugvae.experiments.explore.live import live
from ugvae.experiments.explore.picture import Picture
from ugvae.experiments.explore.source import Explored

IMAGES, MOST_ROWS, MOST_COLUMNS = 48, 8, 10  # what is decoded while one drags
MOST_USED = -1  # in place of a component
Z_AXES, REACH = 3, 3.0  # sliders of z; how far they go, in s.d. of the prior
W_REACH = 3.0  # of GMVAE's w ~ N(0, I)


@torch.no_grad()
def walk(
    explored: Explored,
    component: int = MOST_USED,
    beta: Sequence[float] = (),
    z: Sequence[float] = (),
    w: float = 0.0,
    seed: int = 0,
) -> Picture:
    """Images of one group: drawn from p(z | d, beta) with the same noise, whatever beta and z are.

    Args:
        explored: the model.
        component: d of all images; −1 gives a row to each of the components that held-out images use most.
        beta: where it is on the principal axes of the betas of held-out groups, in percent: 50 is the median.
        z: how far the draws are moved along the axes in which the z of held-out images differ, in s.d. of the prior.
        w: of GMVAE, every dimension.
        seed: of the draws.

    Raises:
        ConfigError: more places than there are axes, or no such component.
    """
    model = explored.model
    rows = _components(explored, component)
    columns = max(4, min(MOST_COLUMNS, IMAGES // len(rows)))
    noise = torch.randn(len(rows), columns, model.z_dim, generator=torch.Generator().manual_seed(seed))
    _check(z, explored.z_axes.directions, "z")
    draws = (noise + _along(explored.z_axes.directions, z)).to(model.device, model.dtype)
    condition = _condition(explored, beta, w)
    if model.num_components:
        prior = model.prior(condition.to(model.device, model.dtype))
        draws = prior.mean[0, rows].unsqueeze(1) + prior.std[0, rows].unsqueeze(1) * draws
    global_latent = condition.to(model.device, model.dtype) if model.beta_dim else None
    images = model.decode(draws.flatten(0, 1).unsqueeze(0), global_latent)[0].cpu()
    labels = [f"d = {k}" for k in rows] if model.num_components else []
    return Picture(images.unflatten(0, (len(rows), columns)), labels, _note(explored))


def _note(explored: Explored) -> str:
    """What the sliders move."""
    note = "Drawn from the prior with the same noise wherever the sliders are."
    if explored.beta_axes is not None:
        note += (
            f" All images have one beta. Its axes are those of {len(explored.groups)} held-out groups, with their "
            "shares of the variance."
        )
    elif explored.model.beta_dim:
        note += " beta is 0: the held-out images make fewer than two groups, which would show where it is."
    return note


def _components(explored: Explored, component: int) -> list[int]:
    """The component of each row."""
    count = explored.model.num_components
    if not MOST_USED <= component < count:
        raise ConfigError(f"component: expected −1 to {count - 1}, got {component}")
    if component != MOST_USED or not count:
        return [component] * (MOST_ROWS // 2)
    usage = explored.d.argmax(1).bincount(minlength=count)
    return usage.argsort(descending=True, stable=True)[:MOST_ROWS].sort().values.tolist()


def _condition(explored: Explored, beta: Sequence[float], w: float) -> Tensor:
    """What the prior of z depends on, ``(1, condition_dim)``."""
    model, axes = explored.model, explored.beta_axes
    if not model.beta_dim:
        return torch.full((1, model.condition_dim), w)
    if axes is None:
        return torch.zeros(1, model.beta_dim)
    _check(beta, axes.directions, "beta")
    places = [axes.places[:, axis].quantile(level / 100) for axis, level in enumerate(beta)]
    return (axes.mean + _along(axes.directions, places)).unsqueeze(0)


def _along(directions: Tensor, places: Sequence[float | Tensor]) -> Tensor:
    """A step along the first of the directions ``(A, D)``, ``(D,)``."""
    return torch.as_tensor(places, dtype=directions.dtype) @ directions[: len(places)]


def _check(places: Sequence[float], directions: Tensor, name: str) -> None:
    if len(places) > len(directions):
        raise ConfigError(f"{name}: there are {len(directions)} axes, got {len(places)} places")


def build(explored: Explored) -> None:
    """The controls and the picture."""
    model, axes = explored.model, explored.beta_axes
    options: dict[str, gr.components.Component | list[gr.components.Component]] = {}
    with gr.Row():
        with gr.Column(scale=1, min_width=260):
            if model.num_components:
                choices = [("the most used", MOST_USED), *((f"d = {k}", k) for k in range(model.num_components))]
                options["component"] = gr.Dropdown(choices, value=MOST_USED, label="Component d")
            if axes is not None:
                options["beta"] = [
                    gr.Slider(1, 99, 50, step=1, label=f"beta axis {axis} ({share:.0%}): quantile in %")
                    for axis, share in enumerate(axes.shares.tolist(), 1)
                ]
            if model.condition_dim and not model.beta_dim:
                options["w"] = gr.Slider(-W_REACH, W_REACH, 0, step=0.1, label="w, every dimension")
            options["z"] = [
                gr.Slider(-REACH, REACH, 0, step=0.1, label=f"z axis {axis}: s.d. of the prior")
                for axis in range(1, min(Z_AXES, len(explored.z_axes.directions)) + 1)
            ]
            options["seed"] = gr.Slider(0, 99, 0, step=1, label="Seed of the draws")
        with gr.Column(scale=3, min_width=320):
            live(walk, explored, options)
