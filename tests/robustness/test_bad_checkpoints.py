"""Checkpoints that are cut, changed or hostile: refused by name, and nothing in them runs."""

import os
import pickle
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.bad_input import attempt, damaged, files_below
from tests.helpers.pickles import Trap
from tests.helpers.tiny_runs import write_checkpoint
from ugvae.models import UGVAE
from ugvae.runs.checkpoints import AtomicCheckpointIO, read_checkpoint
from ugvae.runs.loading import load_model

KIND = "checkpoints"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of a small model, with all that loading asks for."""
    return write_checkpoint(tmp_path_factory.mktemp("whole"), small_ugvae())


def small_ugvae() -> UGVAE:
    torch.manual_seed(0)
    return UGVAE(image_shape=(1, 8, 8), z_dim=2, beta_dim=2, num_components=2)


def check(path: Path) -> None:
    """Both ways to read it refuse it by name, or give the numbers that were written; nothing is written."""
    before = files_below(path.parent)
    attempt(KIND, lambda: read_checkpoint(path), path)
    model = attempt(KIND, lambda: load_model(path), path)
    assert files_below(path.parent) == before
    if model is not None:
        for name, value in small_ugvae().state_dict().items():
            assert torch.equal(model.state_dict()[name].cpu(), value), name


def check_refused(path: Path, name: object = None) -> None:
    """Neither way reads it; reading alone names ``name`` if there is one, else the file."""
    assert attempt(KIND, lambda: read_checkpoint(path), name or path) is None
    assert attempt(KIND, lambda: load_model(path), path) is None


@given(data=st.data())
def test_damaged_anywhere(tmp_path: Path, whole: Path, data: st.DataObject) -> None:
    path = tmp_path / "bad.ckpt"
    path.write_bytes(data.draw(damaged(whole.read_bytes())))
    check(path)


@given(data=st.data())
def test_damaged_structure(tmp_path: Path, whole: Path, data: st.DataObject) -> None:
    """The pickle inside is damaged, and the archive around it is whole."""
    path = tmp_path / "bad.ckpt"
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(path, "w") as target:
        for member in source.infolist():
            content = source.read(member)
            if member.filename.endswith("data.pkl"):
                content = data.draw(damaged(content))
            target.writestr(member, content)
    attempt(KIND, lambda: read_checkpoint(path), path)
    attempt(KIND, lambda: load_model(path), path)


@given(kept=st.floats(0, 0.9999))
def test_cut_short(tmp_path: Path, whole: Path, kept: float) -> None:
    path = tmp_path / "bad.ckpt"
    content = whole.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    check_refused(path)


CALLS = {  # functions that leave the file or folder "sprung"
    os.system: "touch sprung",
    os.mkdir: "sprung",
    subprocess.check_call: ["touch", "sprung"],
    eval: "open('sprung', 'w')",
    exec: "open('sprung', 'w')",
    Path.touch: Path("sprung"),
    pickle.loads: pickle.dumps(Trap(os.mkdir, "sprung")),
}


@pytest.mark.parametrize("place", ["whole", "hyper_parameters", "state_dict", "callbacks", "loops", "optimizer_states"])
@pytest.mark.parametrize("function", CALLS)
@pytest.mark.parametrize("form", ["torch", "legacy", "pickle"])
def test_malicious_pickle_does_not_run(
    tmp_path: Path, whole: Path, place: str, function: Callable, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")  # not even then
    trap = Trap(function, CALLS[function])
    content = trap if place == "whole" else {**torch.load(whole, weights_only=True), place: {"trap": trap}}
    path, mark = tmp_path / "bad.ckpt", tmp_path / "sprung"
    if form == "pickle":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=form == "torch")
    check_refused(path, "could run code" if form == "torch" else path)
    with pytest.raises((pickle.UnpicklingError, RuntimeError)):
        AtomicCheckpointIO().load_checkpoint(path)
    assert not mark.exists()
    pickle.loads(path.read_bytes()) if form == "pickle" else torch.load(path, weights_only=False)
    assert mark.exists(), "the test's own weapon works"


@pytest.mark.parametrize(
    "change",
    [
        {"model_class": "os"},
        {"model_class": None},
        {"model_class": ["UGVAE"]},
        {"hyper_parameters": {}},
        {"hyper_parameters": None},
        {"hyper_parameters": {"image_shape": (1, 8, 8), "z_dim": 10**18}},
        {"hyper_parameters": {"image_shape": (1, 8, 8), "z_dim": -1}},
        {"hyper_parameters": {"image_shape": "large", "z_dim": 2}},
        {"state_dict": {}},
        {"state_dict": None},
        {"state_dict": {"weight": torch.zeros(3)}},
        {"global_step": "many"},
        {"pytorch-lightning_version": "999"},
        {"pytorch-lightning_version": None},
    ],
    ids=str,
)
def test_contradictory_content(tmp_path: Path, whole: Path, change: dict) -> None:
    path = tmp_path / "bad.ckpt"
    torch.save({**torch.load(whole, weights_only=True), **change}, path)
    attempt(KIND, lambda: read_checkpoint(path), path)
    model = attempt(KIND, lambda: load_model(path), path)
    assert model is None or "version" in str(change) or "global_step" in change


@pytest.mark.parametrize("content", [None, 3, "text", [], {}, torch.zeros(3), {"state_dict": {}}], ids=str)
def test_other_content(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "bad.ckpt")
    check_refused(tmp_path / "bad.ckpt")


@pytest.mark.parametrize("kind", ["nothing", "folder", "link to itself", "empty archive"])
def test_no_file(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "bad.ckpt"
    if kind == "folder":
        path.mkdir()
    elif kind == "link to itself":
        path.symlink_to(path)
    elif kind == "empty archive":
        zipfile.ZipFile(path, "w").close()
    check_refused(path)
