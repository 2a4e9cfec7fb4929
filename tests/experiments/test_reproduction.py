"""The reproduction page: its numbers are those of the JSON, and every claim has a line, measured or not."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.helpers import made_up_runs
from tests.helpers.made_up_runs import change, write_page, write_run
from ugvae.experiments.paper.__main__ import main
from ugvae.experiments.paper.report.settings import changed
from ugvae.experiments.paper.reproduction.claims import CLAIMS, lost_without_d, mixture_alone, style
from ugvae.experiments.paper.reproduction.commands import train_command
from ugvae.experiments.paper.reproduction.families import Family
from ugvae.experiments.paper.reproduction.pictures import LARGEST, shrunk
from ugvae.runs.folder import read_run


@pytest.fixture
def doc(tmp_path: Path) -> Path:
    return write_page(tmp_path / "docs" / "reproduction.md", "claims")


def write(doc: Path, *runs: Path) -> str:
    main(["reproduction", "--runs", *map(str, runs), "--doc", str(doc)])
    return doc.read_text()


def row(page: str, start: str) -> list[str]:
    """Cells of the only row of a table that starts like this."""
    (line_of_row,) = [line for line in page.splitlines() if line.startswith(f"| {start}")]
    return [cell.strip() for cell in line_of_row.strip("|").split("|")]


def test_page_holds_the_numbers_of_the_runs(tmp_path: Path, doc: Path) -> None:
    run = write_run(tmp_path / "lightning_logs" / "mnist" / "version_0")
    page = write(doc, run)
    assert page.startswith("# Page\n\nBefore.\n\n<!-- claims -->\n")
    assert page.endswith("<!-- /claims -->\n\n## After\n")
    assert "old text" not in page
    for claim in CLAIMS:
        assert f"### {claim.title[0].upper()}{claim.title[1:]}\n" in page
    cells = row(page, "mnist/version_0 | Male / not Male: and random groups, RBF SVM")
    assert cells[2:] == [
        "0.91", "0.86", "0.52", "0.54", "0.58", "0.51", "0.99", "0.98", "0.97", "0.33", "5",
    ]  # fmt: skip
    assert "Errors (±) are" in page
    assert page.count("±") == 1, "a run of one training seed has no error"
    cells = row(page, "mnist/version_0, UGVAE | Digits to MNIST | transported z |")
    assert cells[3:] == ["0.97", "0.31", "0.31", "0.31"]
    cells = row(page, "mnist/version_0, UGVAE | random groups, 64 of 16")
    assert cells[2:6] == ["28.4", "5.4 (6.2)", "9.1", "23.0"], "information, its Gaussian estimate, mismatch"
    swaps = ["0.062", "33.30", "0.062", "33.30", "0.030", "8.00", "0.200", "33.30"]
    assert cells[6:] == ["7 of 20", "6 of 20", *swaps]
    run_row = ["mnist/version_0", "MNIST", "UGVAE", "8 × 16, pure", "3", "12", "3:20"]
    lines = [line for line in page.splitlines() if line.startswith("| mnist/version_0 | MNIST")]
    assert [[cell.strip() for cell in line.strip("|").split("|")] for line in lines] == [
        [*run_row, "2 cores of Some CPU, 8 GiB, no GPU", "377.8"]
    ]
    assert "`make evaluate RUN=lightning_logs/mnist/version_0`" in page
    assert "(figures/mnist_version_0_fig3.png)" in page
    assert (doc.parent / "figures" / "mnist_version_0_fig3.png").is_file()

    change(run, "translation", lambda result: result["rates"]["B to A"]["domain"].update(transported=0.1234))
    after = write(doc, run)
    assert "| transported z | 0.12 | 0.31 | 0.31 | 0.31 |" in after
    assert after.count("<!-- claims -->") == 1


def test_a_claim_without_a_run_says_what_would_measure_it(tmp_path: Path, doc: Path) -> None:
    page = write(doc, write_run(tmp_path / "mnist" / "version_0", results={}))
    assert page.count("**Not measured** in these runs") == len(CLAIMS)
    for claim in CLAIMS:
        assert claim.needs in page
    assert page.count("Not measured in these runs.") == 3


@pytest.mark.parametrize(("share", "holds"), [(0.66, "yes"), (0.31, "partly"), (0.15, "no")])
def test_style_is_what_held_out_betas_decide_beyond_pixels_and_control(
    tmp_path: Path, share: float, holds: str
) -> None:
    run = read_run(write_run(tmp_path / "a" / "b", results={"factors": made_up_runs.factors(share)}))
    (verdict,) = style([Family([run])])
    assert verdict.holds == holds
    assert f"pixels 0.10 of s.d. 0.050, thickness {share:.2f} of s.d. 0.050" in verdict.because
    assert "thickness 0.04 of s.d. 0.010" in verdict.control
    for number, (name, prop, value) in enumerate(
        (("beta of held-out groups", "pixels", 0.9), ("untrained, beta of held-out groups", "thickness", 0.9))
    ):
        high = made_up_runs.factors(share)
        high["results"][name]["shares"][prop]["beta"] = value
        worse = read_run(write_run(tmp_path / "a" / str(number), results={"factors": high}))
        (verdict,) = style([Family([worse])])
        assert verdict.holds == "no"


@pytest.mark.parametrize(("rates", "holds"), [((0.0, 0.1), "yes"), ((0.41, 0.2), "no"), ((0.41, 0.97), "no")])
def test_loss_without_d_is_against_the_same_data_and_groups(
    tmp_path: Path, rates: tuple[float, float], holds: str
) -> None:
    ours = write_run(tmp_path / "ours" / "v", results={"translation": made_up_runs.translation()})
    other = {"translation": made_up_runs.translation(*rates)}
    theirs = write_run(tmp_path / "theirs" / "v", model="MLVAE", results=other)
    mixed = write_run(tmp_path / "mixed" / "v", model="MLVAE", results=other, grouping="mixed")
    (verdict,) = lost_without_d([Family([read_run(path)]) for path in (ours, theirs, mixed)])
    assert (verdict.run, verdict.holds) == ("theirs/v", holds)
    assert f"fixed z: {rates[0]:.2f} against 0.41" in verdict.because
    assert "transported" not in verdict.because, "ML-VAE has no mixture that could carry z"
    assert "ours/v" in verdict.control


@pytest.mark.parametrize(
    ("fixed", "holds", "told"),
    [((0.05, 0.10, 0.15), "yes", "0.10 ± 0.05 against 0.41 ± 0.00"), ((0.0, 0.0, 0.7), "no", "0.23 ± 0.40 against")],
)
def test_a_loss_smaller_than_the_spread_of_training_seeds_is_none(
    tmp_path: Path, fixed: tuple[float, ...], holds: str, told: str
) -> None:
    def family(name: str, model: str, rates: Sequence[float]) -> Family:
        results = [{"translation": made_up_runs.translation(rate, rate)} for rate in rates]
        runs = [write_run(tmp_path / name / str(i), model=model, results=r) for i, r in enumerate(results)]
        return Family([read_run(run) for run in runs])

    ours = family("ours", "UGVAE", [0.41, 0.41, 0.41])
    (verdict,) = lost_without_d([ours, family("theirs", "MLVAE", fixed)])
    assert verdict.holds == holds
    assert told in verdict.because
    assert "Fewer than" not in verdict.control
    (alone,) = lost_without_d([ours, family("one", "MLVAE", fixed[:1])])
    assert "Fewer than 3 training seeds" in alone.control


@pytest.mark.parametrize(
    ("counts", "share", "holds"),
    [
        ([[1000, 2], [0, 98]], "0.99", "yes"),
        ([[600, 0], [400, 100]], "0.80", "partly"),
        ([[1, 10], [1, 10]], "0.50", "no"),
    ],
)
def test_mixture_counts_each_domain_alike(tmp_path: Path, counts: list, share: str, holds: str) -> None:
    results = {"fig12": {"domains": ["a", "b"], "counts": counts}}
    (verdict,) = mixture_alone([Family([read_run(write_run(tmp_path / "a" / "v", model="GMVAE", results=results))])])
    assert verdict.holds == holds
    assert f"K = 2: {share}" in verdict.because


def test_command_states_what_differs_from_the_experiment(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "lightning_logs" / "mnist" / "version_0", model="MLVAE"))
    expected = "--data.grouping pure --data.groups_per_batch 8 --model.z_dim 11 --seed_everything 3"
    assert train_command(run) == f'make train DATA=mnist ARGS="--model MLVAE {expected} --trainer.max_epochs 12"'
    no_averages = replace(run, config={**run.config, "trainer": {"callbacks": None, "gradient_clip_val": None}})
    nulls = "--trainer.callbacks null --trainer.gradient_clip_val null"
    assert train_command(no_averages) == f'make train DATA=mnist ARGS="--model MLVAE {expected} {nulls}"'
    for experiment, start in (
        (
            "mnist_digits_of_mine",
            'make train DATA=mnist_digits ARGS="--model MLVAE --experiment mnist_digits_of_mine --',
        ),
        ("mine", "ugvae fit --config lightning_logs/"),
    ):
        named = replace(run, config={**run.config, "experiment": experiment})
        assert train_command(named).startswith(start)


def test_changed_settings_leave_out_defaults_of_classes_and_bases() -> None:
    arguments = {"root": "data/mnist", "group_size": 16, "num_val": 400, "gone": 3, "also_gone": None}
    config = {"data": {"class_path": "datamodules.MNISTDataModule", "init_args": arguments}, "seed_everything": 1}
    config["trainer"] = {"log_every_n_steps": 50, "max_epochs": 3}
    assert list(changed(config))[1:] == [
        ("data", "MNISTDataModule", "—"),
        ("data.num_val", "400", "5000"),
        ("data.gone", "3", "no such setting in this version"),
        ("trainer.max_epochs", "3", "none"),
    ]
    unknown = {"model": {"class_path": "nowhere.Model", "init_args": {"size": 3}}}
    assert ("model.size", "3", "no such setting in this version") in list(changed(unknown))


def test_pictures_of_one_experiment_alone(tmp_path: Path, doc: Path) -> None:
    runs = [write_run(tmp_path / "lightning_logs" / name / "version_0") for name in ("a", "b")]
    main(["reproduction", "--runs", *map(str, runs), "--doc", str(doc), "--pictures", "b/fig3.png"])
    assert [path.name for path in (doc.parent / "figures").iterdir()] == ["b_version_0_fig3.png"]


def test_pictures_are_small(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (500, 700, 3), dtype=np.uint8)
    path = tmp_path / "noise.png"
    Image.fromarray(noise).save(path)
    assert path.stat().st_size > LARGEST
    data = shrunk(path)
    assert len(data) <= LARGEST
    (tmp_path / "small.png").write_bytes(data)
    with Image.open(tmp_path / "small.png") as image:
        assert image.width / image.height == pytest.approx(700 / 500, rel=0.02)
    assert shrunk(tmp_path / "small.png") == data
    Image.fromarray(np.repeat(noise[:350, :, :1], 3, 2)).save(path)  # without colour it fits as it is
    assert path.stat().st_size > LARGEST
    path.write_bytes(shrunk(path))
    with Image.open(path) as image:
        assert (image.mode, image.size) == ("L", (700, 350))


def test_estimated_time_where_none_is_stored(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a" / "v")
    (run / "trained.json").unlink()
    seconds, how = read_run(run).seconds
    assert seconds == pytest.approx(490 * 128 / (1000 + 245))  # steps × images per step / median speed
    assert "estimated" in how


def test_errors_name_the_fault_and_leave_the_page(
    tmp_path: Path, doc: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = write_run(tmp_path / "a" / "v")
    bare, before = tmp_path / "bare.md", doc.read_text()
    bare.write_text("nothing")
    for arguments, message in (
        ([run, run, "--doc", doc], "each run once"),
        ([run, "--doc", bare], "has no section"),
        ([tmp_path, "--doc", doc], "has no config.yaml"),
    ):
        with pytest.raises(SystemExit) as stopped:
            main(["reproduction", "--runs", *map(str, arguments)])
        assert stopped.value.code == 2
        assert message in capsys.readouterr().err
    assert (doc.read_text(), bare.read_text()) == (before, "nothing")
    assert not (tmp_path / "figures").exists()
    assert json.loads((run / "paper" / "index.json").read_text())["commands"]
