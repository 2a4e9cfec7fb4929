"""Forty images: what cannot work is refused with numbers that would do, and nothing meaningless is written."""

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

import numpy as np
import pytest
import torch
from PIL import Image

from tests.helpers import EXPERIMENTS
from tests.helpers.small_models import make
from ugvae import cli
from ugvae.callbacks import SmallData
from ugvae.data.module import GroupDataModule
from ugvae.data.table import ImageTable
from ugvae.errors import ConfigError
from ugvae.evaluation.clusters import no_cluster_scores
from ugvae.evaluation.minimum import too_few_points
from ugvae.experiments.paper import __main__ as paper
from ugvae.models import UGVAE
from ugvae.runs.files import finite, save_json


class Sized(GroupDataModule):
    """Splits of given sizes."""

    def __init__(self, sizes: dict[str, int], **settings: int) -> None:
        super().__init__("", image_size=8, **settings)
        self.sizes = sizes

    def read_split(self, split: str) -> ImageTable:
        return ImageTable(torch.zeros(self.sizes[split], 1, 8, 8, dtype=torch.uint8))


def begin(train: int, val: int, test: int, processes: int = 1, **settings: int) -> None:
    data = Sized({"train": train, "val": val, "test": test}, **settings)
    SmallData().setup(SimpleNamespace(datamodule=data, world_size=processes), make(UGVAE, (1, 8, 8)), "fit")


@pytest.mark.parametrize(
    ("sizes", "processes", "advice"),
    [
        ((32, 4, 4), 1, "--data.group_size 4 --data.groups_per_batch 8 would do"),
        ((127, 90, 90), 1, "--data.group_size 16 --data.groups_per_batch 7 would do"),
        ((200, 90, 90), 2, "--data.group_size 16 --data.groups_per_batch 6 would do"),
        ((8, 1, 1), 1, "too few even for groups of 2: add images; 20 in all would do"),
    ],
)
def test_the_advice_does(sizes: tuple[int, int, int], processes: int, advice: str) -> None:
    with pytest.raises(ConfigError, match=r"^group_size × groups_per_batch: a training step takes 16 × 8") as refused:
        begin(*sizes, processes=processes)
    message = str(refused.value)
    assert message.endswith(advice)
    assert f"the splits have train {sizes[0]}, val {sizes[1]}, test {sizes[2]}" in message
    if "would do" in advice and "--data" in advice:
        _, group_size, _, groups_per_batch, *_ = advice.split()
        begin(*sizes, processes=processes, group_size=int(group_size), groups_per_batch=int(groups_per_batch))


def test_a_test_split_that_is_too_small_is_said() -> None:
    with pytest.warns(UserWarning, match="the test split has 3 images, fewer than the 16 of a group"):
        begin(200, 20, 3)


@pytest.mark.parametrize(
    ("steps", "epochs", "message"),
    [(20, 10, "--trainer.max_epochs 500 would have"), (999, 3, "--trainer.max_epochs 4 would have"), (1000, 10, "")],
)
def test_few_steps_are_said_once(steps: int, epochs: int, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    trainer = {"estimated_stepping_batches": steps, "max_epochs": epochs, "max_steps": 5000, "fast_dev_run": False}
    SmallData().on_train_start(SimpleNamespace(**trainer, is_global_zero=True), None)
    printed = capsys.readouterr().out
    assert message in printed
    assert bool(message) == bool(printed)


def test_what_is_too_few_for_a_number() -> None:
    assert no_cluster_scores(torch.arange(19) % 2) is not None
    assert no_cluster_scores(torch.arange(20) % 2) is None
    assert no_cluster_scores(torch.zeros(30)) == "all images have one label"
    few = [bool(too_few_points(*counts)) for counts in ((20, 10), (20, 10, 2), (19, 10), (20, 9), (300, 600, 1))]
    assert few == [False, False, True, True, True]


def test_json_is_strict(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    save_json({"value": finite(float("nan")), "other": finite(0.5)}, path)
    with pytest.raises(ValueError, match="JSON"):
        save_json({"value": float("inf")}, path)
    assert json.loads(path.read_text()) == {"value": None, "other": 0.5}


def not_json(name: str) -> NoReturn:
    raise AssertionError(f"{name} in a JSON")


def test_forty_images_end_to_end(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(40):
        path = Path("pictures", "ab"[number % 2], f"{number}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(number).integers(0, 255, (64, 64, 3), np.uint8)).save(path)
    fit = ["fit", "--config", str(EXPERIMENTS / "folder.yaml"), "--data.root=pictures", "--trainer.max_epochs=2"]
    fit += ["--trainer.accelerator=cpu", "--trainer.precision=32-true"]
    with pytest.raises(SystemExit, match="2"):
        cli.main(fit)
    advice = capsys.readouterr().err.strip().split(". ")[-1].removesuffix(" would do")
    cli.main([*fit, *advice.split(), "--experiment=small"])
    printed = capsys.readouterr().out
    assert "This run has 2 optimiser steps" in printed
    assert re.search(r"map by label left out: \d images", printed)
    (run,) = Path("lightning_logs/small").iterdir()
    settings = ["--config", str(run / "config.yaml"), "--ckpt_path", str(run / "checkpoints/best.ckpt")]
    cli.main(["test", *settings])
    cli.main(["predict", *settings, "--data.predict_split=all"])
    with pytest.raises(SystemExit, match="0"):
        paper.main(["all", "--run", str(run)])
    paper.main(["report", "--run", str(run)])
    for path in run.rglob("*.json"):
        json.loads(path.read_text(), parse_constant=not_json)
    commands = json.loads((run / "paper/index.json").read_text())["commands"]
    done = {name for name, entry in commands.items() if entry["status"] == "done"}
    assert done == {"fig3", "fig10", "samples", "within", "prior"}
    assert re.match(r"[45] test images, at least 20", commands["bound"]["reason"])
    assert json.loads((run / "test.json").read_text())["clusters"] is None
    assert re.search(r"left out: [45] images with a label", (run / "report.html").read_text())
    assert "nan" not in (run / "images.csv").read_text()
    assert len((run / "images.csv").read_text().splitlines()) == 41
    assert not (run / "paper/within_map.png").exists()
