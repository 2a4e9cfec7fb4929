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

from tests.helpers.bad_input import FEW, attempt, damaged, files_below
from tests.helpers.yaml_sweep import EXPERIMENTS
from ugvae import cli
from ugvae.callbacks import TrainingFigures
from ugvae.errors import ConfigError
from ugvae.models import UGVAE

DIGITS = EXPERIMENTS / "digits.yaml"
FIT = Trainer.fit
KEYS = sorted(
    {
        *(f"trainer.{name}" for name in inspect.signature(Trainer).parameters),
        *(f"model.{name}" for name in inspect.signature(UGVAE).parameters if name not in ("image_shape", "kwargs")),
        *(f"model.{name}" for name in ("z_dim", "backbone", "x_std", "norm", "learning_rate", "schedule")),
        *(f"data.{name}" for name in ("image_size", "group_size", "groups_per_batch", "num_workers", "seed")),
        *(f"data.{name}" for name in ("predict_split", "grouping", "group_column", "proportions", "concentration")),
        *(f"figures.{name}" for name in inspect.signature(TrainingFigures).parameters),
        *("checkpoint.monitor", "checkpoint.save_top_k", "seed_everything", "experiment", "ckpt_path"),
    }
)
VALUES = ["-1", "0", "1.5", "-0.5", "nan", "inf", "-inf", "1e400", "9" * 21, "-" + "9" * 21, "abc", "", "null", "true"]
VALUES += [
    "[]",
    "[1, 2]",
    "{}",
    "{a: 1}",
    "[[[",
    "{",
    "!!python/name:os.system",
    "\x7f",
    "é",
    "../../etc",
    "1_0",
    "0x1F",
]


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, and a fit that ends with its first batch."""

    @functools.wraps(FIT)
    def fit(trainer: Trainer, model: UGVAE, datamodule: object = None, **_: object) -> None:
        datamodule.prepare_data()
        next(iter(datamodule.train_dataloader()))

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "disabled")
    monkeypatch.setattr(Trainer, "fit", fit)
    return tmp_path


def status_of(*arguments: str) -> object:
    """Exit status of a command; None if it went through."""
    try:
        cli.main(list(arguments))
    except SystemExit as stop:
        return stop.code
    return None


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], workplace: Path) -> Callable[..., bool]:
    """Tries a command: it runs (True), or ends with status 2 and one message that contains one of ``names`` (False)."""

    def run(*arguments: str) -> bool:
        status = status_of("fit", *arguments)
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


@FEW
@given(key=st.sampled_from(KEYS), value=st.sampled_from(VALUES))
def test_any_value_of_any_setting(command: Callable, key: str, value: str) -> None:
    command("--config", str(DIGITS), f"--{key}={value}", names=(key.rpartition(".")[2],))


FOUND = {  # once a traceback, a silent acceptance, or a message without the name
    "seed_everything": ["-1", "4294967296"],
    "experiment": ["", "..", "../../outside", "/tmp/outside", "a/../../b"],
    "trainer.accelerator": ["abc", "-1"],
    "trainer.strategy": ["abc"],
    "trainer.devices": ["0", "-5", "abc", "9" * 21],
    "trainer.num_nodes": ["0", "9" * 21],
    "trainer.fast_dev_run": ["-1"],
    "trainer.max_epochs": ["-2", "9" * 21],
    "trainer.max_time": ["1.5", "abc", "{a: 1}", "1:2:3"],
    "trainer.limit_train_batches": ["-1", "1.5"],
    "trainer.overfit_batches": ["3", "0.5"],
    "trainer.val_check_interval": ["0", "-1", "abc"],
    "trainer.check_val_every_n_epoch": ["0"],
    "trainer.log_every_n_steps": ["0", "-1"],
    "trainer.accumulate_grad_batches": ["0", "9" * 21],
    "trainer.gradient_clip_algorithm": ["abc"],
    "trainer.profiler": ["abc"],
    "trainer.reload_dataloaders_every_n_epochs": ["-1"],
    "model.z_dim": ["9" * 21, "100000", "null"],
    "model.x_std": ["null", "nan", "inf"],
    "figures.every_n_epochs": ["null"],
    "checkpoint.every_n_minutes": ["null"],
    "model.learning_rate": ["null", "0"],
    "data.seed": ["-1", "9" * 21],
    "data.image_size": ["9" * 21, "null"],
    "data.group_size": ["9" * 21, "null"],
}


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in FOUND.items() for value in values])
def test_values_that_cannot_work(command: Callable, key: str, value: str) -> None:
    assert not command("--config", str(DIGITS), f"--{key}={value}", names=(key.rpartition(".")[2],))


# ------------------------------------------------------------------------------------------------------------- the YAML


def other_word(draw: st.DrawFn, word: str) -> str:
    """A word with one letter changed, dropped, doubled or added."""
    place, letter = draw(st.integers(0, len(word) - 1)), draw(st.sampled_from("abcxyz_-. 0"))
    changed = [
        word[:place] + letter + word[place + 1 :],
        word[:place] + word[place + 1 :],
        word[:place] + letter + word[place:],
    ]
    return draw(st.sampled_from([*changed, word[:place] + word[place] + word[place:], word.upper()]))


@st.composite
def mistyped(draw: st.DrawFn) -> tuple[dict, str]:
    """A configuration with one name mistyped, and that name."""
    config = {
        "model": {"class_path": "UGVAE", "init_args": {"z_dim": 2, "beta_dim": 2, "x_std": 0.3}},
        "data": {"class_path": "DigitsDataModule", "init_args": {"group_size": 4, "groups_per_batch": 2}},
        "trainer": {"max_epochs": 1, "limit_train_batches": 1},
        "figures": {"every_n_epochs": 0},
    }
    place = draw(
        st.sampled_from([(), ("model",), ("data",), ("model", "init_args"), ("data", "init_args"), ("trainer",)])
    )
    part = functools.reduce(dict.__getitem__, place, config)
    old = draw(st.sampled_from(sorted(part)))
    new = other_word(draw, old)
    assume(new != old)
    part[new] = part.pop(old)
    return config, new


@FEW
@given(case=mistyped())
def test_mistyped_names(command: Callable, workplace: Path, case: tuple[dict, str]) -> None:
    config, name = case
    (workplace / "bad.yaml").write_text(yaml.safe_dump(config, allow_unicode=True))
    sections = ("model", "data", "class_path", "init_args")  # what is said to be missing
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
    "code": b"model: !!python/object/apply:os.mkdir [sprung]\ndata: DigitsDataModule\n",
    "code by a class": b"model: {class_path: os.mkdir, init_args: {path: sprung}}\ndata: DigitsDataModule\n",
    "another class": b"model: UGVAE\ndata: {class_path: subprocess.Popen, init_args: {args: [touch, sprung]}}\n",
    "a billion laughs": b"a: &a [x,x,x,x,x,x,x,x,x]\n"
    + b"".join(b"%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n" % (n, n, *[n - 1] * 9) for n in range(98, 123)),
    "deep": b"model: " + b"[" * 2000,
}


@pytest.mark.parametrize("name", YAMLS)
def test_yaml_that_is_none(command: Callable, workplace: Path, name: str) -> None:
    (workplace / "bad.yaml").write_bytes(YAMLS[name])
    assert not command("--config", "bad.yaml")
    assert not (workplace / "sprung").exists()
