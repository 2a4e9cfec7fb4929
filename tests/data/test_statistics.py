"""Statistics of pixels against loops over pixels. Axes: M images, C channels, H and W pixels."""

import math

import numpy as np
import pytest
import torch

from tests.helpers.group_tables import make_table
from ugvae.data import statistics
from ugvae.data.statistics import STATISTICS, read_statistics
from ugvae.data.table import ConcatImages, ImageTable
from ugvae.errors import ConfigError


def restated(image: np.ndarray, name: str) -> float:
    """One statistic of one image, float (C, H, W) in [0, 1], pixel by pixel."""
    channels, height, width = image.shape
    places = [(c, y, x) for c in range(channels) for y in range(height) for x in range(width)]
    if name in ("ink", "brightness"):
        return sum(image[place] for place in places) / len(places)
    if name == "thickness":
        return sum(image[place] > 0.5 for place in places) / len(places)
    if name == "warmth":
        return sum(image[0, y, x] - image[2, y, x] for c, y, x in places if c == 0) / (height * width)
    grey = {(y, x): image[:, y, x].mean() for c, y, x in places if c == 0}
    if name == "contrast":
        mean = sum(grey.values()) / len(grey)
        return math.sqrt(sum((value - mean) ** 2 for value in grey.values()) / (len(grey) - 1))
    rows, columns = np.array(list(grey)).T
    return float(np.polyfit(rows, columns, 1, w=np.sqrt(list(grey.values())))[0])


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_statistics_are_those_of_loops_over_pixels(channels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "CHUNK", 100)  # so that some images are read at a time
    images = torch.randint(256, (7, channels, 6, 5), dtype=torch.uint8)
    names = [name for name in STATISTICS if name != "warmth" or channels == 3]
    values = read_statistics(images, names)
    assert values.dtype == torch.float64
    for image, row in zip(images.numpy() / 255, values, strict=True):
        assert row.tolist() == pytest.approx([restated(image, name) for name in names], abs=1e-5)


def test_mixed_sources_are_read_like_one_tensor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "CHUNK", 100)
    parts = [torch.randint(256, (size, channels, 4, 4), dtype=torch.uint8) for size, channels in ((5, 1), (6, 3))]
    images, names = ConcatImages(parts), ["brightness", "warmth", "slant"]
    values = read_statistics(images, names)
    assert torch.equal(values, read_statistics(images[:], names))
    assert (values[:5, 1] == 0).all()  # grey images in a table in colour


def test_slant_is_the_shear_of_a_figure() -> None:
    bar = torch.zeros(3, 1, 21, 41)
    for number, slope in enumerate((-1, 0, 1)):
        for row in range(21):
            bar[number, 0, row, 20 + slope * (row - 10)] = 1
    assert STATISTICS["slant"](bar).tolist() == pytest.approx([-1, 0, 1])
    assert STATISTICS["slant"](torch.zeros(2, 1, 4, 4)).tolist() == [0, 0]  # where there is nothing
    dot = torch.zeros(1, 1, 4, 4)
    dot[..., 2, 1] = 1
    assert STATISTICS["slant"](dot).tolist() == [0]


@pytest.mark.parametrize("channels", [1, 4])
def test_warmth_is_of_red_and_blue(channels: int) -> None:
    images = torch.zeros(3, channels, 2, 2, dtype=torch.uint8)
    with pytest.raises(ConfigError, match=f"^statistics: warmth needs .* of 3 channels; they have {channels}$"):
        read_statistics(images, ["ink", "warmth"])


def test_a_table_reads_them_once(monkeypatch: pytest.MonkeyPatch) -> None:
    table, calls = make_table([5]), []
    reading = STATISTICS["ink"]
    monkeypatch.setitem(STATISTICS, "ink", lambda images: calls.append(len(images)) or reading(images))
    first = table.statistics(["ink"])
    assert table.statistics(("ink",)) is first
    assert calls == [5]
    assert table.statistics(["ink", "thickness"]).shape == (5, 2)
    assert len(ImageTable(table.images[:0]).statistics(["ink"])) == 0
