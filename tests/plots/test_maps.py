"""Maps and grids of any latents, names and numbers of kinds: right, and inside of the picture."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ugvae.plots.figure import plain, save_figure
from ugvae.plots.grids import component_walk_figures, grid_figure
from ugvae.plots.maps import map_figure, tsne


def test_tsne_keeps_clusters_apart() -> None:
    points = torch.cat([torch.randn(20, 5), torch.randn(20, 5) + 30])
    flat = tsne(points)
    centres = flat[:20].mean(0), flat[20:].mean(0)
    assert np.linalg.norm(centres[0] - centres[1]) > 2 * flat[:20].std()


@pytest.mark.parametrize(
    "points",
    [
        torch.randn(12, 1),
        torch.ones(40, 20),
        torch.zeros(12, 1),
        torch.randn(2, 3),
        torch.randn(1, 3),
        torch.randn(0, 3),
        1e-40 * torch.randn(40, 20),
        3 + 1e-8 * torch.randn(40, 20),
        1e30 * torch.randn(40, 20),
        torch.cat([torch.ones(40, 19), torch.randn(40, 1)], 1),
    ],
    ids=[
        *("one dimension", "equal", "equal, one dimension", "two points", "one point", "none"),
        *("denormal", "equal but for rounding", "huge", "one dimension that varies"),
    ],
)
def test_tsne_of_points_that_give_it_little(points: torch.Tensor) -> None:
    flat = tsne(points)
    assert flat.shape == (len(points), 2)
    assert np.isfinite(flat).all()
    values = points.double()
    differ = len(points) > 1 and bool((values.amax(0) - values.amin(0)).max() > 1e-6 * values.abs().max())
    assert (len(np.unique(flat, axis=0)) > 1) == differ, "equal points lie on one spot, others do not"


def test_tsne_does_not_depend_on_the_unit() -> None:
    points = torch.randn(30, 4)
    np.testing.assert_allclose(tsne(points), tsne(2**40 * points), rtol=1e-3, atol=1e-3)


def test_tsne_refuses_points_that_are_not_finite() -> None:
    with pytest.raises(ValueError, match="2 of 12 points are not finite"):
        tsne(torch.randn(12, 3).index_fill(0, torch.tensor([3, 5]), float("nan")))


def test_names_from_the_data_are_shown_as_they_are(tmp_path: Path) -> None:
    names = dict(enumerate(["a$b$", "_hidden", "x_1^2", "$"])) | {number: f"class {number}" for number in range(4, 60)}
    points = np.random.default_rng(0).normal(size=(60, 2))
    figure = map_figure(points, np.arange(60), names, "values of $x_1^{2$")
    save_figure(figure, tmp_path / "map.png")
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert len(texts) == 60, "no name is hidden"
    assert [plain(name) for name in ("a$b$", "_hidden")] == ["a\\$b\\$", " _hidden"] == texts[:2]
    legend, (width, _) = figure.legends[0].get_window_extent(), figure.canvas.get_width_height()
    assert 0 <= legend.x0 < legend.x1 <= width, "the legend lies in the picture"


@pytest.mark.parametrize("number", [5, 75, 300])
def test_legend_of_a_map_stays_in_the_picture(number: int, tmp_path: Path) -> None:
    names = {value: f"{value} is a rather long name of a CLASS {'W' * 9} {value}" for value in range(number)}
    figure = map_figure(np.random.default_rng(0).normal(size=(number, 2)), np.arange(number), names, "map")
    save_figure(figure, tmp_path / "map.png")
    (legend,), (width, height) = figure.legends, figure.canvas.get_width_height()
    place = legend.get_window_extent()
    assert 0 <= place.x0 < place.x1 <= width
    assert 0 <= place.y0 < place.y1 <= height
    assert place.x0 >= figure.axes[0].get_window_extent().x1, "and beside the map"
    shown = [text.get_text() for text in legend.get_texts()]
    assert len(shown) == min(number, 75)
    assert shown[0].startswith("0 is")
    assert shown[-1].endswith(f" {number - 1}")
    assert (legend.get_title().get_text() == "75 of 300, colours in this order") == (number == 300)


def test_labels_of_a_grid_are_never_cut(tmp_path: Path) -> None:
    labels = ["own group", "W" * 40, "iii"]
    figure = grid_figure(torch.rand(3, 2, 1, 8, 8), "swaps", labels)
    save_figure(figure, tmp_path / "grid.png")
    assert all(text.get_window_extent().x0 >= 0 for text in figure.axes[0].get_yticklabels())


@pytest.mark.parametrize(("components", "pages"), [(1, 1), (10, 1), (20, 2), (21, 3)])
def test_panels_of_components_can_be_read_on_a_phone(components: int, pages: int) -> None:
    """Two beside each other are 40 pixels and more for an image of seven, on a page of 700."""
    figures = component_walk_figures(torch.rand(components, 7, 7, 1, 4, 4), torch.arange(7.0), torch.arange(7.0))
    assert len(figures) == pages
    assert all(figure.get_figwidth() < 7 for figure in figures)


@pytest.mark.parametrize(("components", "pages"), [(1, 1), (20, 1), (21, 2)])
def test_components_that_nothing_drives_have_a_row_each(components: int, pages: int) -> None:
    walks, notes = torch.rand(components, 1, 7, 1, 4, 4), [f"{k} images" for k in range(components)]
    figures = component_walk_figures(walks, torch.zeros(1), torch.arange(7.0), None, notes)
    labels = [text.get_text() for figure in figures for text in figure.axes[0].get_yticklabels()]
    assert len(figures) == pages
    assert labels == [f"component {k}: {k} images" for k in range(components)]


@pytest.mark.parametrize("rows", [1, 2, 5, 20])
def test_labels_of_a_grid_with_numbers_below_are_never_cut(rows: int, tmp_path: Path) -> None:
    figure = grid_figure(
        torch.rand(rows, 7, 1, 28, 28), "walks", ["component 0: 14% of images"] * rows, list("1234567")
    )
    save_figure(figure, tmp_path / "grid.png")
    axes = figure.axes[0]
    assert all(text.get_window_extent().x0 >= 0 for text in axes.get_yticklabels())
    assert all(text.get_window_extent().y0 >= 0 for text in axes.get_xticklabels())
