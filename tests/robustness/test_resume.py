"""A run that is killed and resumed is the run that nobody killed: weights, optimiser, metrics, order, best score."""

import shutil
import signal
from pathlib import Path

import pytest
import torch

from tests.helpers.killed_runs import COMMAND, MOMENTS, RUN, checkpoint, order, rows, session
from tests.helpers.refusals import refusal
from ugvae import cli
from ugvae.callbacks import RunCheckpoint

RESUME = "--ckpt_path=last"
LAST = RUN / "checkpoints" / "last.ckpt"
KILLS = [  # moment, and the how many-th of its session; then the step that is left to go on from
    ("in a training step", 8, 5),
    ("half of last.ckpt written", 2, 9),
    ("SIGTERM", 9, 18),  # at the last step of an epoch: its validation comes first
    ("SIGINT", 4, 22),  # in mid-epoch
    ("in a row of metrics.csv", 2, 25),
]
MORE_KILLS = [
    ("while the header of metrics.csv changes", 2, 5),  # when validation adds its columns
    ("in validation", 1, 5),
    ("last.ckpt became previous.ckpt", 1, 5),
    ("before last.ckpt is replaced", 2, 9),
    ("SIGTERM", 4, 13),
    ("in validation", 1, 15),
    ("between best.ckpt and last.ckpt", 1, 15),
    ("after last.ckpt is replaced", 1, 18),
    ("SIGTERM", 9, 27),
    ("after last.ckpt is replaced", 2, 35),
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a run that nobody stopped."""
    folder = tmp_path_factory.mktemp("whole")
    assert session(folder) == 0, (folder / "output.txt").read_text()
    return folder


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a run that was killed in its second epoch, with a last.ckpt of step 10 and a previous.ckpt."""
    folder = tmp_path_factory.mktemp("killed")
    assert session(folder, moment="in a training step", count=14) == -signal.SIGKILL
    return folder


@pytest.fixture
def here(killed: Path, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, to work in."""
    shutil.copytree(killed, workplace / "run")
    monkeypatch.chdir(workplace / "run")
    return workplace / "run"


def assert_same_run(folder: Path, whole: Path) -> None:
    assert order(folder) == order(whole)
    assert rows(folder) == rows(whole)
    for name in ("last", "best"):
        mine, theirs = checkpoint(folder, name), checkpoint(whole, name)
        for key in theirs:
            assert mine[key] == theirs[key], f"{key} of {name}.ckpt"
    names = {path.relative_to(folder) for path in (folder / RUN).rglob("*")}
    assert names == {path.relative_to(whole) for path in (whole / RUN).rglob("*")}


def step_of(folder: Path) -> int:
    return torch.load(folder / LAST, weights_only=True)["global_step"]


def refusal_to_resume(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    message = refusal(capsys, *COMMAND, *arguments, RESUME, main=cli.main)
    assert message.startswith("ckpt_path: ")
    return message


def kill_and_resume(kills: list[tuple[str, int, int]], folder: Path) -> None:
    """Sessions that end as ``kills`` say, each going on from the one before, and one more to the end."""
    for number, (moment, count, step) in enumerate(kills):
        code = session(folder, *([RESUME] if number else []), moment=moment, count=count)
        stopped = moment in ("SIGTERM", "SIGINT")
        assert code == (128 + signal.Signals[moment] if stopped else -signal.SIGKILL), moment
        assert not stopped or f"Stopped by {moment}; saved {LAST}" in (folder / "output.txt").read_text()
        assert step_of(folder) == step, moment
    assert session(folder, RESUME) == 0


def test_killed_and_resumed_again_and_again(whole: Path, tmp_path: Path) -> None:
    kill_and_resume(KILLS, tmp_path)
    assert_same_run(tmp_path, whole)


KILL = ("in a training step", 14, 10)
OWN_STATE = {
    "similar groups": (["--data.grouping=similar", "--data.statistics=[ink, slant]", "--data.random_share=0.5"], KILL),
    "augmented groups": (["--data.grouping=augmented"], KILL),
    "averaged weights": (  # the checkpoint is of a step that is averaged
        ["--trainer.callbacks+=EMAWeightAveraging", "--trainer.callbacks.update_every_n_steps=3"],
        ("SIGTERM", 4, 4),
    ),
}


@pytest.mark.parametrize("name", OWN_STATE)
def test_what_has_a_state_of_its_own_goes_on_alike(name: str, tmp_path: Path) -> None:
    settings, (moment, count, step) = OWN_STATE[name]
    settings = [*settings, "--trainer.max_epochs=2", "--figures.every_n_epochs=0"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for folder in (whole, killed):
        folder.mkdir()
    assert session(whole, *settings) == 0, (whole / "output.txt").read_text()
    assert session(killed, *settings, moment=moment, count=count) != 0
    assert step_of(killed) == step
    assert session(killed, *settings, RESUME) == 0
    assert_same_run(killed, whole)


@pytest.mark.slow
def test_killed_at_every_other_moment(whole: Path, tmp_path: Path) -> None:
    assert {moment for moment, *_ in [*KILLS, *MORE_KILLS]} == set(MOMENTS)
    kill_and_resume(MORE_KILLS, tmp_path)
    assert_same_run(tmp_path, whole)


def test_checkpoints_by_time(tmp_path: Path) -> None:
    often = ["--checkpoint.every_n_train_steps=0", "--checkpoint.every_n_minutes=1e-9"]
    assert session(tmp_path, *often, moment="in a training step", count=8) == -signal.SIGKILL
    assert step_of(tmp_path) == 7  # every step took longer
    never = ["--checkpoint.every_n_train_steps=0", "--checkpoint.every_n_minutes=0"]
    other = tmp_path / "other"
    other.mkdir()
    assert session(other, *never, moment="in a training step", count=14) == -signal.SIGKILL
    assert step_of(other) == 9  # the end of the epoch alone


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data.group_size=8", "--data.groups_per_batch=16"], "data.group_size was 16, now 8; data.groups_per_batch"),
        (["--data.grouping=attribute"], "data.grouping was random, now attribute; data.group_column was None, now"),
        (["--data.grouping=similar"], "data.grouping was random, now similar; data.statistics was None, now ['ink']"),
        (["--data.grouping=augmented"], "; data.changes was None, now ['thickness', 'shear', 'brightness']"),
        (["--data.seed=2"], "data.seed was 1, now 2."),
        (["--data.image_size=9"], "data.image_shape was [1, 8, 8], now [1, 9, 9]"),
        (["--model.z_dim=3"], "model.z_dim was 2, now 3."),
        (["--model.learning_rate=0.1"], "model.learning_rate was 0.005, now 0.1."),
        (["--model=MLVAE"], "model was UGVAE, now MLVAE"),
    ],
    ids=lambda value: value[0].strip("-") if isinstance(value, list) else "",
)
def test_other_settings_are_refused_by_name(
    arguments: list[str], message: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.read_bytes() for path in RUN.rglob("*") if path.is_file() and path.name != "config.yaml"}
    assert message in refusal_to_resume(capsys, *arguments)
    assert all(path.read_bytes() == content for path, content in before.items())


def test_other_data_are_refused(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from ugvae.datamodules import digits

    changed = digits.load_digits()
    changed.images[::2] = 16 - changed.images[::2]
    monkeypatch.setattr(digits, "load_digits", lambda: changed)
    message = refusal_to_resume(capsys)
    assert "content of the training images was" in message
    assert "data.seed" not in message


def test_cut_checkpoint_names_the_one_before_which_goes_on_to_the_same_end(
    here: Path, whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    LAST.write_bytes(LAST.read_bytes()[:5000])
    message = refusal_to_resume(capsys)
    previous = LAST.with_name("previous.ckpt")
    assert f"{LAST} is not a complete checkpoint" in message
    assert message.endswith(f"The one of step 9 is whole; go on from it with --ckpt_path {previous}")
    intact = previous.read_bytes()
    code = session(here, f"--ckpt_path={previous}", moment="before last.ckpt is replaced")
    assert code == -signal.SIGKILL
    assert previous.read_bytes() == intact, "a last.ckpt that is cut short never takes its place"
    assert session(here, f"--ckpt_path={previous}") == 0
    assert_same_run(here, whole)


def test_best_so_far_moves_with_the_folder() -> None:
    """A run seen from another working folder still knows its best checkpoint."""
    old, new = RunCheckpoint(dirpath="/a/runs/digits/version_0/checkpoints"), RunCheckpoint()
    new.dirpath = "/b/digits/version_0/checkpoints"
    best = "/a/runs/digits/version_0/checkpoints/best.ckpt"
    old.best_model_path, old.best_model_score, old.best_k_models = best, torch.tensor(3.0), {best: torch.tensor(3.0)}
    new.load_state_dict(old.state_dict())
    assert new.best_model_path == "/b/digits/version_0/checkpoints/best.ckpt"
    assert new.best_k_models == {new.best_model_path: torch.tensor(3.0)}
    assert new.best_model_score == 3


def test_what_a_killed_write_left_is_cleared_away(here: Path) -> None:
    strays = [LAST.with_name(".last.4711.ckpt"), RUN / ".metrics.12.csv", RUN / "figures" / ".samples.9.png"]
    kept = RUN / ".hidden"
    for path in [*strays, kept]:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"half")
    cli.main([*COMMAND, RESUME, "--trainer.max_epochs=2"])
    assert [path.exists() for path in [*strays, kept]] == [False, False, False, True]
