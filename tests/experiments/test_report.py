"""The report: self-contained, escaped, from the JSON alone, and open about what is missing."""

import base64
import io
import itertools
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.helpers.made_up_runs import change, write_run
from tests.helpers.outline import Outline
from ugvae.evaluation.results import read_results
from ugvae.evaluation.verdict import CLAIMS, verdict
from ugvae.experiments.paper.__main__ import FIGURES, TABLES, main
from ugvae.experiments.paper.report.pictures import STAGES, Picture, curves, read_picture
from ugvae.runs.checkpoints import checkpoint_digest
from ugvae.runs.files import save_json
from ugvae.runs.folder import read_run

COLOURS = [colour for _, colour in STAGES.values()]
HOSTILE = "</style><script>alert(1)</script>\"'&<b>"


def report(run: Path) -> str:
    main(["report", "--run", str(run)])
    return (run / "report.html").read_text(encoding="utf-8")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "lightning_logs" / "mnist" / "version_0")


def test_page_needs_nothing_else(run: Path) -> None:
    page = report(run)
    outline = Outline(page)
    ids = [attributes["id"] for _, attributes in outline.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for tag, attributes in outline.tags:
        assert tag != "script"
        source = attributes.get("src", "data:")
        assert source.startswith("data:")
        link = attributes.get("href", "#verdict")
        outside = link == "https://arxiv.org/abs/2012.08234" and tag == "a"
        assert outside or link.startswith("data:") or link.removeprefix("#") in ids
        if tag == "img":
            assert attributes["alt"]
            assert int(attributes["width"]) > 0
    assert "url(" not in page
    assert "@import" not in page
    headings = [int(tag[1]) for tag, _ in outline.tags if re.fullmatch("h[1-6]", tag)]
    assert headings[0] == 1
    assert headings.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(headings))


def test_numbers_stand_beside_the_papers_and_the_controls(run: Path) -> None:
    words = Outline(report(run)).words()
    row = words.index("beta sample 0.91 ± 0.01")
    assert words.index("the paper prints 0.85 0.86 0.85 0.86", row) > row
    assert words.index("untrained, BatchNorm fitted, beta sample 0.54 ± 0.01", row) > row
    for shown in (
        "MNIST to Digits transported z 0.97 0.31 0.31 0.31",
        "7 of 20",
        "28.4 ± 1.5 5.4 (6.2) 9.1 23.0",
        "source found again — — 0.90 of 0.95 — — —",
        "Information of beta: 9.2 nats.",
        "+6.200 ± 0.100",
        "z 5,000 images label, 10 values 0.50 (0.20; 0.01)",
        "z 5,000 images all, the mean 0.55 (0.25; 0.06)",
        "0.33 (0.33; 0.33) 0.44 (0.44; 0.44) 0.66 (0.66; 0.66)",
        "beta 312 groups of 16 label, 10 values 0.50 (0.20; 0.01)",
        "reconstructions 2,000 0.1653 ± 0.0181 4.56 18.80 0.861",
        "on held-out images it tells label 0.98.",
        "MNIST to Digits images a set KID FID other real images 48 0.2000 ± 0.1000 — fixed z 48 0.7000 ± 0.1000 —",
        "thickness 0.71 of 0.050 0.66 of 0.050 0.02 of 0.050 0.04 of 0.010",
    ):
        assert shown in words
    assert "377.77" in words
    assert "0.612" in words
    assert "of KL_beta information, nats per group 1.900" in words
    assert "3:20 (validation and figures included, in 2 sessions)" in words
    assert "model.z_dim 11 10" in words
    assert "seed_everything 3 1" in words
    assert "Look for rows that differ." in words


def test_a_changed_number_changes_the_page(run: Path) -> None:
    before = Outline(report(run)).words()

    def lower(result: dict) -> None:
        features = result["results"]["Male / not Male"]["accuracy"]["kinds"]
        features["beta sample"]["rbf"]["mean"] = features["beta sample"]["linear"]["mean"] = 0.4321

    change(run, "table1", lower)
    after = Outline(report(run)).words()
    assert "0.43 ± 0.01" in after
    assert "0.43 ± 0.01" not in before
    assert "Holds Beta carries what" in before
    assert "Holds in part Beta carries what" in after


def test_what_is_missing_is_said_with_its_command(run: Path) -> None:
    (run / "test.json").unlink()
    (run / "trained.json").unlink()
    (run / "metrics.csv").unlink()
    (run / "paper" / "fig3.png").unlink()
    (run / "paper" / "bound.json").write_text('{"bounds": [')
    change(run, "translation", lambda result: result.pop("rates"))
    words = Outline(report(run)).words()
    assert "test.json is not there. Made by make evaluate RUN=lightning_logs/mnist/version_0" in words
    assert "Training time not stored" in words
    assert "The curves: metrics.csv has none" in words
    assert "fig3.png: the file is not there" in words
    assert "paper/bound.json: damaged, left out" in words
    assert "paper/translation.json: damaged, left out (translation: " in words
    assert "does not apply UGVAE has beta" in words
    assert "not run — ugvae paper series --run lightning_logs/mnist/version_0" in words
    assert "Not measured The importance-weighted bound" in words
    assert "ugvae paper table1 --run lightning_logs/mnist/version_0" in words, "which an earlier version stored"
    assert "experiments.paper" not in words


def test_a_run_without_any_result_names_every_command(tmp_path: Path) -> None:
    run = tmp_path / "mnist" / "version_0"
    run.mkdir(parents=True)
    (run / "config.yaml").write_text("model: {class_path: ugvae.models.VAE}\n")
    words = Outline(report(run)).words()
    for name in FIGURES | TABLES:
        assert f"ugvae paper {name} --run" in words
    assert words.count("Not measured") == len(CLAIMS)


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a & <i>b" / "version_0")
    config = run / "config.yaml"
    config.write_text(config.read_text().replace("data/mnist", '"' + HOSTILE.replace('"', '\\"') + '"'))
    for name in ("table1", "index"):
        path = run / "paper" / f"{name}.json"
        hostile = HOSTILE.replace('"', '\\"')
        path.write_text(path.read_text().replace("Male / not Male", hostile).replace("Look for", hostile))
    page = report(run)
    outline = Outline(page)
    assert not {tag for tag, _ in outline.tags} & {"script", "b", "i"}
    assert "<script>alert(1)" in outline.words()  # as text
    images = [attributes["alt"] for tag, attributes in outline.tags if tag == "img"]
    assert any(HOSTILE in alt for alt in images)


def test_earlier_result_of_a_command_that_failed_since_is_not_shown(run: Path) -> None:
    assert "7 of 20" in Outline(report(run)).words()
    index = run / "paper" / "index.json"
    index.write_text(index.read_text().replace('"status": "done"', '"status": "failed"'))
    words = Outline(report(run)).words()
    assert "7 of 20" not in words
    assert words.count("Not measured") == len(CLAIMS)


def test_only_a_run_has_a_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["report", "--run", str(tmp_path)])
    assert stopped.value.code == 2
    assert "has no config.yaml" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def svg_of(picture: Picture) -> str:
    return base64.b64decode(picture.source.removeprefix("data:image/svg+xml;base64,")).decode()


def test_every_logged_term_has_a_curve_of_both_stages() -> None:
    steps = np.arange(0.0, 1000)
    broken = np.where(steps == 999, np.nan, -steps)
    metrics = {
        "train/kl_new": (steps, broken),
        "val/kl_new": (steps[::-100], steps[::-100]),
        "train/elbo": (steps, steps),
        "train/once": (steps[:1], steps[:1]),
        "test/elbo": (steps, steps),
    }
    elbo, new = curves(metrics)
    assert elbo.caption == "ELBO, nats per image: training ends at 999"
    assert new.caption == "KL_new, nats per image: training ends at -998, validation ends at 999"
    assert "optimiser step" in svg_of(new)
    assert [svg_of(picture).count(colour) for picture in (elbo, new) for colour in COLOURS] == [1, 0, 1, 1]


def test_large_pictures_are_webp_and_damaged_ones_are_named(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 3000, 3), dtype=np.uint8)
    path = tmp_path / "noise.png"
    Image.fromarray(noise).save(path)
    large = read_picture(path, "Noise.")
    assert large.size == (3000, 40)
    with Image.open(io.BytesIO(base64.b64decode(large.source.removeprefix("data:image/webp;base64,")))) as image:
        assert (image.format, image.size) == ("WEBP", (2400, 32))
    Image.fromarray(noise[:, :40]).save(path)
    small = read_picture(path, "Noise.")
    assert base64.b64decode(small.source.removeprefix("data:image/png;base64,")) == path.read_bytes()
    path.write_bytes(b"no picture")
    assert read_picture(path, "Noise.").source is None
    assert "cannot be read" in read_picture(path, "Noise.").reason


def test_numbers_without_a_table_are_folded_away(run: Path) -> None:
    results = {"share": 0.123456, "rows": list(range(20)), "seen": True, "inner": {"none": None, "few": [1.5, "a"]}}
    save_json({**results, "figures": [], "options": {"x": 1}}, run / "paper" / "fig3.json")
    page = report(run)
    words = Outline(page).words()
    for shown in ("share 0.1235", "rows 20 values, 0 to 19", "seen yes", "inner › none —", "inner › few 1.5, a"):
        assert shown in words
    assert "options" not in words
    assert page.count("<details>") == 2


def test_what_is_of_a_checkpoint_before_more_training_is_stale(run: Path) -> None:
    best = run / "checkpoints" / "best.ckpt"
    best.parent.mkdir()
    best.write_bytes(b"weights")
    now = checkpoint_digest(best)
    change(run, "table1", lambda result: result.update(checkpoint_digest=now))
    change(run, "../test", lambda test: test.update(checkpoint_digest=now, checkpoint=f"elsewhere/{best.name}"))
    assert read_run(run).stale == frozenset()
    assert "Stale" not in report(run)
    best.write_bytes(b"weights after more training")
    assert read_run(run).stale == {"table1", "test"}, "and not those that do not say which they are of"
    words = Outline(report(run)).words()
    assert words.count("Stale : of a checkpoint that later training has replaced") == 2
    assert "Renewed by ugvae paper table1 --run lightning_logs/mnist/version_0" in words
    assert "Renewed by make evaluate RUN=lightning_logs/mnist/version_0" in words
    fresh = {name: result for name, result in read_run(run).results.items() if name != "table1"}
    assert verdict(read_results(fresh))[0].because in words, "no verdict on a stale number"
