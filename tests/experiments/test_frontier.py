"""Translation against content over made-up runs."""

from pathlib import Path

import pytest
from PIL import Image

from tests.helpers.made_up_runs import translation, write_page, write_run
from ugvae.experiments.paper.__main__ import main
from ugvae.experiments.paper.frontier import points_of
from ugvae.runs.folder import read_run


@pytest.fixture
def doc(tmp_path: Path) -> Path:
    return write_page(tmp_path / "docs" / "page.md", "frontier")


def test_page_and_figure_show_every_run(tmp_path: Path, doc: Path) -> None:
    first = write_run(tmp_path / "lightning_logs" / "a" / "version_0")
    results = {"translation": translation(fixed=0.1234, transported=0.98)}
    second = write_run(tmp_path / "lightning_logs" / "b" / "version_0", results=results)
    main(["frontier", "--runs", str(first), str(second), "--doc", str(doc)])
    page = doc.read_text()
    assert "old text" not in page
    assert page.endswith("<!-- /frontier -->\n\n## After\n")
    rows = [line for line in page.splitlines() if line.startswith(("| a ", "| b "))]
    assert rows == [
        "| a | 0.03 | 0.92 | 0.41 | 0.55 | 0.97 | 0.31 |",
        "| b | 0.03 | 0.92 | 0.12 | 0.55 | 0.98 | 0.31 |",
    ]
    with Image.open(doc.parent / "figures" / "translation_frontier.png") as image:
        assert len(image.convert("RGB").resize((80, 60)).getcolors(4800)) > 20


def test_points_are_of_the_worse_direction(tmp_path: Path) -> None:
    result = translation()
    result["rates"]["B to A"] = {"domain": {**result["rates"]["A to B"]["domain"], "fixed": 0.2}, "content": {}}
    result["rates"]["B to A"]["content"] = {**result["rates"]["A to B"]["content"], "transported": 0.11}
    run = read_run(write_run(tmp_path / "a" / "v", results={"translation": result}))
    points = points_of(run)
    assert list(points) == ["reconstruction", "fixed", "transported"]
    assert points["fixed"] == (0.2, 0.55)
    assert points["transported"] == (0.97, 0.11)


@pytest.mark.parametrize(
    ("runs", "message"),
    [(["a"], "has no result of translation; make evaluate RUN="), ([], "runs: expected one or more")],
)
def test_bad_runs_are_named(
    runs: list[str], message: str, tmp_path: Path, doc: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = doc.read_text()
    write_run(tmp_path / "a", results={})
    with pytest.raises(SystemExit, match="2"):
        main(["frontier", "--runs", *(str(tmp_path / name) for name in runs), "--doc", str(doc)])
    assert message in capsys.readouterr().err
    assert doc.read_text() == before
