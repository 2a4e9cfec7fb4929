"""Group: the beta of a group of images, which of them it rests on, and its place among the held-out groups.

Axes: M images of a group, N held-out groups, D beta_dim.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr
import torch
from torch import Tensor

from ugvae.data.decoding import Transform, decode_image
from ugvae.data.image_files import ImageFilesDataModule
from ugvae.distributions import DiagonalGaussian
from ugvae.errors import ConfigError, DataError
from ugvae.evaluation.encoding import encode_images
from ugvae.experiments.explore.charts import map_svg, posterior_svg
from ugvae.experiments.explore.live import QUIETLY, answer
from ugvae.experiments.explore.picture import SAVE, Picture, picture_html
from ugvae.experiments.explore.source import Explored
from ugvae.models import BaseVAE, Posterior

COLUMNS, MOST_SHOWN, MOST_FILES = 8, 40, 1000
LARGEST_FILE = 64 * 2**20  # bytes
CLICKED = """element.addEventListener('click', event => {
  const dot = event.target.closest('[data-group]');
  if (dot) trigger('select', {index: Number(dot.dataset.group), value: dot.dataset.group});
});
element.addEventListener('keydown', event => {
  if (event.key === 'Enter') event.target.dispatchEvent(new Event('click', {bubbles: true}));
});"""


@torch.no_grad()
def group(
    explored: Explored,
    kind: str | None = None,
    group_size: int = 16,
    seed: int = 0,
    held_out: int | None = None,
    files: Sequence[str] = (),
) -> Picture:
    """The images of a group, those first on which its beta rests most.

    Args:
        explored: of a model with beta.
        kind: of the images, one of ``explored.kinds``, drawn at random.
        group_size: images of the kind, where there are as many.
        seed: of the draw.
        held_out: number of a group of the map, in place of a kind.
        files: image files of one's own, in place of both.

    Raises:
        ConfigError: no such kind or group, or too many files.
        DataError: a file is no image.
    """
    images = group_images(explored, kind, group_size, seed, held_out, files)
    encoded = encode_images(explored.model, images)
    posterior = encoded.posterior(torch.arange(len(images)).unsqueeze(0))
    q = DiagonalGaussian(*(part[0] for part in posterior.beta))
    shares = precision_shares(explored.model, encoded.h, posterior)
    order = torch.arange(len(images)) if shares is None else shares.argsort(descending=True, stable=True)
    order = order[:MOST_SHOWN]
    columns = min(COLUMNS, len(order))
    shown = explored.model.to_unit(images[order])
    blank = shown.new_ones(-len(order) % columns, *shown.shape[1:])
    labels, weights = [], f"{type(explored.model).__name__} weighs all images alike."
    if shares is not None:
        labels = [f"{part[0]:.1%} to {part[-1]:.1%}" for part in shares[order].split(columns)]
        weights = f"On the left their share in the precision of beta, {1 / len(images):.1%} if all were alike."
    left_out = f" The first {MOST_SHOWN} are shown." if len(images) > len(order) else ""
    charts = posterior_svg(q, explored.beta)
    if explored.beta is not None:
        charts += map_svg(explored.beta.mean, explored.beta_axes, q.mean, held_out)
    rows = torch.cat([shown, blank]).unflatten(0, (-1, columns))
    return Picture(rows, labels, f"{len(images):,} images.{left_out} {weights}", charts)


def precision_shares(model: BaseVAE, h: Tensor, posterior: Posterior) -> Tensor | None:
    """How much of the precision of beta each image of a group gives (paper, eq. 8-9), the mean over beta's dimensions.

    Args:
        model: with beta.
        h: features of the images, ``(M, 256)``.
        posterior: of the group.

    Returns:
        shares that add up to 1, ``(M,)``; None where q(beta | X) is no product of factors of the images.
    """
    if type(model).q_beta is not BaseVAE.q_beta:
        return None
    factors = model.beta_factors(h.unsqueeze(0), posterior.z.mean.to(h.device))
    return (-factors.log_var[0]).softmax(0).mean(1).cpu()


def group_images(
    explored: Explored, kind: str | None, group_size: int, seed: int, held_out: int | None, files: Sequence[str]
) -> Tensor:
    """The images of a group as bytes, ``(M, C, H, W)``; else as ``group``."""
    if files:
        return own_images(explored, files)
    if held_out is not None:
        if explored.groups is None or not 0 <= held_out < len(explored.groups):
            raise ConfigError(f"held_out: no group {held_out} in the map")
        return explored.table.images[explored.groups[held_out]]
    return explored.table.images[explored.rows_of(kind, group_size, seed)]


def own_images(explored: Explored, files: Sequence[str]) -> Tensor:
    """Image files as the data's own are decoded, ``(M, C, H, W)``.

    Raises:
        ConfigError: more than 1,000 files, or a model of images that no file holds.
        DataError: a file is no image, or larger than any that is decoded; the message names it.
    """
    channels, height, width = explored.model.image_shape
    if len(files) > MOST_FILES:
        raise ConfigError(f"files: {len(files):,} are too many; choose up to {MOST_FILES:,}")
    if channels not in (1, 3) or height != width:
        raise ConfigError(f"files: the model has images of {channels}×{height}×{width}, which no image file holds")
    data = explored.data
    change = data.transform() if isinstance(data, ImageFilesDataModule) else Transform(height, channels)
    decoded = []
    for file in map(Path, files):
        try:
            if (size := file.stat().st_size) > LARGEST_FILE:
                raise DataError(f"{size / 2**20:.0f} MB are more than {LARGEST_FILE / 2**20:.0f} MB")
            decoded.append(torch.tensor(decode_image(file.read_bytes(), change)))
        except DataError as error:
            raise DataError(f"{file.name}: {error}") from error
        except OSError as error:
            raise DataError(f"{file.name}: cannot be read ({error.strerror})") from error
    return torch.cat(decoded)


def build(explored: Explored) -> None:
    """The controls, the picture and the charts."""
    with gr.Row():
        with gr.Column(scale=1, min_width=260):
            kind = gr.Dropdown(list(explored.kinds), value=next(iter(explored.kinds)), label="Images of")
            size = gr.Slider(1, 128, 16, step=1, label="Images in the group")
            seed = gr.Slider(0, 99, 0, step=1, label="Seed of the draw")
            files = gr.File(label="Or your own images", file_count="multiple", height=160)
        with gr.Column(scale=3, min_width=320):
            shown = gr.HTML(_page_of(explored, kind=kind.value, group_size=16), js_on_load=f"{SAVE}\n{CLICKED}")

    def again(kind: str, size: int, seed: int, files: list[str] | None) -> str:
        if files:
            return _page_of(explored, files=files)
        return _page_of(explored, kind=kind, group_size=size, seed=seed)

    def clicked(event: gr.SelectData) -> str:
        return _page_of(explored, held_out=event.index)

    controls = [kind, size, seed, files]
    for moved in (kind.input, size.input, seed.input, files.change):
        moved(again, controls, shown, **QUIETLY)
    shown.select(clicked, None, shown, **QUIETLY)


def _page_of(explored: Explored, files: Sequence[str] = (), **options: Any) -> str:
    """What is shown of a group; the lines that make it again name files as the user knows them."""

    def made() -> str:
        picture = group(explored, files=files, **options)
        shown = {"files": [Path(file).name for file in files]} if files else options
        return picture_html(group, picture, explored, shown)

    return answer(made)
