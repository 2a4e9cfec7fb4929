"""Translation by several models over made-up runs."""

from pathlib import Path

import pytest

from tests.helpers.made_up_runs import accuracy, latent_use, table1, translation, write_page, write_run
from ugvae.experiments.paper.__main__ import main


def test_seeds_of_a_run_are_one_row_for_every_way(tmp_path: Path) -> None:
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
        "| run | z | translated | translated, beyond the own beta | kept | kept by reconstruction "
        "| information of beta, random groups | seeds |",
        "| a | fixed z | 0.30 ± 0.14 | 0.27 ± 0.14 | 0.55 ± 0.00 | 0.92 ± 0.00 | 5.4 ± 0.0 | 2 |",
        "| a | transported z | 0.97 ± 0.00 | 0.93 ± 0.00 | 0.31 ± 0.00 | 0.92 ± 0.00 | 5.4 ± 0.0 | 2 |",
        "| b | fixed z | 0.50 | 0.47 | 0.55 | 0.92 | — | 1 |",
        "| b | transported z | 0.80 | 0.76 | 0.31 | 0.92 | — | 1 |",
    ]


def test_what_is_read_stands_where_no_judge_knows_the_content(tmp_path: Path) -> None:
    doc, result = write_page(tmp_path / "docs" / "page.md", "translations"), translation()
    del result["judges"]["content"]
    run = write_run(tmp_path / "a" / "version_0", results={"translation": result})
    main(["translations", "--runs", str(run), "--doc", str(doc)])
    assert "| a | fixed z | 0.41 | 0.38 | 0.60 | 1.00 | 0.60 |" in doc.read_text(), "0.55 of 0.92"


def test_true_images_are_a_table_of_their_own(tmp_path: Path) -> None:
    doc = write_page(tmp_path / "docs" / "page.md", "translations")
    runs = []
    for seed, error in enumerate((0.2, 0.4)):
        near = {"rmse": error, "domain": 0.5, "content": 0.75, "ssim": None}
        plain, far = {**near, "rmse": 0.1}, {**near, "rmse": error + 0.2, "domain": 0.25}
        pairs = {"reconstruction": {"a to b": plain, "b to a": plain}, "fixed": {"a to b": near, "b to a": far}}
        crossed = {"column": "style", "content": "icon", "domains": ["a", "b"], "contents": 9, "group_size": 3}
        results = {"translation": {**translation(), "crossed": {**crossed, "groups": 2, "pairs": pairs}}}
        runs.append(write_run(tmp_path / "icons" / f"version_{seed}", results=results, seed=seed))
    main(["translations", "--runs", *map(str, runs), "--doc", str(doc)])
    _, against = doc.read_text().split("| run | against")
    assert f"| run | against{against}".splitlines()[::3][:2] == [
        "| run | against the true image | error of a pixel | over that of the reconstruction | style judged right "
        "| in the worst pair | icon found | seeds |",
        "| icons | fixed z | 0.400 ± 0.141 | 4.00 ± 1.41 | 0.38 ± 0.00 | 0.25 ± 0.00 | 0.75 ± 0.00 | 2 |",
    ]


def test_how_well_groups_are_told_apart_is_a_table_of_its_own(tmp_path: Path) -> None:
    doc, runs = write_page(tmp_path / "docs" / "page.md", "other"), []
    for seed, share in enumerate((0.7, 0.9)):
        groups = table1()
        (result,) = groups["results"].values()
        result["information"] = [2.0, 2.0 + 2 * seed]
        for task in ("kinds", "kinds and random"):
            better = {"rbf": accuracy(share if task == "kinds" else 0.1)["rbf"]}
            result["accuracy"][task]["beta sample at 1.5 nats"] = accuracy(0.05) | better
            if not seed:  # which the other run did not reach
                result["accuracy"][task]["beta sample at 0.5 nats"] = accuracy(0.6)
            result["accuracy"][task]["untrained beta sample at 0.5 nats"] = accuracy(0.6)
        results = {"translation": translation(), "groups": groups}
        runs.append(write_run(tmp_path / "a" / f"version_{seed}", results=results, seed=seed))
    main(["translations", "--runs", *map(str, runs), "--doc", str(doc), "--section", "other"])
    head, row = [line for line in doc.read_text().splitlines() if line.startswith("| ")][-2:]
    assert head == (
        "| groups told apart | run | information of beta | beta sample | untrained, same information, beta sample "
        "| beta sample at 1.5 nats | chance | seeds |"
    )
    assert row == ("| Male / not Male | a | 2.5 ± 0.7 | 0.91 ± 0.00 | 0.58 ± 0.00 | 0.80 ± 0.14 | 0.50 ± 0.00 | 2 |")


def test_a_run_without_translation_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    doc = write_page(tmp_path / "docs" / "page.md", "translations")
    before = doc.read_text()
    write_run(tmp_path / "a" / "version_0", results={})
    with pytest.raises(SystemExit, match="2"):
        main(["translations", "--runs", str(tmp_path / "a" / "version_0"), "--doc", str(doc)])
    assert "has no result of translation" in capsys.readouterr().err
    assert doc.read_text() == before
