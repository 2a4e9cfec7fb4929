"""Commands on a finished run from the console: encode new images, and every command with the user's own classes."""

import csv
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from torch.testing import assert_close

from tests.helpers.refusals import refusal
from tests.helpers.small_models import make
from tests.helpers.tiny_runs import write_run
from ugvae import cli
from ugvae.datamodules import DigitsDataModule
from ugvae.errors import ConfigError
from ugvae.evaluation.latents import encode
from ugvae.experiments.paper import __main__ as paper
from ugvae.models import UGVAE
from ugvae.runs.loading import load_model

MODULE = '''
"""A user's own classes."""

from ugvae.datamodules import DigitsDataModule
from ugvae.models import UGVAE


class MyData(DigitsDataModule):
    """A few digits."""

    def __init__(self, few: int = 50, **kwargs) -> None:
        super().__init__(**kwargs)
        self.few = few

    def read_split(self, split):
        table = super().read_split(split)
        return table.subset(table.columns["label"].argsort(stable=True)[:: len(table) // self.few][: self.few])


class MyModel(UGVAE):
    """A model with a setting of its own."""

    def __init__(self, image_shape, scale: float = 1.0, **kwargs) -> None:
        super().__init__(image_shape, **kwargs)
        self.keep_settings(scale=scale)
'''


@pytest.fixture(autouse=True)
def workplace(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working folder, without the modules of the test before."""
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    yield workplace
    sys.modules.pop("my_module", None)


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def run(workplace: Path) -> Path:
    return write_run(workplace / "run", make(UGVAE, (1, 8, 8), double=False).train())


def snapshot(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_encode_joins_the_splits_and_leaves_the_run_alone(run: Path) -> None:
    before = snapshot(run)
    cli.main(["encode", "--run", str(run), "--output", "out", "--by", "label", "--data.group_size", "7"])
    assert snapshot(run) == before
    groups = table(Path("out/groups.csv"))
    assert [row["group"] for row in groups] == list(map(str, range(10)))
    assert sum(int(row["size"]) for row in groups) == len(table(Path("out/images.csv"))) == 1797
    model, data = load_model(run / "checkpoints/best.ckpt"), DigitsDataModule(image_size=8)
    tables = [data.table(split) for split in ("train", "val", "test")]
    threes = torch.cat([part.images[part.columns["label"] == 3] for part in tables])
    with np.load("out/posterior.npz") as arrays:
        expected = model.infer(threes.unsqueeze(0)).beta.mean[0]
        assert_close(torch.from_numpy(arrays["beta_mean"][3]), expected, rtol=1e-4, atol=1e-4)


def test_encode_other_images_with_the_last_checkpoint(run: Path, workplace: Path, pictures: Path) -> None:
    (run / "checkpoints/best.ckpt").rename(run / "checkpoints/last.ckpt")
    data = ["--data=ImageFolderDataModule", f"--data.root={pictures}", "--data.channels=1"]
    cli.main(["encode", str(run), "--output", "out", *data])
    images = table(workplace / "out/images.csv")
    assert len(images) == 9
    assert {row["label"] for row in images} == {"dark", "light"}
    assert sum(int(row["size"]) for row in table(workplace / "out/groups.csv")) == 9


@pytest.fixture
def pictures(workplace: Path) -> Path:
    """Nine grey images in two folders."""
    for number in range(9):
        path = workplace / "pictures" / ("dark", "light")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(number).integers(0, 255, (8, 8), np.uint8)).save(path)
    return workplace / "pictures"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--output=run/out"], "output: run/out is in the folder of the run"),
        (["--output=out", "--data.image_size=9"], "data.image_size: the images are (1, 9, 9)"),
        (["--output=out", "--data.rot=here"], "'rot' is not accepted"),
        (["--output=out", "--data=nonesuch.Data"], "No module named 'nonesuch'"),
        (["--output=out", "--by=patient"], "by: no column 'patient'; the data have label"),
        (["--output=out", "--run=."], "no config.yaml"),
    ],
)
def test_refusals_of_encode(arguments: list[str], message: str, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert message in refusal(capsys, "encode", "--run=run", *arguments, main=cli.main)
    assert not Path("out").exists()


def test_groups_of_the_data_by_default(run: Path) -> None:
    model = load_model(run / "checkpoints/best.ckpt")
    latents = encode(model, DigitsDataModule(image_size=8, grouping="attribute", group_size=2), splits=["test"])
    assert latents.groups["label"].tolist() == list(map(str, range(10)))


def test_own_classes_in_every_command(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (workplace / "my_module.py").write_text(MODULE)
    small = ["--data.group_size=5", "--data.groups_per_batch=2", "--data.image_size=8", "--figures.groups_per_label=2"]
    trainer = ["--trainer.max_epochs=1", "--trainer.accelerator=cpu"]
    cli.main(["fit", "--model=my_module.MyModel", "--model.scale=2", "--data=my_module.MyData", *small, *trainer])
    run = Path("lightning_logs/MyData/version_0")
    best = run / "checkpoints/best.ckpt"
    settings = ["--config", str(run / "config.yaml"), "--ckpt_path", str(best)]
    cli.main(["test", *settings])
    cli.main(["predict", *settings])
    assert len(table(run / "images.csv")) == 50
    cli.main(["encode", "--run", str(run), "--output", "out", "--data.few=20"])
    assert len(table(Path("out/images.csv"))) == 60
    paper.main(["fig3", "--run", str(run)])
    paper.main(["report", "--run", str(run)])
    assert "MyModel" in (run / "report.html").read_text()
    model = load_model(best)
    assert type(model).__name__ == "MyModel"
    assert model.hparams.scale == 2.0
    assert json.loads((run / "test.json").read_text())["groups"] == 10


def test_a_checkpoint_alone_imports_nothing(run: Path, workplace: Path) -> None:
    """A class is imported only where the settings of the run name it too."""
    mark = workplace / "imported"
    (workplace / "my_module.py").write_text(f"open({str(mark)!r}, 'w')\nfrom ugvae.models import UGVAE as Theirs\n")
    path = run / "checkpoints/best.ckpt"
    torch.save({**torch.load(path, weights_only=True), "model_class": "my_module.Theirs"}, path)
    sys.path.append(str(workplace))
    with pytest.raises(ConfigError, match=r"^ckpt_path: .* holds an unknown model, 'my_module.Theirs'"):
        load_model(path)
    settings = yaml.safe_load((run / "config.yaml").read_text())
    (run / "config.yaml").write_text(yaml.safe_dump({**settings, "model": {"class_path": "gone.Theirs"}}))
    with pytest.raises(ConfigError, match=r"gone.Theirs, cannot be imported \(No module named 'gone'\)"):
        load_model(path)
    assert not mark.exists()
