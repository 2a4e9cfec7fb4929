"""Components: the held-out images of each component, how much it is used, and which labels are in it."""

import gradio as gr
import torch
from torch import Tensor

from ugvae.experiments.explore.live import live
from ugvae.experiments.explore.picture import Picture
from ugvae.experiments.explore.source import Explored

COLUMNS, NAMED = 10, 2  # images of a component; labels that are named
NO_COLUMN = "none"


def components(explored: Explored, column: str = NO_COLUMN) -> Picture:
    """A row for each component: the images that it holds with the largest π.

    Args:
        explored: of a model with a mixture.
        column: of the data, whose commonest values in a component are named beside it.
    """
    pi, held_by = explored.d.max(1)
    count, rows, labels = explored.model.num_components, [], []
    for k in held_by.bincount(minlength=count).argsort(descending=True, stable=True).tolist():
        held = (held_by == k).nonzero().squeeze(1)
        if len(held):
            held = held[pi[held].argsort(descending=True, stable=True)]
            rows.append(_row(explored, held))
            labels.append(f"d = {k}: {len(held) / len(pi):.0%}{_commonest(explored, held, column)}")
    note = (
        f"Held-out images by the component of their largest π, the surest first; {len(rows)} of {count} components "
        f"hold any of the {len(pi):,} images."
    )
    return Picture(torch.stack(rows), labels, note)


def _row(explored: Explored, held: Tensor) -> Tensor:
    """The first images of a component, then white ones."""
    images = explored.model.to_unit(explored.table.images[held[:COLUMNS]])
    return torch.cat([images, images.new_ones(COLUMNS - len(images), *images.shape[1:])])


def _commonest(explored: Explored, held: Tensor, column: str) -> str:
    """The commonest values of a column among some images, with their shares."""
    values = explored.table.columns[column][held] if column in explored.table.columns else held[:0]
    known, counts = values[values >= 0].unique(return_counts=True)
    names = explored.data.value_names(column)
    order = counts.argsort(descending=True, stable=True)[:NAMED].tolist()
    words = [f"{names.get(int(known[place]), int(known[place]))} {counts[place] / len(held):.0%}" for place in order]
    return f"; {', '.join(words)}" if words else ""


def build(explored: Explored) -> None:
    """The controls and the picture."""
    columns = [name for name, values in explored.table.columns.items() if not values.is_floating_point()]
    first = "label" if "label" in columns else NO_COLUMN
    column = gr.Dropdown([NO_COLUMN, *columns], value=first, label="Column whose values are named")
    live(components, explored, {"column": column})
