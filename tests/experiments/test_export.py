"""``ugvae export``: the folder holds the run's weights, and a card with its data, licence, numbers and verdict."""

import json
from pathlib import Path

import pytest
import torch
import yaml
from PIL import Image

from tests.helpers.fake_hub import use_fake_hub
from tests.helpers.made_up_runs import change, write_run
from tests.helpers.refusals import refusal
from tests.helpers.small_models import make
from tests.helpers.tiny_runs import write_checkpoint
from ugvae import datamodules
from ugvae.experiments.export import licences, main
from ugvae.models import UGVAE, VAE, BaseVAE
from ugvae.runs.checkpoints import checkpoint_digest
from ugvae.runs.files import save_json

FILES = ["README.md", "config.json", "model.safetensors", "samples.png"]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """An evaluated run with made-up numbers and a new model."""
    folder = write_run(tmp_path / "lightning_logs" / "mnist" / "version_0")
    write_checkpoint(folder, make(UGVAE, (1, 8, 8), double=False))
    return folder


def card_of(run: Path) -> str:
    main([str(run)])
    return (run / "export" / "README.md").read_text()


def section(card: str, name: str) -> str:
    return card.split(f"## {name}\n")[1].split("\n## ")[0]


def test_the_folder_is_the_model_of_the_run(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([str(run)])
    assert sorted(path.name for path in (run / "export").iterdir()) == FILES
    assert "Wrote " in (printed := capsys.readouterr().out)
    assert f'BaseVAE.from_pretrained("{run / "export"}")' in printed
    model = BaseVAE.from_pretrained(run / "export")
    checkpoint = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)
    assert type(model) is UGVAE
    assert all(torch.equal(value, checkpoint["state_dict"][name]) for name, value in model.state_dict().items())
    with Image.open(run / "export" / "samples.png") as picture:
        assert min(picture.size) > 100


def test_the_card_has_the_numbers_of_the_run(run: Path) -> None:
    card = card_of(run)
    assert card.startswith("---\nlibrary_name: ugvae\n")
    assert "# UGVAE on MNIST\n" in card
    assert "![Images drawn from the prior of the model](samples.png)" in card
    training = section(card, "Training")
    for line in (
        "- Groups: 8 per step, of 16 images, pure",
        "- Seed: 3",
        "- Best validation ELBO: 123.45 nats per image",
        f"SHA-256 {checkpoint_digest(run / 'checkpoints' / 'best.ckpt')}",
    ):
        assert line in training
    assert "- MNIST: CC BY-SA 3.0; by Y. LeCun" in section(card, "Licence of the data")
    numbers = section(card, "Numbers")
    assert "The test split, 10 groups of 16 images, best.ckpt." in numbers
    assert "| ELBO, nats per image | 377.77 |" in numbers
    assert "| NMI of components and labels | 0.612 |" in numbers
    assert "| of KL_beta information, nats per group | 1.900 |" in numbers
    verdict = section(card, "Verdict")
    assert "- **Holds**: Beta carries what the images of a group have in common" in verdict
    assert "0.91 ± 0.01 against 0.58 ± 0.01 (untrained, same information, beta sample)" in verdict
    assert "(seed 3)" in section(card, "Limits")
    assert "`grouping: pure`" in section(card, "Limits")
    assert str(run.parents[2]) not in card  # no path of this machine


def test_a_changed_number_changes_the_card(run: Path) -> None:
    def lower(result: dict) -> None:
        features = result["results"]["Male / not Male"]["accuracy"]["kinds"]
        features["beta sample"]["rbf"]["mean"] = features["beta sample"]["linear"]["mean"] = 0.4321

    change(run, "table1", lower)
    save_json({"metrics": {"test/elbo": -12.5}, "groups": 10, "group_size": 16}, run / "test.json")
    card = card_of(run)
    assert "- **Holds in part**: Beta carries what" in card
    assert "| ELBO, nats per image | −12.50 |" in card
    assert "NMI" not in card


def test_results_of_earlier_weights_are_left_out(run: Path) -> None:
    test = json.loads((run / "test.json").read_text())
    save_json({**test, "checkpoint_digest": "of an earlier one"}, run / "test.json")
    change(run, "table1", lambda result: result.update(checkpoint_digest="of an earlier one"))
    card = card_of(run)
    assert "377.77" not in card
    assert "was evaluated with earlier weights" in section(card, "Numbers")
    assert "**Not measured**: Beta carries what the images" in section(card, "Verdict")


def test_a_run_that_was_not_evaluated_says_so(run: Path) -> None:
    (run / "test.json").unlink()
    (run / "trained.json").unlink()
    for result in (run / "paper").glob("*.json"):
        result.unlink()
    write_checkpoint(run, make(VAE, (1, 8, 8), double=False))
    card = card_of(run)
    assert "The test split has not been evaluated" in section(card, "Numbers")
    assert "**Holds" not in section(card, "Verdict")
    assert "Beta" not in section(card, "Limits")


def test_settings_of_the_groups_are_in_the_card_and_paths_are_not(run: Path) -> None:
    settings = yaml.safe_load((run / "config.yaml").read_text())
    changed = {"root": "/home/me/clinic", "group_column": "patient", "grouping": "given"}
    settings["data"] = {"class_path": "ugvae.datamodules.ImageFolderDataModule", "init_args": changed}
    (run / "config.yaml").write_text(yaml.safe_dump(settings))
    card = card_of(run)
    assert "- `data.group_column`: patient" in section(card, "Training")
    assert "- ImageFolder: not stated" in section(card, "Licence of the data")
    assert "/home/me" not in card


def test_every_dataset_states_its_licence() -> None:
    silent = {name for name in datamodules.__all__ if not getattr(datamodules, name).licence}
    assert silent == {"ArrayDataModule", "GroupDataModule", "ImageFolderDataModule", "MixedDataModule"}
    digits, celeba = ({"class_path": f"ugvae.datamodules.{name}DataModule"} for name in ("Digits", "CelebA"))
    mixture = {"class_path": "ugvae.datamodules.MixedDataModule", "init_args": {"domains": [digits, celeba]}}
    assert [name for name, _ in licences(mixture)] == ["Digits", "CelebA"]
    assert [text.split("; ")[0] for _, text in licences(mixture)] == ["CC BY 4.0", "non-commercial research only"]
    for own in ({"class_path": "my_data.MNISTDataModule"}, {}, None):
        assert [text.split(":")[0] for _, text in licences(own)] == ["not stated"]


def test_another_folder_and_the_hub(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = use_fake_hub(tmp_path / "hub", monkeypatch)
    main([str(run), "--output", str(tmp_path / "shared"), "--push", "me/digits"])
    (tmp_path / "shared" / "notes.txt").touch()
    assert not (run / "export").exists()
    assert sorted(path.name for path in (hub / "me/digits").iterdir()) == [*FILES[:3], "private", FILES[3]]


@pytest.mark.slow
def test_onnx_files_are_in_the_card(run: Path) -> None:
    main([str(run), "--onnx"])
    made = [
        "README.md",
        "config.json",
        "decoder.onnx",
        "encoder.onnx",
        "model.safetensors",
        "prior.onnx",
        "samples.png",
    ]
    assert sorted(path.name for path in (run / "export").iterdir()) == made
    assert "`encoder.onnx`, `decoder.onnx`, `prior.onnx`" in section((run / "export/README.md").read_text(), "ONNX")


def test_what_cannot_be_exported(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert refusal(capsys, str(tmp_path), main=main).startswith("run: ")
    (tmp_path / "file").touch()
    assert "file: cannot be written" in refusal(capsys, str(run), "--output", str(tmp_path / "file"), main=main)
    (run / "checkpoints" / "best.ckpt").write_bytes(b"no checkpoint")
    assert refusal(capsys, str(run), main=main).startswith("ckpt_path: ")
