"""Translation by several models over made-up runs."""

from pathlib import Path

import pytest

from tests.helpers.made_up_runs import latent_use, translation, write_page, write_run
from ugvae.experiments.paper.__main__ import main


def test_seeds_of_a_model_are_one_row_for_every_way(tmp_path: Path) -> None:
    doc = write_page(tmp_path / "docs" / "page.md", "translations")
    runs = []
    for seed, share in enumerate((0.2, 0.4)):
        results = {"translation": translation(fixed=share), "latent_use": latent_use()}
        runs.append(write_run(tmp_path / "a" / f"version_{seed}", results=results, seed=seed))
    runs.append(write_run(tmp_path / "b" / "version_0", "MLVAE", {"translation": translation(0.5, 0.8)}))
    main(["translations", "--runs", *map(str, runs), "--doc", str(doc)])
    page = doc.read_text()
    assert "old text" not in page
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    assert rows == [
        "| model | z | translated | of it by the other beta | kept | kept by reconstruction "
        "| information of beta, random groups | seeds |",
        "| UGVAE | fixed z | 0.30 ± 0.14 | 0.27 ± 0.14 | 0.55 ± 0.00 | 0.92 ± 0.00 | 5.4 ± 0.0 | 2 |",
        "| UGVAE | transported z | 0.97 ± 0.00 | 0.93 ± 0.00 | 0.31 ± 0.00 | 0.92 ± 0.00 | 5.4 ± 0.0 | 2 |",
        "| MLVAE | fixed z | 0.50 | 0.47 | 0.55 | 0.92 | — | 1 |",
        "| MLVAE | transported z | 0.80 | 0.76 | 0.31 | 0.92 | — | 1 |",
    ]


def test_a_run_without_translation_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    doc = write_page(tmp_path / "docs" / "page.md", "translations")
    before = doc.read_text()
    write_run(tmp_path / "a" / "version_0", results={})
    with pytest.raises(SystemExit, match="2"):
        main(["translations", "--runs", str(tmp_path / "a" / "version_0"), "--doc", str(doc)])
    assert "has no result of translation" in capsys.readouterr().err
    assert doc.read_text() == before
