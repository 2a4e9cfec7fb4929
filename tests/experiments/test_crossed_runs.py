"""``translation`` of a run on data that have the true translation of every image, and its report; contact sheets."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from tests.data.icons import STYLES, write_icons
from tests.helpers.package_index import pip_finds_nothing
from tests.helpers.small_models import make
from tests.helpers.tiny_runs import call, write_run
from ugvae.data.crossing import find_crossing
from ugvae.evaluation.crossed import SHOWN
from ugvae.evaluation.results import read_results
from ugvae.evaluation.trained_run import load_run
from ugvae.experiments import sheet
from ugvae.experiments.paper.__main__ import main
from ugvae.experiments.paper.crossed import with_true_images
from ugvae.models import UGVAE


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has just begun, on tiny icons."""
    folder = tmp_path_factory.mktemp("crossed")
    write_icons(folder / "icons")
    settings = {"root": str(folder / "icons"), "image_size": 8, "grouping": "pure", "group_size": 4, "cache_workers": 1}
    torch.manual_seed(7)
    model = make(UGVAE, (1, 8, 8), double=False)
    data = {"class_path": "ugvae.datamodules.IconsDataModule", "init_args": settings}
    return write_run(folder / "run", model, data)


def test_translation_beside_the_true_images(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = call("translation", run, "--group_size", "4", "--groups", "2")
    crossed = result["crossed"]
    assert (crossed["column"], crossed["content"], crossed["domains"]) == ("domain", "icon", STYLES)
    assert (crossed["contents"], crossed["group_size"], crossed["groups"]) == (4, 2, 2)
    assert list(crossed["pairs"]) == list(SHOWN)
    assert all(len(pairs) == 6 * 5 for pairs in crossed["pairs"].values())
    assert crossed["pairs"]["true image"]["thin to bold"]["content"] == 1
    assert [figure["file"] for figure in result["figures"]][-1] == "translation_crossed.png"
    assert (run / "paper" / "translation_crossed.png").stat().st_size > 5_000
    printed = capsys.readouterr().out
    assert "| against the true image | error of a pixel | SSIM | domain judged right | icon found |" in printed
    assert "| the true image itself | 0.000 (0.000) | 1.000 (1.000) |" in printed
    assert read_results({"translation": result}).translation.crossed.mean("copy").rmse > 0

    main(["report", "--run", str(run)])
    page = (run / "report.html").read_text()
    assert "Against the true image: 4 held-out images of each domain, in groups of 2" in page
    assert "reconstruction of the true image" in page


def test_named_values_alone_are_compared(run: Path) -> None:
    crossed = call("translation", run, "--column", "style", "--values", "bold", "fill", "--groups", "2")["crossed"]
    assert crossed["domains"] == ["fill", "bold"]
    assert list(crossed["pairs"]["fixed"]) == ["fill to bold", "bold to fill"]


def test_picture_shows_sources_beside_the_truth(run: Path) -> None:
    loaded = load_run(run)
    _, (figure, caption) = with_true_images(loaded, find_crossing(loaded.table, "style", range(6)), 4, seed=0)
    (axes,) = figure.axes
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels[:3] == ["source", "true image", "fixed z"]
    assert [label.get_text() for label in axes.get_xticklabels()] == [name for name in STYLES[1:] for _ in range(3)]
    pixels = torch.from_numpy(axes.get_images()[0].get_array().data[..., 0])[4::9, 4::9] * 255  # middles of the images
    assert pixels.shape == (len(labels), 15)
    source, true = pixels[:2].round().long()
    places = torch.arange(1, 6).repeat_interleave(3)
    assert torch.equal(true - source, places), "the same icon in the style of its column"
    assert caption.endswith(".")


@pytest.mark.parametrize("images", [3, 16])
def test_contact_sheet(run: Path, tmp_path: Path, images: int, capsys: pytest.CaptureFixture[str]) -> None:
    root, file = run.parent / "icons", tmp_path / "sheet.png"
    sheet.main(["icons", "--by=style", f"--images={images}", f"--data.root={root}", f"--file={file}"])
    assert capsys.readouterr().out == f"Wrote {file}\n"
    figure = sheet.sheet("icons", "style", images, [f"--data.root={root}", "--data.image_size=8"])
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == STYLES
    levels = torch.from_numpy(axes.get_images()[0].get_array().data[..., 0])[4::9, 4::9] * 255
    assert levels.shape == (6, min(images, 4))
    assert torch.equal(levels.round().diff(dim=0), torch.ones(5, min(images, 4))), "a column is one icon"
    with Image.open(file) as picture:
        assert picture.width > 100


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "data: no file nothing, and ugvae has no YAML of that name. It has array, "),
        (["digits", "--by=style"], "by: no column 'style'; the data have label"),
        (["icons", "--data.root=nowhere"], "Icons: no justmyresource_phosphor"),
    ],
)
def test_sheet_that_cannot_be_drawn(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    pip_finds_nothing(monkeypatch)
    with pytest.raises(SystemExit, match="2"):
        sheet.main(arguments)
    assert capsys.readouterr().err.startswith(f"error: {message}")
    assert not list(tmp_path.iterdir())
