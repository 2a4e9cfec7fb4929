"""A tiny icon set in its true format: a wheel that holds a zip of SVGs in six styles.

Every drawing is one square, and says by its opacity which it is: icon × 6 + style. The writers share no code with the
readers.
"""

import hashlib
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch

WHEEL = "justmyresource_phosphor-2.0.8.post1-py3-none-any.whl"
STYLES = ["thin", "fill", "light", "regular", "bold", "duotone"]
ICONS = [*(f"moon-{number:02d}" for number in range(35)), "paint-bold"]  # in order; 28, 4 and 4 in the splits
SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 256 256" fill="currentColor">'
    '<path d="M0,0H256V256H0Z" opacity="{opacity:.4f}"/></svg>'
)
DARKEST = 20


def drawings() -> dict[str, str]:
    """The SVGs by their names in the zip; those of the style ``regular`` do not repeat it."""
    return {
        f"{style}/{icon}{'' if style == 'regular' else f'-{style}'}.svg": SVG.format(
            opacity=(DARKEST + number * len(STYLES) + place) / 255
        )
        for place, style in enumerate(STYLES)
        for number, icon in enumerate(ICONS)
    }


def write_icons(root: Path, changed: Mapping[str, str] | None = None) -> str:
    """Writes the wheel, its code a trap for whoever runs it; returns its SHA-256.

    Args:
        root: folder of the wheel.
        changed: SVGs to add or to put in the place of others.
    """
    root.mkdir(parents=True, exist_ok=True)
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, drawing in sorted({**drawings(), **(changed or {})}.items()):
            archive.writestr(name, drawing)
    with zipfile.ZipFile(root / WHEEL, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("justmyresource_phosphor/__init__.py", "raise AssertionError('the package was imported')\n")
        archive.writestr("justmyresource_phosphor/icons.zip", inner.getvalue())
    return hashlib.sha256((root / WHEEL).read_bytes()).hexdigest()


def icon_number(images: torch.Tensor) -> list[int]:
    """Which drawings ``(N, 1, H, W)`` are: icon × 6 + style."""
    assert (images == images[:, :, :1, :1]).all()
    return (images[:, 0, 0, 0].long() - DARKEST).tolist()
