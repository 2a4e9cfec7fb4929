"""A grid of images as a part of the page: the picture, its labels, a button that saves it, the lines that remake it.

Axes: R rows, S columns, C channels, H and W pixels.
"""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from html import escape
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image
from torch import Tensor

from ugvae.experiments.explore.source import Explored, load
from ugvae.machine import versions
from ugvae.plots.grids import mosaic


class Picture(NamedTuple):
    """A grid of images.

    Attributes:
        images: ``(R, S, C, H, W)`` in [0, 1].
        rows: a label per row, or none.
        note: what one sees, in a sentence or two.
        charts: HTML to be shown below; no part of what is saved.
    """

    images: Tensor
    rows: Sequence[str] = ()
    note: str = ""
    charts: str = ""

    def png(self) -> bytes:
        """The grid as a PNG, a pixel for a pixel."""
        buffer = BytesIO()
        pixels = (mosaic(self.images) * 255).round().astype("uint8")
        Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
        return buffer.getvalue()

    def save(self, path: str | Path) -> None:
        """Writes the PNG."""
        Path(path).write_bytes(self.png())


LARGEST = 96  # CSS pixels of an image on the page
View = Callable[..., Picture]  # view(explored, **options)
SAVE = """element.addEventListener('click', event => {
  if (!event.target.matches('button.save')) return;
  const figure = event.target.closest('figure'), name = figure.dataset.name;
  const settings = new Blob([figure.querySelector('.settings').textContent], {type: 'application/json'});
  const files = {[name + '.png']: figure.querySelector('img').src, [name + '.json']: URL.createObjectURL(settings)};
  for (const [file, address] of Object.entries(files)) {
    const link = document.createElement('a');
    link.href = address; link.download = file; link.click();
  }
});"""  # runs in the browser: no file is written on the side of the server


def picture_html(view: View, picture: Picture, explored: Explored, options: Mapping[str, Any]) -> str:
    """A picture with its labels, the button that saves it, and the lines that make it again.

    Args:
        view: the function that has made it, ``view(explored, **options)``.
        picture: as made.
        explored: the first argument.
        options: the others: plain numbers, texts and lists.
    """
    name = view.__name__
    labels = "".join(f'<span title="{escape(label)}">{escape(label)}</span>' for label in picture.rows)
    address = f"data:image/png;base64,{base64.b64encode(picture.png()).decode()}"
    width = picture.images.shape[1] * LARGEST
    return (
        f'<figure class="picture" data-name="{name}"><div class="grid"><div class="labels">{labels}</div>'
        f'<img src="{address}" alt="{escape(f"{name}: {picture.note}")}" style="max-width:{width}px"></div>'
        f"<figcaption>{escape(picture.note)}</figcaption>"
        f'<button class="save">Save PNG + JSON</button><details><summary>Python</summary>'
        f"<pre>{escape(code(view, explored, options))}</pre></details>"
        f'<pre class="settings" hidden>{escape(settings_json(view, explored, options))}</pre>{picture.charts}</figure>'
    )


def code(view: View, explored: Explored, options: Mapping[str, Any]) -> str:
    """The lines of Python that make a picture again."""
    arguments = "".join(f", {name}={value!r}" for name, value in options.items())
    return f"""from pathlib import Path

from {load.__module__} import {load.__name__}
from {view.__module__} import {view.__name__}

explored = load(Path({str(explored.source)!r}), {list(explored.settings)!r})
{view.__name__}(explored{arguments}).save("{view.__name__}.png")
"""


def settings_json(view: View, explored: Explored, options: Mapping[str, Any]) -> str:
    """The settings that made a picture."""
    settings = {
        "view": view.__name__,
        "source": str(explored.source),
        "checkpoint_digest": explored.digest,
        "data": list(explored.settings),
        "options": options,
        "versions": versions(),
    }
    return json.dumps(settings, indent=2, allow_nan=False)
