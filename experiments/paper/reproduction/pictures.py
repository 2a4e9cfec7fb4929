"""Small pictures for the page: only what a model decodes, never an image of a data set."""

import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from ugvae.experiments.paper.table import one_line
from ugvae.runs.files import atomic_path
from ugvae.runs.folder import RunFolder

DECODED = (
    *("fig3", "fig4", "fig5", "fig6", "fig9", "fig10", "fig11", "fig12", "fig13"),
    *("within", "prior", "dimensions", "samples", "components", "latent_use", "translation"),
)
LARGEST = 300 * 1024  # bytes of a picture
SHRINK = 0.85  # of the width, until it fits


def copy_pictures(runs: Sequence[RunFolder], files: Sequence[str], doc: Path) -> str | None:
    """Copies figures of runs into ``figures/`` beside the page.

    Args:
        runs: the runs; those without a figure are left out.
        files: names in ``<run>/paper``, such as ``fig3.png``, or of one experiment's runs, ``celeba/fig3.png``. Only
            figures of the commands in ``DECODED`` are copied.
        doc: the page.

    Returns:
        Markdown that shows the figures with their captions; None without figures.
    """
    drawn = [
        (run, figure)
        for run in runs
        for name in DECODED
        for figure in run.commands.get(name, {}).get("figures", [])
        if {figure["file"], f"{run.directory.parent.name}/{figure['file']}"} & set(files)
    ]
    parts = []
    for run, figure in drawn:
        source = run.directory / "paper" / figure["file"]
        if source.is_file():
            target = doc.parent / "figures" / f"{run.name.replace('/', '_')}_{figure['file']}"
            with atomic_path(target) as temporary:
                temporary.write_bytes(shrunk(source))
            caption = one_line(figure["caption"])
            alt = caption.split(". ")[0].replace("[", "(").replace("]", ")")
            parts.append(f"![{alt}](figures/{target.name})\n\n*{run.name}, {run.model}. {caption}*")
    return "\n\n".join(parts) or None


def shrunk(path: Path) -> bytes:
    """A PNG of at most 300 KiB: grey or of 256 colours, and smaller in width and height until it fits."""
    data = path.read_bytes()
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    red, green, blue = image.split()
    if red.tobytes() == green.tobytes() == blue.tobytes():
        image = red
    size = image.size
    while len(data) > LARGEST:
        buffer = io.BytesIO()
        resized = image.resize(size, Image.Resampling.LANCZOS)
        if resized.mode == "RGB":
            resized = resized.quantize(256, dither=Image.Dither.NONE)
        resized.save(buffer, "PNG", optimize=True)
        data = buffer.getvalue()
        size = (int(size[0] * SHRINK), int(size[1] * SHRINK))
    return data
