"""The entrance: help at once, and the command called from Python in places that are no terminal."""

import configparser
import contextlib
import gc
import io
import os
import re
import resource
import subprocess
import sys
import threading
from pathlib import Path
from pkgutil import resolve_name

import pytest
import torch

from tests.helpers import EXPERIMENTS, PROJECT
from tests.helpers.yaml_sweep import SHORT, SMALL
from ugvae import __main__ as entrance
from ugvae import cli, models
from ugvae.cli.commands import COMMANDS
from ugvae.cli.parser import help_calls

FIT = ["fit", "--config", str(EXPERIMENTS / "digits.yaml"), *SMALL, *SHORT, "--figures.groups_per_label=0"]
RUN = Path("lightning_logs/digits/version_0")
pytestmark = pytest.mark.usefixtures("workplace")


def python(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    variables = {**os.environ, **environment}
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False, env=variables)


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], [], ["--version"]])
def test_help_and_version_take_no_time(arguments: list[str]) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = python("-m", "ugvae", *arguments)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0
    assert re.match(r"ugvae \d" if "--version" in arguments else "usage: ugvae COMMAND", done.stdout)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 2, "seconds of processor time"


def test_help_names_every_command_and_model(capsys: pytest.CaptureFixture[str]) -> None:
    entrance.main(["--help"])
    named = set(re.findall(r"^  ([a-z]+)  ", capsys.readouterr().out.split("settings, in")[0], re.MULTILINE))
    assert named == {*entrance.COMMANDS} >= {"fit", "validate", "test", "predict", *COMMANDS}
    own = {name for name in models.__all__ if isinstance(getattr(models, name), type)}
    own = {name for name in own if issubclass(getattr(models, name), models.BaseVAE)} - {"BaseVAE"}
    assert own <= set(re.findall(r"\w+", entrance.HELP))


def test_every_command_has_a_function() -> None:
    for place, _ in entrance.COMMANDS.values():
        assert callable(resolve_name(place.split()[0]))


@pytest.mark.parametrize("ending", ["", "raise ImportError"])
def test_garbage_waits_while_a_command_is_loaded(ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"command_{'that_fails' if ending else 'of_a_test'}"
    lines = ["import gc", "loading = gc.isenabled()", "def main(arguments): print(loading, gc.isenabled())", ending]
    (tmp_path / f"{name}.py").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(entrance.COMMANDS, "fit", (f"{name}:main", ""))
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.suppress(ImportError):
        entrance.main(["fit"])
    assert printed.getvalue() == ("" if ending else "False True\n")
    assert gc.isenabled()


@pytest.mark.parametrize(("typed", "hint"), [("evalute", "Did you mean evaluate?"), ("--config", "See ugvae --help")])
def test_a_command_that_is_none(typed: str, hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        entrance.main([typed, "x"])
    assert capsys.readouterr().err == f"error: no command {typed}. {hint}\n"


def test_version_loads_nothing_and_is_that_of_the_package() -> None:
    settings = configparser.ConfigParser()
    settings.read(PROJECT / "setup.cfg")
    loaded = "bool({'torch', 'numpy', 'jsonargparse'} & sys.modules.keys())"
    printed = python("-c", f"import sys, ugvae; print(ugvae.__version__, {loaded})").stdout
    assert printed == f"{settings['metadata']['version']} False\n"


def test_make_calls_commands_of_ugvae() -> None:
    makefile = (PROJECT / "Makefile").read_text()
    called = set(re.findall(r"-m ugvae (\w+)", makefile))
    assert {"fit", "compare", "evaluate", "figures", "report"} <= called <= entrance.COMMANDS.keys()
    described = set(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE))
    assert set(re.search(r"\.PHONY: (.*)", makefile)[1].split()) == described


def test_help_of_a_command_begins_with_the_chosen_model_and_data(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["fit", "--config", str(EXPERIMENTS / "digits.yaml"), "--model=VAE", "--help"])
    printed = capsys.readouterr().out
    order = [
        "Help for --model.help=",
        "Help for --data.help=",
        "\n  --figures.every_n_epochs",
        "\n  --trainer.max_epochs",
    ]
    places = [printed.index(words) for words in order]
    assert places == sorted(places)
    assert "--model.x_std" in printed
    assert "default: 0.2)" in printed
    assert len(re.findall(r"\n  --trainer\.max_epochs", printed)) == 1
    assert not Path("lightning_logs").exists()


@pytest.mark.parametrize(
    ("arguments", "calls"),
    [
        (["test", "-h"], [["test", "--help"]]),
        (["fit", "--data=my.Data", "-h"], [["fit", "--data.help", "my.Data"], ["fit", "--help"]]),
        (["fit", "--model.z_dim", "3", "--help"], [["fit", "--help"]]),
    ],
)
def test_which_helps_are_shown(arguments: list[str], calls: list[list[str]]) -> None:
    assert help_calls(arguments) == calls


def test_the_console_script_is_the_entrance() -> None:
    assert "ugvae = ugvae.__main__:main" in (PROJECT / "setup.cfg").read_text()
    entrance.main([*FIT])
    assert (RUN / "trained.json").is_file()


def in_a_thread() -> None:
    thread = threading.Thread(target=cli.main, args=(FIT,))
    thread.start()
    thread.join()


def with_messages_in_memory() -> None:
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        cli.main(FIT)


def without_any_output() -> None:
    with contextlib.redirect_stderr(None), contextlib.redirect_stdout(None):
        cli.main(FIT)


@pytest.mark.parametrize("call", [in_a_thread, with_messages_in_memory, without_any_output])
def test_main_is_called_from_python(call: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli.faulthandler, "is_enabled", lambda: False)
    call()
    assert (RUN / "trained.json").is_file()


def test_a_process_that_a_notebook_starts() -> None:
    """It inherits the notebook's backend of Matplotlib, which this environment may not have."""
    done = python("-c", "import ugvae.plots.figure", MPLBACKEND="module://not_installed_here.backend_inline")
    assert done.returncode == 0, done.stderr
    code = "import os, ugvae; print(os.environ['MPLBACKEND'])"
    assert python("-c", code, MPLBACKEND="module://json.backend").stdout == "module://json.backend\n"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str], workplace: Path) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main([*FIT, "--trainer.accelerator=gpu"])
    message = capsys.readouterr().err.strip().splitlines()[-1]
    assert message.startswith("error: trainer.accelerator: ")
    assert "auto takes what there is, cpu always works" in message
    assert not list(workplace.iterdir())


def test_a_folder_of_ones_own_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main(["fit", "--config", str(EXPERIMENTS / "folder.yaml"), "--data.root=nowhere"])
    message = capsys.readouterr().err
    assert "Name the place of your own images: --data.root FOLDER" in message
    assert "Get it" not in message


def test_make_lists_the_data_that_there_are() -> None:
    done = subprocess.run(
        ["make", "train", "DATA=foldr", "READY="], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "\nDATA=foldr is none of: array " in f"\n{done.stdout}"
    assert " folder " in done.stdout
