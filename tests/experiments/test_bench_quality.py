"""Time to quality: the paused clock, runs that end at a bound, trainings that are kept, ratios that are true."""

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import EMAWeightAveraging

from tests.data.celeba import write_celeba
from tests.helpers import PROJECT
from tests.helpers.small_models import make
from ugvae.datamodules import CelebADataModule, DigitsDataModule
from ugvae.errors import ConfigError, DataError
from ugvae.experiments.bench import __main__ as bench
from ugvae.experiments.bench import held_out, quality, quality_report, recipes
from ugvae.experiments.bench.held_out import HeldOutBound, PausedClock, Point, held_out_bound, read_points
from ugvae.experiments.bench.quality import PLAIN, WAYS, Quality
from ugvae.models import UGVAE

OURS = list(WAYS)


@pytest.fixture
def digits() -> DigitsDataModule:
    return DigitsDataModule(image_size=8)


def points(*pairs: tuple[float, float]) -> list[Point]:
    """Points of a second and a bound each; the processor works a quarter of the time, one step takes a tenth."""
    return [Point(round(10 * seconds), seconds, seconds / 4, bound) for seconds, bound in pairs]


def made_up(**changes: object) -> Quality:
    trainings = {
        PLAIN: [points((40, 90), (80, 101), (120, 100)), points((60, 80), (100, 90))],
        OURS[0]: [points((10, 99), (20, 100.5)), points((10, 70), (50, 95))],
        OURS[1]: [points((10, 100)), points((5, 60))],
    }
    settings = {"decoding": [0.0, 0.0], "trainings": trainings, "machine": "2 cores", "versions": {"torch": "2.9"}}
    return Quality(**{"data": "mnist", "quick": False, **settings, **changes})


def test_clock_stands_still_while_a_bound_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    now = SimpleNamespace(wall=100.0, processor=7.0)
    fake = SimpleNamespace(perf_counter=lambda: now.wall, process_time=lambda: now.processor)
    monkeypatch.setattr(held_out, "time", fake)
    clock = PausedClock()
    for _ in range(2):
        clock.start()
        now.wall, now.processor = now.wall + 3, now.processor + 1
        clock.pause()
        now.wall, now.processor = now.wall + 50, now.processor + 20
    assert clock.point(9, -1.5) == Point(9, 6.0, 2.0, -1.5)


def test_bound_is_that_of_validation_and_leaves_no_trace(digits: DigitsDataModule) -> None:
    model = make(UGVAE, (1, 8, 8), double=False).train()
    before = torch.get_rng_state()
    bound = held_out_bound(model, digits)
    assert held_out_bound(model, digits) == bound
    assert torch.equal(torch.get_rng_state(), before)
    assert model.training
    options = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
    validated = Trainer(**options).validate(model, digits, verbose=False)[0]["val/elbo"]
    assert bound == pytest.approx(validated, rel=0.05)


@pytest.mark.parametrize(("target", "steps"), [(-1e9, [3]), (1e9, [3, 6, 9])])
def test_a_run_ends_when_it_has_the_bound(
    tmp_path: Path, digits: DigitsDataModule, target: float, steps: list[int]
) -> None:
    options = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "accelerator": "cpu"}
    callback = HeldOutBound(str(tmp_path / "a.json"), 3, target)
    trainer = Trainer(**options, max_steps=10, callbacks=[callback], num_sanity_val_steps=0, limit_val_batches=0)
    trainer.fit(make(UGVAE, (1, 8, 8), double=False), digits)
    assert [point.step for point in read_points(tmp_path / "a.json")] == steps
    assert trainer.global_step == (3 if steps == [3] else 10)


def test_averaged_weights_are_measured_where_a_run_has_them(tmp_path: Path, digits: DigitsDataModule) -> None:
    options = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "accelerator": "cpu"}
    still = EMAWeightAveraging(decay=1.0)  # what it was after the first step
    callback = HeldOutBound(str(tmp_path / "a.json"), 3, 1e9)
    trainer = Trainer(**options, max_steps=10, callbacks=[still, callback], num_sanity_val_steps=0, limit_val_batches=0)
    model = make(UGVAE, (1, 8, 8), double=False)
    weights = []
    model.on_train_batch_end = lambda *batch: weights.append(model.decoder[2].bias.detach().clone())
    trainer.fit(model, digits)
    assert len({point.bound for point in read_points(tmp_path / "a.json")}) == 1
    assert len({tuple(bias.tolist()) for bias in weights}) == 10, "training goes on with its own weights"
    torch.testing.assert_close(model.decoder[2].bias, weights[0])


def test_plain_recipe_comes_first_and_ours_take_turns(tmp_path: Path) -> None:
    rounds = [
        [job.way for job in quality.jobs("mnist", tmp_path, tmp_path, 3, False)][start : start + 3]
        for start in (0, 3, 6)
    ]
    assert [order[0] for order in rounds] == 3 * [PLAIN]
    assert rounds[0][1:] == rounds[2][1:] == rounds[1][:0:-1] == OURS


def test_what_was_stopped_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done = []

    def run(job: quality.Job) -> None:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(job.file.name)
        held_out.save_points(points((job.round, 5)), job.file)

    monkeypatch.setattr(quality.Job, "run", run)
    with pytest.raises(KeyboardInterrupt):
        quality.measure("mnist", tmp_path, tmp_path / "runs", 1, False)
    monkeypatch.setattr(quality.Job, "run", lambda job: held_out.save_points(points((2, 7)), job.file))
    results = quality.measure("mnist", tmp_path, tmp_path / "runs", 1, False)
    assert "2 of 3 trainings are there" in capsys.readouterr().err
    assert [results.trainings[way][0][-1].bound for way in (PLAIN, *OURS)] == [5, 5, 7]

    (tmp_path / "runs" / "machine.json").write_text(json.dumps("64 cores"))
    with pytest.raises(ConfigError, match=r"^folder: .* has trainings of 64 cores, this is .*choose another"):
        quality.measure("mnist", tmp_path, tmp_path / "runs", 1, False)


def test_ratios_are_to_the_whole_plain_recipe_of_the_same_round() -> None:
    lines = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in quality_report.table(made_up()).split("\n")
    ]
    rows = {line[0]: dict(zip(lines[0], line, strict=True)) for line in lines[2:6]}
    assert rows[f"{PLAIN}, whole"]["seconds of training"] == "110 (100 to 120)"
    first = rows[f"{PLAIN}, until it first had that bound"]
    assert (first["seconds of training"], first["plain / this"]) == ("90.0 (80.0 to 100)", "1.25")
    ours = rows[OURS[0]]
    assert ours["seconds of training"] == "35.0 (20.0 to 50.0)"
    assert ours["processor seconds of training"] == "8.75 (5 to 12.5)"
    assert ours["plain / this"] == ours["plain / this, processor"] == "4.00"  # of 120 / 20 and 100 / 50
    assert (rows[OURS[1]]["plain / this"], rows[OURS[1]]["rounds"]) == ("12.00", "not reached in 1 of 2 rounds")


def test_decoding_is_part_of_our_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "runs"
    folder.mkdir()
    (folder / "decoding.json").write_text("[30.0, 50.0]")
    monkeypatch.setattr(quality.Job, "run", lambda job: held_out.save_points(points((4, 7)), job.file))
    monkeypatch.setattr(quality, "link_faces", lambda root, folder: folder)
    results = quality.measure("celeba", tmp_path, folder, 1, False)
    assert results.trainings[PLAIN][0] == [Point(40, 4, 1, 7)]
    assert results.trainings[OURS[0]][0] == [Point(40, 34, 51, 7)]
    assert "Ours includes 30.0 seconds in which all images are decoded" in quality_report.table(results)


def test_curves_and_table_come_into_the_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []
    monkeypatch.setattr(quality_report, "save_figure", lambda figure, path: drawn.append((figure, path)))
    doc = tmp_path / "performance.md"
    doc.write_text((PROJECT / "docs/performance.md").read_text())
    quality_report.fill(made_up(quick=True), doc)
    (figure, path), text = drawn[0], doc.read_text()
    assert path == tmp_path / "figures" / "quality_mnist.png"
    assert [axes.get_xlabel() for axes in figure.axes] == ["seconds of training", "processor seconds of training"]
    assert {axes.get_ylabel() for axes in figure.axes} == {"held-out bound, nats per image"}
    assert all(len(axes.lines) == 6 + 1 for axes in figure.axes)
    assert "](figures/quality_mnist.png)" in text
    assert "A quick run" in text


@pytest.fixture
def few_faces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Path]:
    """A folder of the first faces of a tiny CelebA: 24 for training, 17 for validation, 5 for the test."""
    write_celeba(tmp_path / "celeba")
    monkeypatch.setattr(recipes, "FACES", {"0": 24, "1": 17, "2": 5})
    return lambda: recipes.link_faces(tmp_path / "celeba", tmp_path / "few")


def test_first_faces_of_every_split_are_a_celeba(tmp_path: Path, few_faces: Callable[[], Path]) -> None:
    data = CelebADataModule(str(few_faces()), image_size=8)
    few_faces()  # is there already
    assert [len(data.table(split)) for split in ("train", "val", "test")] == [24, 17, 5]
    whole = CelebADataModule(str(tmp_path / "celeba"), image_size=8).table("val")
    assert torch.equal(data.table("val").images[:], whole.images[:17])
    assert torch.equal(data.table("val").columns["Male"], whole.columns["Male"][:17])
    with pytest.raises(DataError, match="--root FOLDER"):
        recipes.link_faces(tmp_path / "nowhere", tmp_path / "new")


def test_plain_recipe_learns_and_keeps_a_point_per_epoch(
    tmp_path: Path, few_faces: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recipes, "GROUP", 8)
    file = tmp_path / "plain.json"
    recipes.train_plain("celeba", str(few_faces()), 1, 3, 2, file)
    kept = read_points(file)
    assert [point.step for point in kept] == [2, 4, 6]
    assert kept[-1].bound > kept[0].bound
    assert all(0 < one.seconds < other.seconds for one, other in pairwise(kept))


def test_a_failed_training_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = quality.Job("mnist", OURS[0], 1, tmp_path, tmp_path, True)
    held_out.save_points(points((1, 5)), replace(job, way=PLAIN).file)
    monkeypatch.setattr(quality.sys, "executable", "false")  # a program that fails
    with pytest.raises(ConfigError, match=r"make train: the training failed; .*make_train_1.log"):
        job.run()
    assert not job.file.exists()


@pytest.mark.slow
def test_quick_run_of_all_ways(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_celeba(tmp_path / "celeba", 1500)
    options = ["--root", str(tmp_path / "celeba"), "--folder", str(tmp_path / "runs"), "--quick"]
    bench.main(["quality", "--data", "celeba", *options])
    assert f"| {OURS[1]} |" in capsys.readouterr().out
    results = json.loads((tmp_path / "runs" / "celeba_quick" / "quality.json").read_text())
    steps = {way: rounds[0][-1]["step"] for way, rounds in results["trainings"].items()}
    assert steps[PLAIN] == 9  # one epoch of 1,200 images
    assert {steps[way] for way in OURS} <= {5, 10, 15, 20}
    assert min(results["decoding"]) > 0
