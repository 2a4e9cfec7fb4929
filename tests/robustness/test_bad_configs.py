"""Settings mistyped, of the wrong type or out of range, in a YAML or a flag: one message that names them, status 2."""

import functools
import inspect
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st
from pytorch_lightning import Trainer

from tests.helpers import EXPERIMENTS
from tests.helpers.bad_input import FEW, attempt, damaged, files_below
from ugvae import cli
from ugvae.callbacks import RunCheckpoint, TrainingFigures
from ugvae.errors import ConfigError
from ugvae.models import UGVAE

DIGITS = EXPERIMENTS / "digits.yaml"
FIT = Trainer.fit
HUGE = "9" * 21


@pytest.fixture(autouse=True)
def workplace(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, and a fit that ends with its first batch."""

    @functools.wraps(FIT)
    def fit(trainer: Trainer, model: UGVAE, datamodule: object = None, **_: object) -> None:
        datamodule.prepare_data()
        next(iter(datamodule.train_dataloader()))

    monkeypatch.setattr(Trainer, "fit", fit)
    return workplace


def status_of(*arguments: str) -> object:
    """Exit status of a command; None if it went through."""
    try:
        cli.main(["fit", *arguments])
    except SystemExit as stop:
        return stop.code
    return None


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], workplace: Path) -> Callable[..., bool]:
    """Tries a command: it runs (True), or ends with status 2 and one message that contains one of ``names`` (False)."""

    def run(*arguments: str) -> bool:
        status = status_of(*arguments)
        if status is None:
            return True
        message = capsys.readouterr().err.strip().splitlines()[-1]
        assert status == 2, message
        assert message.startswith("error: ")
        raise ConfigError(message)

    def try_it(*arguments: str, names: tuple = ()) -> bool:
        ran = attempt("settings", lambda: run(*arguments), *names)
        written = {Path(name).parts[0] for name in files_below(workplace)}
        assert written <= {"lightning_logs", "bad.yaml"}, written
        return bool(ran)

    return try_it


REFUSED = {  # a bad value or two for every kind of setting and of check
    "seed_everything": ["-1", "4294967296"],
    "experiment": ["", "..", "/outside", "a/../../b", "\x7f"],
    "trainer": ["null"],
    "trainer.accelerator": ["abc"],
    "trainer.strategy": ["abc"],
    "trainer.devices": ["0", "abc", HUGE],
    "trainer.num_nodes": ["0"],
    "trainer.max_epochs": ["-2", "1.5"],
    "trainer.max_time": ["abc", "{a: 1}"],
    "trainer.limit_train_batches": ["-1", "1.5"],
    "trainer.overfit_batches": ["3"],
    "trainer.val_check_interval": ["0", "abc"],
    "trainer.check_val_every_n_epoch": ["0"],
    "trainer.log_every_n_steps": ["0"],
    "trainer.accumulate_grad_batches": ["0"],
    "trainer.profiler": ["abc"],
    "trainer.callbacks": ["abc"],
    "model.z_dim": [HUGE, "0", "null", "[1]", "!!python/name:os.system"],
    "model.x_std": ["null", "nan", "inf", "-1"],
    "model.norm": ["layer"],
    "model.schedule": ["step"],
    "model.backbone": ["resnet"],
    "model.likelihood": ["bernoulli", "null"],
    "model.width": ["0", "32"],
    "model.depth": ["0", "2"],
    "figures.every_n_epochs": ["null", "-1"],
    "figures.groups_per_label": ["-1"],
    "checkpoint.every_n_minutes": ["null", "-1"],
    "checkpoint.every_n_train_steps": ["-1"],
    "checkpoint.mode": ["up"],
    "data.group_size": [HUGE, "0"],
    "data.image_size": ["0", "abc"],
    "data.num_workers": ["-1"],
    "data.predict_split": ["some"],
    "data.statistics": ["[hue]", "[]", "ink"],
    "data.random_share": ["-1", "nan"],
    "data.widest_window": ["0", "2"],
    "data.changes": ["[blur]", "7"],
}


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in REFUSED.items() for value in values])
def test_values_that_cannot_work(command: Callable, key: str, value: str) -> None:
    names = ("trainer",) if key.startswith("trainer") else (key.rpartition(".")[2],)
    assert not command("--config", str(DIGITS), f"--{key}={value}", names=names)


KEYS = sorted(
    {
        *(f"trainer.{name}" for name in inspect.signature(Trainer).parameters),
        *(f"figures.{name}" for name in inspect.signature(TrainingFigures).parameters),
        *(f"checkpoint.{name}" for name in inspect.signature(RunCheckpoint).parameters),
        *("seed_everything", "experiment", "ckpt_path", "matmul_precision"),
        *(f"model.{name}" for name in ("z_dim", "backbone", "x_std", "norm", "learning_rate", "num_components")),
        *(f"data.{name}" for name in ("num_workers", "predict_split", "grouping", "group_column", "proportions")),
        *(f"data.{name}" for name in ("statistics", "random_share", "widest_window", "changes")),
    }
)
VALUES = ["-1", "0", "1.5", "nan", "-inf", "1e400", "-" + HUGE, "abc", "", "true", "[]", "[1, 2]", "{a: 1}", "[[[", "é"]


@FEW
@given(key=st.sampled_from(KEYS), value=st.sampled_from(VALUES))
def test_any_value_of_any_setting(command: Callable, key: str, value: str) -> None:
    command("--config", str(DIGITS), f"--{key}={value}", names=(key.partition(".")[0], key.rpartition(".")[2]))


# ------------------------------------------------------------------------------------------------------------- the YAML


@st.composite
def mistyped(draw: st.DrawFn) -> tuple[dict, str]:
    """A configuration with a letter changed, dropped, doubled or added in one name, and that name."""
    config = {
        "model": {"class_path": "UGVAE", "init_args": {"z_dim": 2, "beta_dim": 2, "x_std": 0.3}},
        "data": {"class_path": "DigitsDataModule", "init_args": {"group_size": 4, "groups_per_batch": 2}},
        "trainer": {"max_epochs": 1, "limit_train_batches": 1},
        "figures": {"every_n_epochs": 0},
    }
    places = [(), ("model",), ("data",), ("model", "init_args"), ("data", "init_args"), ("trainer",), ("figures",)]
    part = functools.reduce(dict.__getitem__, draw(st.sampled_from(places)), config)
    old = draw(st.sampled_from(sorted(part)))
    place, letter = draw(st.integers(0, len(old) - 1)), draw(st.sampled_from("abcxyz_-. 0"))
    head, tail = old[:place], old[place + 1 :]
    new = draw(st.sampled_from([head + letter + tail, head + tail, head + letter + old[place:], old.upper()]))
    assume(new != old)
    part[new] = part.pop(old)
    return config, new


@FEW
@given(case=mistyped())
def test_mistyped_names(command: Callable, workplace: Path, case: tuple[dict, str]) -> None:
    config, name = case
    (workplace / "bad.yaml").write_text(yaml.safe_dump(config, allow_unicode=True))
    sections = ("model", "data", "class_path", "init_args")  # what is missing then
    assert not command("--config", "bad.yaml", names=(name, *sections)) or name in config


@FEW
@given(data=st.data())
def test_damaged_yaml(command: Callable, workplace: Path, data: st.DataObject) -> None:
    (workplace / "bad.yaml").write_bytes(data.draw(damaged(DIGITS.read_bytes())))
    command("--config", "bad.yaml")


YAMLS = {
    "empty": b"",
    "a list": b"- 1\n- 2\n",
    "text": b"model",
    "another encoding": "model: UGVAE # \xe4".encode("latin-1"),
    "UTF-16": "model: UGVAE\ndata: DigitsDataModule\n".encode("utf-16"),
    "NUL": b"model: UGVAE\0\n",
    "tab": b"model:\n\tUGVAE\n",
    "no settings of the trainer": b"model: UGVAE\ndata: DigitsDataModule\ntrainer:\n",
    "code": b"model: !!python/object/apply:os.mkdir [sprung]\ndata: DigitsDataModule\n",
    "code by a class": b"model: {class_path: os.mkdir, init_args: {path: sprung}}\ndata: DigitsDataModule\n",
    "another class": b"model: UGVAE\ndata: {class_path: subprocess.Popen, init_args: {args: [touch, sprung]}}\n",
}


@pytest.mark.parametrize("name", YAMLS)
def test_yaml_that_is_none(command: Callable, workplace: Path, name: str) -> None:
    (workplace / "bad.yaml").write_bytes(YAMLS[name])
    assert not command("--config", "bad.yaml")
    assert not (workplace / "sprung").exists()


def test_a_run_that_cannot_start_leaves_no_folder(command: Callable, workplace: Path) -> None:
    assert not command("--config", str(DIGITS), "--trainer.devices=0", names=("devices",))
    assert files_below(workplace) == {}
