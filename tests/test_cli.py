"""The command line: every YAML from fit to predict, what a run leaves, refusals by name, stop and resume."""

import csv
import json
import math
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from tests.data.mnist import fake_hashes
from tests.helpers import EXPERIMENTS
from tests.helpers.refusals import refusal
from tests.helpers.yaml_sweep import SHORT, SMALL, YAMLS, tiny_config
from ugvae import cli, models
from ugvae.data.loading import load_data
from ugvae.datamodules import DigitsDataModule, mnist_files

DIGITS = ["--config", str(EXPERIMENTS / "digits.yaml")]


@pytest.fixture(autouse=True)
def workplace(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder where the tiny MNIST is the expected one; no W&B unless the test asks for it."""
    monkeypatch.setattr(mnist_files, "SHA256", fake_hashes())
    return workplace


@pytest.fixture(scope="module")
def short_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The working folder of a short run on digits; tests copy it."""
    folder = tmp_path_factory.mktemp("short_run")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("WANDB_MODE", "disabled")
        run("fit", *DIGITS, *SMALL, *SHORT, "--model.z_dim=3")
    return folder / "lightning_logs"


def run(subcommand: str, *arguments: str) -> None:
    cli.main([subcommand, *arguments])


@pytest.mark.parametrize("path", YAMLS, ids=lambda path: path.stem)
def test_every_yaml_from_fit_to_predict(path: Path, workplace: Path) -> None:
    config = ["--config", str(tiny_config(path, workplace / "tiny")), *SMALL]
    run("fit", *config, *SHORT)
    folder = Path("lightning_logs") / path.stem / "version_0"
    assert {p.name for p in (folder / "checkpoints").iterdir()} == {"best.ckpt", "last.ckpt"}
    assert yaml.safe_load((folder / "config.yaml").read_text())["experiment"] == path.stem

    if path.stem == "digits":
        run("validate", *config, "--ckpt_path", "best")
    run("test", *config, "--ckpt_path", "best")
    report = json.loads((folder / "test.json").read_text())
    assert all(np.isfinite(value) for value in report["metrics"].values())
    assert {"test/elbo", "test/reconstruction", "test/kl_z"} <= report["metrics"].keys()
    settings = torch.load(folder / "checkpoints" / "best.ckpt", weights_only=True)["hyper_parameters"]
    bits = math.log2(255) - report["metrics"]["test/elbo"] / math.prod(settings["image_shape"]) / math.log(2)
    assert report["likelihood"] == {"name": settings["likelihood"], "bits_per_dim": pytest.approx(bits)}
    if "test/kl_beta" in report["metrics"] and report["groups"] > 1:
        parts = report["beta"]
        assert parts["information"] <= parts["most"] + 1e-6
        assert parts["information"] + parts["mismatch"] == pytest.approx(report["metrics"]["test/kl_beta"], rel=0.5)

    run("predict", *config, "--ckpt_path", str(folder / "checkpoints" / "last.ckpt"))
    with (folder / "images.csv").open() as file:
        images = list(csv.DictReader(file))
    with np.load(folder / "posterior.npz") as posterior:
        assert len(posterior["z_mean"]) == len(images) == len({row["row"] for row in images})
        assert {row["split"] for row in images} == {"test"}
        assert (posterior["image_group"] >= 0).all(), "nothing is left out"
        assert all(np.isfinite(part).all() for part in posterior.values() if part.dtype.kind == "f")
        if "d" in posterior:
            np.testing.assert_allclose(posterior["d"].sum(-1), 1, rtol=1e-4)
    if path.stem == "digits":
        run("predict", *config, "--ckpt_path", "best", "--data.predict_split=all")
        assert len((folder / "images.csv").read_text().splitlines()) == 1 + 1797


def test_what_a_run_leaves(capsys: pytest.CaptureFixture[str]) -> None:
    run("fit", *DIGITS, *SMALL, "--trainer.max_epochs=2", "--trainer.limit_train_batches=8", "--experiment=here")
    folder = Path("lightning_logs/here/version_0")
    with (folder / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    terms = {"elbo", "reconstruction", "kl_z", "kl_d", "kl_beta"}
    assert {f"{stage}/{term}" for stage in ("train", "val") for term in terms} <= rows[0].keys()
    assert any(float(row["train/images_per_second"] or 0) > 0 for row in rows)
    last = next(row for row in reversed(rows) if row["train/elbo"])
    per_image = float(last["train/reconstruction"]) - float(last["train/kl_z"]) - float(last["train/kl_d"])
    assert float(last["train/elbo"]) == pytest.approx(per_image - float(last["train/kl_beta"]) / 4, rel=1e-4)
    for name in ("reconstructions", "component_walks", "samples", "beta_map", "curves"):
        picture = np.asarray(Image.open(folder / "figures" / f"{name}.png").convert("RGB"), dtype=float)
        assert min(picture.shape[:2]) > 200
        assert picture.std() > 5, f"{name} is blank"
    printed = capsys.readouterr().out
    assert str(folder / "figures") in printed
    assert f"ugvae evaluate {folder}" in printed


def test_checkpoint_loads_outside_the_command_line(short_run: Path) -> None:
    path = short_run / "digits/version_0/checkpoints/best.ckpt"
    torch.load(path, weights_only=True)
    model = models.UGVAE.load_from_checkpoint(path, weights_only=True)
    assert model.infer(torch.rand(2, 4, 1, 28, 28)).z.mean.shape == (2, 4, 3)


def test_run_of_an_earlier_version_is_read(short_run: Path) -> None:
    """Its datamodules were in a package of their own."""
    shutil.copytree(short_run, "lightning_logs")
    folder = Path("lightning_logs/digits/version_0")
    config = folder / "config.yaml"
    settings = config.read_text()
    assert "class_path: ugvae.datamodules.DigitsDataModule" in settings
    config.write_text(settings.replace("ugvae.datamodules.", "datamodules."))
    assert type(load_data(config)) is DigitsDataModule
    run("test", "--config", str(config), "--ckpt_path", str(folder / "checkpoints" / "best.ckpt"))
    assert (folder / "test.json").exists()


def test_wandb_run_offline_holds_the_media(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    run("fit", *DIGITS, *SMALL, *SHORT)
    folder = Path("lightning_logs/digits/version_0")
    (media,) = folder.glob("wandb/offline-run-*/files/media/images/figures")
    logged = {re.sub(r"_\d+_\w+$", "", path.stem) for path in media.iterdir()}
    assert logged == {path.stem for path in (folder / "figures").iterdir()}
    original = (folder / "figures" / "samples.png").read_bytes()
    assert original in {path.read_bytes() for path in media.glob("samples_*")}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model.zdim=3"], "'zdim' is not accepted. Did you mean z_dim?"),
        (["--data.group_siz=3"], "Did you mean group_size?"),
        (["--trainer.max_epoch=3"], "Did you mean trainer.max_epochs?"),
        (["--model=Nonesuch"], "Known: "),
        (["--data=Nonesuch"], "DigitsDataModule"),
        (["--model.z_dim=0"], '"z_dim": Not of type PositiveInt'),
        (["--model.z_dim=many"], "z_dim"),
        (["--model.x_std=-1"], '"x_std": Not of type PositiveFloat'),
        (["--model.schedule=step"], "\"schedule\": Expected a typing.Literal['cosine', 'constant']"),
        (["--model.backbone=resnet"], "\"backbone\": Expected a typing.Literal['mlp', 'conv', 'residual']"),
        (["--model.backbone=conv"], "backbone: 'conv' needs square images"),
        (["--model.backbone=residual"], "backbone: 'residual' needs images whose sides are multiples of 8, got 28×28"),
        (["--model.width=32"], "width: only backbone 'residual' has one"),
        (["--model.likelihood=bernoulli"], "'discretized_logistic', 'continuous_bernoulli']"),
        (["--model.norm=layer"], "\"norm\": Expected a typing.Literal['batch', 'group', 'none']"),
        (["--data.group_size=0"], '"group_size": Not of type PositiveInt'),
        (["--data.group_size=10000"], "group_size × groups_per_batch"),
        (["--data.num_workers=-1"], "num_workers"),
        (["--data.predict_split=x"], "\"predict_split\": Expected a typing.Literal['train', 'val', 'test', 'all']"),
        (["--figures.every_n_epochs=-1"], "figures.every_n_epochs"),
        (["--ckpt_path=nowhere.ckpt"], "ckpt_path: no such file: nowhere.ckpt"),
        (["--config=nowhere.yaml"], "nowhere.yaml"),
    ],
    ids=lambda value: value[0].strip("-") if isinstance(value, list) else "",
)
def test_refusals_name_the_setting(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str], workplace: Path
) -> None:
    assert message in refusal(capsys, "fit", *DIGITS, *SHORT, *arguments, main=cli.main)


def test_unknown_key_of_a_yaml(capsys: pytest.CaptureFixture[str]) -> None:
    Path("typo.yaml").write_text("model: {class_path: UGVAE, init_args: {num_component: 3}}\ndata: DigitsDataModule\n")
    assert "Did you mean num_components?" in refusal(capsys, "fit", "--config", "typo.yaml", main=cli.main)


def test_missing_mnist_says_what_to_run_meanwhile(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mnist_files, "sources", dict)
    with pytest.raises(SystemExit):
        run("fit", "--config", str(EXPERIMENTS / "mnist.yaml"), *SHORT)
    message = capsys.readouterr().err
    assert "train-images-idx3-ubyte" in message
    assert "ugvae fit --config digits" in message


def test_non_finite_loss_stops_and_names_step_and_terms(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, short_run: Path
) -> None:
    shutil.copytree(short_run, "lightning_logs")
    good = Path("lightning_logs/digits/version_0/checkpoints/last.ckpt").read_bytes()
    to_unit = models.UGVAE.to_unit
    monkeypatch.setattr(models.UGVAE, "to_unit", lambda model, images: to_unit(model, images) * float("nan"))
    message = refusal(
        capsys, "fit", *DIGITS, *SMALL, "--trainer.max_epochs=2", "--trainer.limit_train_batches=5", main=cli.main
    )
    assert "reconstruction" in message
    assert "at step 1;" in message
    run_1 = Path("lightning_logs/digits/version_1/checkpoints")
    assert not list(run_1.glob("*.ckpt")), "no checkpoint of a run that never was finite"
    assert Path("lightning_logs/digits/version_0/checkpoints/last.ckpt").read_bytes() == good


def test_module_is_a_command() -> None:
    command = [sys.executable, "-m", "ugvae", "fit", "--config=nowhere.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["validate", "test", "predict"])
def test_no_untrained_model_is_evaluated_without_a_word(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main([command, *DIGITS])
    assert "error: ckpt_path: which model? --ckpt_path best" in capsys.readouterr().err
