"""Sheets of tiles that a page moves over. Axes: P panels, R rows, S columns, C channels, H and W pixels."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ugvae.plots import sheets
from ugvae.plots.sheets import save_sheet, sheet_of


@pytest.mark.parametrize(("channels", "shown"), [(1, [0, 0, 0]), (2, [0, 0, 0]), (3, [0, 1, 2]), (5, [0, 1, 2])])
def test_a_panel_is_a_row_of_tiles(channels: int, shown: list[int]) -> None:
    panels = torch.rand(2, 3, 4, channels, 5, 6)
    pixels = np.asarray(sheet_of(panels))
    assert pixels.shape == (2 * 5, 12 * 6, 3)
    tile = pixels[5:, (2 * 4 + 1) * 6 :][:, :6]
    expected = (panels[1, 2, 1, shown] * 255).round().permute(1, 2, 0)
    np.testing.assert_array_equal(tile, expected.byte().numpy())


def test_large_images_become_tiles_that_do_not_run_into_each_other() -> None:
    panels = torch.zeros(1, 1, 3, 1, 240, 120)
    panels[0, 0, 1] = 1
    pixels = np.asarray(sheet_of(panels))[..., 0]
    assert pixels.shape == (96, 3 * 48)
    assert np.unique(pixels[:, 48:96]) == 255
    assert np.unique(np.delete(pixels, np.s_[48:96], 1)) == 0


@pytest.mark.parametrize(("height", "width", "tile"), [(96, 96, (83, 83)), (192, 96, (96, 48)), (40, 90, (37, 83))])
def test_a_sheet_of_many_tiles_is_no_wider_than_a_webp(tmp_path: Path, height: int, width: int, tile: tuple) -> None:
    sheet, path = sheet_of(torch.rand(1, 14, 14, 1, height, width)), tmp_path / "sheet.webp"
    assert sheet.size == (14 * 14 * tile[1], tile[0])
    save_sheet(sheet, path)
    with Image.open(path) as written:
        assert written.size == sheet.size


def test_a_sheet_of_many_panels_is_no_higher_than_a_webp(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "MOST_PIXELS", 100)
    assert sheet_of(torch.rand(7, 1, 2, 1, 20, 20)).size == (2 * 14, 7 * 14)
    assert sheet_of(torch.rand(1, 10, 10, 1, 2, 8)).size == (100, 1)


def test_a_file_is_as_small_as_a_page_can_bear(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sheet, path = sheet_of(torch.rand(2, 3, 3, 3, 32, 32)), tmp_path / "sheet.webp"
    save_sheet(sheet, path)
    whole = path.stat().st_size
    with Image.open(path) as written:
        assert (written.format, written.size) == ("WEBP", (9 * 32, 2 * 32))
    monkeypatch.setattr(sheets, "MOST_BYTES", whole - 1)
    save_sheet(sheet, path)
    assert path.stat().st_size < whole
    monkeypatch.setattr(sheets, "MOST_BYTES", 1)
    save_sheet(sheet, path)
    with Image.open(path) as written:
        assert written.size == sheet.size, "the lowest quality, however large"
