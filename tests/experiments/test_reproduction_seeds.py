"""The reproduction page over training seeds: missing ones are trained and evaluated; runs of one setting are one."""

import json
from pathlib import Path

import pytest

from tests.experiments.test_seeds import TINY
from tests.helpers import EXPERIMENTS
from tests.helpers.made_up_runs import write_run
from ugvae import cli
from ugvae.experiments.paper import __main__ as paper
from ugvae.experiments.paper.reproduction.families import families, mean_of
from ugvae.experiments.seeds import seed_of
from ugvae.runs.files import save_json
from ugvae.runs.folder import read_run

PAGE = "<!-- claims -->\n<!-- /claims -->\n"
RUN = Path("lightning_logs/digits/version_0")


def write(doc: Path, *arguments: object) -> str:
    doc.write_text(PAGE)
    paper.main(["reproduction", "--doc", str(doc), "--pictures", "none", "--runs", *map(str, arguments)])
    return doc.read_text()


def paper_file(run: Path, name: str) -> str:
    return (run / "paper" / f"{name}.json").read_text()


def test_numbers_of_seeds_are_mean_and_spread(tmp_path: Path) -> None:
    folder = tmp_path / "lightning_logs" / "mnist"
    runs = [write_run(folder / f"version_{seed}", seed=seed) for seed in (0, 1, 2)]
    for run, share, accuracy in zip(runs, (0.5, 0.6, 0.97), (0.9, 0.8, 0.7), strict=True):
        translation, table = json.loads(paper_file(run, "translation")), json.loads(paper_file(run, "table1"))
        for rates in translation["rates"].values():
            rates["domain"]["transported"] = share
        kernels = {name: {"mean": accuracy, "sd": 0.2, "values": [0, 1]} for name in ("linear", "rbf")}
        table["results"]["Male / not Male"]["accuracy"]["kinds"]["beta sample"] = kernels
        save_json(translation, run / "paper" / "translation.json")
        save_json(table, run / "paper" / "table1.json")
        save_json({"metrics": {"test/elbo": 300 + 100 * share}}, run / "test.json")
    page = write(tmp_path / "page.md", *runs)
    name = "mnist/version_0, seeds 0, 1, 2"
    translated = next(
        line for line in page.splitlines() if line.startswith(f"| {name}, UGVAE | MNIST to Digits | tran")
    )
    assert translated.split(" | ")[3:] == ["0.69 ± 0.25", "0.31 ± 0.00", "0.31 ± 0.00", "0.31 ± 0.00", "3 |"]
    accuracies = next(
        line for line in page.splitlines() if line.startswith(f"| {name} | Male / not Male: kinds alone, l")
    )
    assert accuracies.split(" | ")[2:4] == ["0.80 ± 0.10", "0.85"], "over seeds, not over re-splits"
    assert f"| {name}, UGVAE | 369.00 ± 24.76 | 3 |" in page
    claims = [line for line in page.splitlines() if line.startswith(f"| {name} | ")]
    assert any("partly (2 of 3 seeds alone) | Beta controls what is generated" in line for line in claims)
    assert any("Male / not Male: 0.80 ± 0.10 against 0.58 ± 0.00" in line for line in claims)
    assert page.count("seeds alone") == len([line for line in claims if "seeds alone" in line])
    assert page.count("| mnist/version_1 | MNIST |") == 1, "the table of runs lists each"


def test_families_are_of_one_experiment_and_one_setting(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    folders = [
        write_run(a / "version_0", results={}, seed=2),
        write_run(a / "version_1", results={}, seed=1),
        write_run(a / "version_2", results={}, seed=1),  # trained twice: no seed of its own
        write_run(a / "version_3", results={}, seed=4, grouping="mixed"),
        write_run(b / "version_0", results={}, seed=5),
    ]
    names = [family.name for family in families([read_run(folder) for folder in folders])]
    assert names == ["a/version_1, seeds 1, 2", "a/version_2", "a/version_3", "b/version_0"]


def test_mean_of_results() -> None:
    first = {"rates": {"a": 1.0}, "units": 3, "names": ["x"], "list": [1.0, 2.0], "one": True}
    second = {"rates": {"a": 2.0, "b": 1.0}, "units": 4, "names": ["x"], "list": [3.0, 2.0], "one": True}
    assert mean_of([first, second]) == {
        "rates": {"a": 1.5}, "units": 4, "names": ["x"], "list": [2.0, 2.0], "one": True
    }  # fmt: skip
    accuracy = mean_of([{"mean": 0.5, "sd": 0.3, "values": [0.1, 0.9]}, {"mean": 0.7, "sd": 0.3, "values": [0.7, 0.7]}])
    assert accuracy == {"mean": pytest.approx(0.6), "values": [0.5, 0.7], "sd": pytest.approx(0.02**0.5)}


def test_missing_seeds_are_trained_and_evaluated_like_the_run(
    tmp_path: Path, commands: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    cli.main(["fit", f"--config={EXPERIMENTS / 'digits.yaml'}", "--trainer.max_epochs=1", *TINY])
    paper.main(["latent_use", "--run", str(RUN), "--groups", "6"])
    paper.main(["fig10", "--run", str(RUN)])
    page = write(tmp_path / "page.md", RUN, "--seeds", "2")
    second = RUN.with_name("version_1")
    assert [seed_of(path) for path in (RUN, second)] == [1, 2]
    assert [words[0] for words in commands] == ["fit", "test", "test", "paper"]
    assert commands[-1] == ["paper", "latent_use", "--run", str(second), "--groups", "6"]
    assert "| digits/version_0, seeds 1, 2, UGVAE | random groups, 6 of 16 |" in page
    assert f"--runs {RUN} {second}`" in page
    commands.clear()
    assert write(tmp_path / "page.md", RUN, "--seeds", "2") == page
    assert commands == [], "what is there is not made again"
    with pytest.raises(SystemExit):
        write(tmp_path / "page.md", "nothing", "--seeds", "2")
    assert "runs: no file nothing, and ugvae has no YAML of that name" in capsys.readouterr().err
