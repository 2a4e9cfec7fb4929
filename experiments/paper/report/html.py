"""HTML as nested calls: ``tag("p", "a < b", class_="note")``. What is not made here is escaped."""

import base64
import io
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

from PIL import Image

LARGE = 150 * 1024  # bytes of a PNG
WIDEST = 2400  # pixels, two to one on a wide page
SIGNATURE = b"\x89PNG\r\n\x1a\n"
VOID = {"meta", "img", "br", "hr", "path", "line", "circle", "rect"}


class Html(str):
    """Text that is markup already; any other string is text and gets escaped."""

    __slots__ = ()


def tag(name: str, /, *content: Any, **attributes: Any) -> Html:
    """An element.

    Args:
        name: of the element.
        content: strings, numbers, elements, or iterables of them; None is nothing.
        attributes: ``class_`` stands for ``class`` and ``_`` for ``-``; None and False leave one out, True is bare.
    """
    written = "".join(_attribute(key, value) for key, value in attributes.items() if value is not None)
    if name in VOID:
        return Html(f"<{name}{written}>" if name in {"meta", "img", "br", "hr"} else f"<{name}{written}/>")
    return Html(f"<{name}{written}>{join(content)}</{name}>")


def join(content: Iterable[Any], between: str = "") -> Html:
    """Content one after the other, escaped where it is text."""
    return Html(between.join(_text(each) for each in content if each is not None))


def _text(content: Any) -> str:
    if isinstance(content, Html):
        return content
    if isinstance(content, str):
        return escape(content)
    if isinstance(content, Iterable):
        return join(content)
    return escape(str(content))


def _attribute(key: str, value: Any) -> str:
    name = key.rstrip("_").replace("_", "-")
    if isinstance(value, bool):
        return f" {name}" if value else ""
    return f' {name}="{escape(str(value))}"'


def image(path: Path, alt: str) -> Html:
    """A PNG as part of the page; a large one as WebP, which keeps a page of many grids of faces light."""
    data, kind = path.read_bytes(), "png"
    if len(data) > LARGE and data.startswith(SIGNATURE):
        data, kind = _webp(path), "webp"
    encoded = base64.b64encode(data).decode("ascii")
    return tag("img", src=f"data:image/{kind};base64,{encoded}", alt=alt, **_size(path))


def _webp(path: Path) -> bytes:
    buffer = io.BytesIO()
    with Image.open(path) as opened:
        picture = opened.convert("RGB")
        picture.thumbnail((WIDEST, picture.height))
        picture.save(buffer, "WEBP", quality=88)
    return buffer.getvalue()


def _size(path: Path) -> dict[str, int]:
    """Width and height in pixels, so that the page does not jump; nothing if the file is no PNG."""
    head = path.read_bytes()[:24]
    if not head.startswith(SIGNATURE) or len(head) < 24:
        return {}
    return {"width": int.from_bytes(head[16:20], "big"), "height": int.from_bytes(head[20:24], "big")}


def code(text: str) -> Html:
    """A command or a name."""
    return tag("code", text)


def table(
    caption: Any,
    heads: Sequence[Any],
    rows: Iterable[Sequence[Any]],
    classes: Iterable[str | None] | None = None,
    wordy: bool = False,
) -> Html:
    """A table with its caption above; on a narrow screen it scrolls inside its own box.

    Args:
        caption: what it shows.
        heads: of the columns; the first column names the rows.
        rows: their cells.
        classes: of each row.
        wordy: whether cells hold sentences, which are broken into lines; numbers are not.
    """
    rows = list(rows)
    kinds = list(classes) if classes is not None else [None] * len(rows)
    body = [
        tag("tr", tag("th", first, scope="row"), [tag("td", cell) for cell in cells], class_=kind)
        for (first, *cells), kind in zip(rows, kinds, strict=True)
    ]
    header = tag("thead", tag("tr", [tag("th", head, scope="col") for head in heads]))
    label = None if isinstance(caption, Html) else str(caption)
    box = tag(
        "div",
        tag("table", header, tag("tbody", body), class_="wordy" if wordy else None),
        class_="scroll",
        tabindex="0",
        role="region",
        aria_label=label or "table",
    )
    return tag("figure", tag("figcaption", caption), box, class_="table")


def facts(pairs: Iterable[tuple[Any, Any]]) -> Html:
    """Names with their values; those without a value are left out."""
    return tag("dl", [tag("div", tag("dt", name), tag("dd", value)) for name, value in pairs if value is not None])
