"""Which run a command means, what a start that fails leaves, and what a resumed run keeps."""

import json
import os
import shutil
from pathlib import Path

import pytest
import torch
import yaml

from tests.helpers import EXPERIMENTS
from tests.helpers.refusals import refusal
from tests.helpers.yaml_sweep import SMALL
from ugvae import cli
from ugvae.datamodules import DigitsDataModule
from ugvae.errors import OutputError
from ugvae.models import UGVAE
from ugvae.runs.folder import data_source, newest_checkpoint, stand_in
from ugvae.runs.loggers import next_version

DIGITS = ["--config", str(EXPERIMENTS / "digits.yaml"), *SMALL, "--data.image_size=8", "--model.z_dim=2"]
SHORT = ["--trainer.max_epochs=1", "--trainer.limit_train_batches=4", "--figures.groups_per_label=0"]
FIT = ["fit", *DIGITS, *SHORT, "--trainer.limit_val_batches=1"]
RUNS = Path("lightning_logs/digits")
pytestmark = pytest.mark.usefixtures("workplace")


def test_the_settings_of_a_resumed_run_make_a_new_one() -> None:
    cli.main(FIT)
    cli.main([*FIT, "--trainer.max_epochs=2", "--ckpt_path=last"])
    config = RUNS / "version_0" / "config.yaml"
    assert yaml.safe_load(config.read_text())["ckpt_path"] is None
    cli.main(["fit", "--config", str(config), *SHORT])
    assert sorted(path.name for path in RUNS.iterdir()) == ["version_0", "version_1"]


FAILED = {
    "groups that no split fills": (["--data.group_size=2000"], "group_size"),
    "groups of values that are not there": (["--data.grouping=given", "--data.group_column=patient"], "patient"),
    "a model that needs other groups": (["--model=NestedVAE"], "data.grouping"),
    "no weights to start from": (["--model.init_from=nowhere.ckpt"], "model.init_from: no such file: nowhere.ckpt"),
    "an unknown precision": (["--trainer.precision=9"], "precision"),
    "no such device": (["--trainer.devices=0"], "devices"),
}


@pytest.mark.parametrize("name", FAILED)
def test_a_start_that_fails_leaves_nothing(
    name: str, capsys: pytest.CaptureFixture[str], workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    arguments, message = FAILED[name]
    assert message in refusal(capsys, *FIT, *arguments, main=cli.main)
    assert not list(workplace.iterdir())


def test_a_check_of_one_step_leaves_nothing(workplace: Path) -> None:
    cli.main([*FIT, "--trainer.fast_dev_run=true"])
    assert not list(workplace.iterdir())


def test_a_folder_that_cannot_be_written_is_named(capsys: pytest.CaptureFixture[str], workplace: Path) -> None:
    Path("lightning_logs").write_text("a file, which no run can be in")
    assert "lightning_logs/digits: cannot be written" in refusal(capsys, *FIT, main=cli.main)
    with pytest.raises(OutputError, match="cannot be written"):
        next_version(Path("/proc/nowhere"))


# ---------------------------------------------------------------------------------------------- which run is meant


def write_run(folder: Path, root: str, *names: str, age: float = 0.0) -> None:
    """A folder with the settings of its data, and checkpoints that were written ``age`` seconds ago."""
    (folder / "checkpoints").mkdir(parents=True)
    data = {"class_path": "ugvae.datamodules.ImageFolderDataModule", "init_args": {"root": root}}
    (folder / "config.yaml").write_text(yaml.safe_dump({"data": data}))
    for name in names:
        path = folder / "checkpoints" / f"{name}.ckpt"
        path.touch()
        os.utime(path, (1e9 - age, 1e9 - age))


def test_the_newest_run_of_the_same_data_is_meant(workplace: Path) -> None:
    runs = Path("logs/folder")
    write_run(runs / "version_0", "a", "last", "best", age=30)
    write_run(runs / "version_1", "b", "last", "best", age=20)
    write_run(runs / "version_2", "b", "last", age=10)

    def chosen(name: str, **arguments: object) -> str:
        data = {"class_path": "ImageFolderDataModule", "init_args": arguments} if arguments else None
        path = newest_checkpoint("folder", name, Path("logs"), data)
        return f"{path.parts[2][-1]} {path.stem}"

    assert chosen("last") == "2 last"
    assert chosen("last", root=str(workplace / "a")) == "0 last"
    assert chosen("best", root="./a/") == "0 best"
    assert chosen("best", root="b") == "2 last", "the newest has no best one, and its last stands in"
    assert chosen("last", root="elsewhere") == "2 last", "data that have moved"
    assert newest_checkpoint("nothing", "last", Path("logs")) is None
    assert stand_in(runs / "version_0/checkpoints/best.ckpt").stem == "best"


def test_data_are_told_apart_by_their_folders() -> None:
    def mixed(*roots: str | None, own: str = "x") -> dict:
        domain = {"class_path": "datamodules.ImageFolderDataModule", "init_args": {"root": own}}
        return {"class_path": "MixedDataModule", "init_args": {"domains": [domain, domain], "roots": list(roots)}}

    assert data_source(mixed("a", "b")) == data_source(mixed("a/", "./b"))
    assert data_source(mixed("a", "b")) != data_source(mixed("b", "a"))
    assert data_source(mixed(own="a")) != data_source(mixed(own="b"))
    assert data_source("DigitsDataModule") == data_source({"class_path": "ugvae.datamodules.DigitsDataModule"})


def test_a_run_of_other_data_is_refused_with_a_way_to_choose(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(FIT)
    cli.main([*FIT, "--model.z_dim=3"])
    message = refusal(capsys, *FIT, "--ckpt_path=last", main=cli.main)
    assert "model.z_dim was 3, now 2" in message
    assert "choose another run (--ckpt_path lightning_logs/digits/version_0/checkpoints/last.ckpt)" in message


def test_best_falls_back_to_last_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main([*FIT, "--trainer.max_steps=3"])
    printed = capsys.readouterr().out
    assert "best.ckpt" not in printed
    assert "No validation has chosen a best checkpoint" in printed
    few = "--trainer.limit_test_batches=2"
    for path in ("best", str(RUNS / "version_0/checkpoints/best.ckpt")):
        cli.main(["test", *DIGITS, few, f"--ckpt_path={path}"])
        assert "best.ckpt is not there, because no validation has chosen" in capsys.readouterr().out
    assert json.loads((RUNS / "version_0/test.json").read_text())["checkpoint"].endswith("last.ckpt")


@pytest.mark.parametrize(
    ("configs", "name"),
    [
        (["digits", "more"], "digits"),
        (["more", "digits"], "digits"),
        (["digits", "mine"], "mine"),
        (["more"], "more"),
        ([], "DigitsDataModule"),
    ],
)
def test_a_run_is_filed_under_the_yaml_that_names_its_data(configs: list[str], name: str) -> None:
    contents = {"digits": {"data": "DigitsDataModule"}, "more": {"trainer": {}}, "mine": {"data": {"init_args": {}}}}
    for file, content in contents.items():
        Path(f"{file}.yaml").write_text(yaml.safe_dump(content))

    class Data:
        class_path = "ugvae.datamodules.DigitsDataModule"

    assert cli.experiment_name([Path(f"{file}.yaml") for file in configs], Data) == name


def test_a_name_with_a_space_is_quoted(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main([*FIT, "--experiment=my run"])
    assert "ugvae evaluate 'lightning_logs/my run/version_0'" in capsys.readouterr().out


# -------------------------------------------------------------------------------------------- more training


def test_a_longer_run_says_what_becomes_of_its_schedule(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(FIT)
    cli.main([*FIT, "--trainer.max_epochs=2", "--ckpt_path=last"])
    printed = capsys.readouterr().out
    assert "planned with 4 steps and has 8 now" in printed
    assert "at this step, 4, it goes from 0 to 0.0025." in printed
    assert "--model.init_from lightning_logs/digits/version_0/checkpoints/last.ckpt" in printed
    cli.main([*FIT, "--trainer.max_epochs=2", "--ckpt_path=last", "--model.schedule=cosine"])
    assert "planned" not in capsys.readouterr().out, "it has its length now"


def test_weights_alone_are_taken_over(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(FIT)
    source = RUNS / "version_0/checkpoints/last.ckpt"
    new = ["--model.learning_rate=1e-9", "--model.warmup_steps=0", "--data.group_size=8", "--experiment=tuned"]
    cli.main([*FIT, *new, f"--model.init_from={source}"])
    tuned = torch.load("lightning_logs/tuned/version_0/checkpoints/last.ckpt", weights_only=True)
    before = torch.load(source, weights_only=True)
    for name, value in before["state_dict"].items():
        torch.testing.assert_close(tuned["state_dict"][name], value, rtol=0, atol=1e-6)
    assert tuned["global_step"] == 4
    assert "init_from" not in tuned["hyper_parameters"]
    shutil.rmtree(RUNS)
    UGVAE.load_from_checkpoint("lightning_logs/tuned/version_0/checkpoints/last.ckpt", weights_only=True)
    cli.main([*FIT, *new, f"--model.init_from={source}", "--trainer.max_epochs=2", "--ckpt_path=last"])


def test_a_new_run_starts_at_the_mean_training_image() -> None:
    still = ["--model.learning_rate=1e-9", "--model.warmup_steps=0"]
    weights = {}
    for name, more in {"mean": [], "torch": ["--model.start_at_mean=false"]}.items():
        cli.main([*FIT, *still, *more, f"--experiment={name}"])
        last = torch.load(f"lightning_logs/{name}/version_0/checkpoints/last.ckpt", weights_only=True)
        assert "start_at_mean" not in last["hyper_parameters"]
        weights[name] = last["state_dict"]
    data = DigitsDataModule(image_size=8)
    data.setup("fit")
    mean = data.table("train").images[:].float().mean(0) / 255
    start = weights["mean"]["decoder.2.bias"].sigmoid()  # of 1,000 of them
    torch.testing.assert_close(start, mean.flatten().clamp(0.01, 0.99), rtol=0, atol=0.01)
    differing = {name for name, value in weights["mean"].items() if not torch.allclose(value, weights["torch"][name])}
    assert differing == {"decoder.2.bias", "encoder.1.bias"}


def test_weights_of_another_model_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(FIT)
    source = RUNS / "version_0/checkpoints/last.ckpt"
    message = refusal(capsys, *FIT, "--model.z_dim=3", f"--model.init_from={source}", main=cli.main)
    assert message.startswith(f"model.init_from: {source} has other weights than this UGVAE (")
    assert "(4, 256) there, (6, 256) here" in message
    assert [path.name for path in RUNS.iterdir()] == ["version_0"]
