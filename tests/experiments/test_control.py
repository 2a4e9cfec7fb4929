"""What held-out betas control against the bound, over made-up runs."""

from pathlib import Path

import pytest
from PIL import Image

from tests.helpers import tiny_runs
from tests.helpers.made_up_runs import factors, write_page, write_run
from ugvae.experiments.paper.__main__ import main
from ugvae.models import UGVAE, VAE


@pytest.fixture
def doc(tmp_path: Path) -> Path:
    return write_page(tmp_path / "docs" / "page.md", "control")


def test_seeds_are_one_row_with_mean_and_deviation(tmp_path: Path, doc: Path) -> None:
    runs = [
        write_run(tmp_path / "a" / f"version_{seed}", results={"factors": factors(style)}, seed=seed)
        for seed, style in ((1, 0.4), (2, 0.6))
    ]
    runs.append(write_run(tmp_path / "b" / "version_0", results={"factors": factors(0.2)}))
    main(["control", "--runs", *map(str, runs), "--doc", str(doc)])
    page = doc.read_text()
    assert "old text" not in page
    head, _, first, second = (line for line in page.splitlines() if line.startswith("|"))
    assert head.startswith("| run | property | test ELBO, nats per image | walk | walk: pixels | z fixed |")
    assert first.split(" | ")[3:6] == ["0.50 ± 0.14", "0.10 ± 0.00", "0.02 ± 0.00"]
    assert second.split(" | ")[3:6] == ["0.20", "0.10", "0.02"]
    with Image.open(doc.parent / "figures" / "control_frontier.png") as image:
        assert len(image.convert("RGB").resize((80, 60)).getcolors(4800)) > 20


def test_a_run_without_factors_is_named(tmp_path: Path, doc: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = doc.read_text()
    run = write_run(tmp_path / "a", results={})
    with pytest.raises(SystemExit, match="2"):
        main(["control", "--runs", str(run), "--doc", str(doc)])
    assert "has no result of factors; make evaluate RUN=" in capsys.readouterr().err
    assert doc.read_text() == before


def test_walks_of_runs_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [tiny_runs.run_of(tmp_path / name, UGVAE, tiny_runs.DIGITS) for name in ("a", "b")]
    output, sizes = tmp_path / "walks.png", []
    for shown in (runs[:1], runs):
        main(["walks", "--runs", *map(str, shown), "--output", str(output), "--columns", "3"])
        with Image.open(output) as image:
            sizes.append(image.size)
            assert len(image.convert("L").resize((90, 90)).getcolors(256)) > 20
    assert sizes[1][0] > 1.5 * sizes[0][0], "the runs stand beside each other"
    assert sizes[1][1] == sizes[0][1], "the walk above z fixed"
    without_beta = tiny_runs.run_of(tmp_path / "c", VAE, tiny_runs.DIGITS)
    with pytest.raises(SystemExit, match="2"):
        main(["walks", "--runs", str(without_beta), "--output", str(output)])
    assert "the model is VAE, which has no beta" in capsys.readouterr().err
