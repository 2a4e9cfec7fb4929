"""Compare: two models side by side on the same images. Axes: B images per group."""

from functools import lru_cache
from pathlib import Path

import gradio as gr
import torch
from torch import Tensor

from ugvae.errors import ConfigError
from ugvae.evaluation.encoding import encode_groups
from ugvae.evaluation.ways import CONTROL, LABELS, PLAIN, decode_ways, global_side
from ugvae.experiments.explore.live import live
from ugvae.experiments.explore.picture import Picture
from ugvae.experiments.explore.source import Explored, load_only_model
from ugvae.experiments.explore.swap import SHOWN, real, two_groups
from ugvae.models import BaseVAE

loaded = lru_cache(maxsize=2)(load_only_model)


def compare(explored: Explored, other: str, kind: str, other_kind: str, group_size: int = 16, seed: int = 0) -> Picture:
    """The images of a group by two models: reconstructed, and, with a beta, under that of another group.

    Args:
        explored: the first model, and the images.
        other: folder of the second.
        kind: of the images, one of ``explored.kinds``.
        other_kind: of the images of the other group.
        group_size: images in a group, where there are as many.
        seed: of the groups.

    Raises:
        ConfigError: no such folder or kind, or a model of images of another shape.
    """
    second = second_model(explored, Path(other))
    own, others = explored.rows_of(kind, group_size, seed), explored.rows_of(other_kind, group_size, seed + 1)
    shown, errors = {"images": real(explored, own)}, []
    truth = explored.model.to_unit(explored.table.images[own]).cpu()
    for letter, model in (("A", explored.model), ("B", second)):
        decoded = _decoded(model, explored.table.images, own, others)
        shown |= {f"{letter}: {LABELS[way]}": images[:SHOWN] for way, images in decoded.items()}
        errors.append(f"{letter} {float((decoded[PLAIN] - truth).abs().mean()):.4f}")
    note = (
        f"A is {explored.name}; B is {type(second).__name__}, {'/'.join(Path(other).absolute().parts[-2:])}. The z of "
        f"{kind} under the beta of {other_kind}, where a model has a beta. Mean absolute error of the plain "
        f"reconstructions of {len(own)} images, pixels in [0, 1]: {', '.join(errors)}."
    )
    return Picture(torch.stack(list(shown.values())), list(shown), note)


def second_model(explored: Explored, other: Path) -> BaseVAE:
    """The model of a folder, which takes the images of the first.

    Raises:
        ConfigError: no such folder, or a model of images of another shape.
    """
    second = loaded(other)
    if second.image_shape != explored.model.image_shape:
        raise ConfigError(
            f"compare: the images of {other} are {second.image_shape}, those of {explored.source} "
            f"{explored.model.image_shape}; two models of the same images are needed"
        )
    return second


@torch.no_grad()
def _decoded(model: BaseVAE, images: Tensor, own: Tensor, others: Tensor) -> dict[str, Tensor]:
    """A group ``(B,)`` decoded in every way of ``LABELS`` but the controls, by ways, ``(B, C, H, W)``."""
    group = images[own].unsqueeze(0)
    if not model.beta_dim:
        return {PLAIN: model.decode(model.infer(group).z.mean)[0].cpu()}
    sides = [global_side(encode_groups(model, images, rows.unsqueeze(0)), 0) for rows in (own, others)]
    ways = decode_ways(model, group, *sides)
    controls = set(CONTROL.values()) - {PLAIN}
    return {way: decoded[0].cpu() for way, decoded in ways.items() if way not in controls}


def build(explored: Explored, other: Path) -> None:
    """The controls and the picture; a second model that cannot be is found now, with the errors of its function."""
    second_model(explored, other)
    with gr.Row():
        with gr.Column(scale=1, min_width=260):
            options = two_groups(explored)
        with gr.Column(scale=3, min_width=320):
            live(compare, explored, options, other=str(other))
