"""Swap: the images of one group under the beta of another, by every way to carry z. Axes: B images per group."""

import gradio as gr
import torch
from torch import Tensor

from ugvae.evaluation.ways import CONTROL, LABELS, PLAIN, WAYS, decode_ways, global_side
from ugvae.experiments.explore.live import live
from ugvae.experiments.explore.picture import Picture
from ugvae.experiments.explore.source import Explored

SHOWN = 8  # images of a group


def swap(explored: Explored, kind: str, other_kind: str, group_size: int = 16, seed: int = 0) -> Picture:
    """The first images of a group, as they are, with their own beta, and with the beta of another group.

    Args:
        explored: of a model with beta.
        kind: of the images that are decoded, one of ``explored.kinds``.
        other_kind: of the images of the other group.
        group_size: images in a group, where there are as many.
        seed: of the groups.

    Raises:
        ConfigError: no such kind.
    """
    own, other = explored.rows_of(kind, group_size, seed), explored.rows_of(other_kind, group_size, seed + 1)
    sides = [global_side(explored.posterior(rows.unsqueeze(0)), 0) for rows in (own, other)]
    ways = decode_ways(explored.model, explored.table.images[own].unsqueeze(0), *sides)
    order = [PLAIN, *(name for way in WAYS for name in (way, CONTROL[way]) if name in ways and name != PLAIN)]
    shown = {
        "images": real(explored, own),
        **{LABELS[way]: ways[way][0, :SHOWN].cpu() for way in order},
        "the other group": real(explored, other),
    }
    columns = min(map(len, shown.values()))
    note = (
        f"{len(own)} images of {kind}, decoded under the beta of {len(other)} images of {other_kind}. A row of "
        '"own beta" is the control of the row above: z moved in the same way, under its own beta.'
    )
    return Picture(torch.stack([images[:columns] for images in shown.values()]), list(shown), note)


def real(explored: Explored, rows: Tensor) -> Tensor:
    """The first images of a group ``(B,)`` as they are, in [0, 1]."""
    return explored.model.to_unit(explored.table.images[rows[:SHOWN]])


def two_groups(explored: Explored) -> dict[str, gr.components.Component]:
    """The controls of two groups."""
    kinds = list(explored.kinds)
    first, last = (kinds[1], kinds[2]) if len(kinds) > 2 else (kinds[0], kinds[0])
    return {
        "kind": gr.Dropdown(kinds, value=first, label="Images of"),
        "other_kind": gr.Dropdown(kinds, value=last, label="Beta of a group of"),
        "group_size": gr.Slider(1, 64, 16, step=1, label="Images in a group"),
        "seed": gr.Slider(0, 99, 0, step=1, label="Seed of the groups"),
    }


def build(explored: Explored) -> None:
    """The controls and the picture."""
    with gr.Row():
        with gr.Column(scale=1, min_width=260):
            options = two_groups(explored)
        with gr.Column(scale=3, min_width=320):
            live(swap, explored, options)
