"""README and docs/: blocks of Python are run, and commands are parsed as if they were run.

The commands of ``docs/own_data.md`` are run too (``test_own_data_page.py``), and those of ``docs/add_model.md`` here.
"""

import contextlib
import functools
import importlib
import io
import re
import runpy
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import yaml

from tests.data.mnist import fake_hashes, write_mnist
from tests.helpers import EXPERIMENTS, PROJECT
from tests.helpers.notebooks import run_cells
from tests.helpers.pages import NOTEBOOKS, PAGES, blocks, commands, name_of, own_modules
from tests.helpers.reference import fixed_noise
from tests.helpers.small_models import make
from tests.helpers.tiny_runs import write_run
from ugvae import __main__ as entrance
from ugvae import cli, models
from ugvae.cli.parser import split_settings, with_run_flag
from ugvae.datamodules import mnist_files
from ugvae.experiments.paper import __main__ as paper
from ugvae.experiments.paper.__main__ import TRAINING

MAKEFILE = (PROJECT / "Makefile").read_text()
TRAINER_COMMANDS = ("fit", "validate", "test", "predict")
OTHERS = ("test", "test-slow", "report", "figures", "export")  # targets whose ARGS are no settings of training
TINY = {"class_path": "ugvae.datamodules.MNISTDataModule", "init_args": {"num_val": 60, "group_size": 4}}


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A working folder with what the pages suppose: MNIST, a run on it, and the user's own modules."""
    folder = tmp_path_factory.mktemp("docs")
    write_mnist(folder / "data" / "mnist")
    write_run(folder / "lightning_logs/mnist/version_0", make(models.UGVAE, (1, 28, 28), double=False), TINY)
    for name, code in own_modules().items():
        (folder / name).write_text(code)
    (folder / "experiments").symlink_to(EXPERIMENTS)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("WANDB_MODE", "disabled")
        patch.setattr(sys, "path", [str(folder), *(path for path in sys.path if path)])
        patch.setattr(mnist_files, "SHA256", fake_hashes())
        yield folder
    for name in own_modules():
        sys.modules.pop(Path(name).stem, None)


RUNNABLE = [page for page in PAGES if blocks(page, "python") and page not in NOTEBOOKS]


@pytest.mark.parametrize("page", RUNNABLE, ids=name_of)
def test_python_of_the_pages_runs(page: Path, workplace: Path) -> None:
    names: dict[str, object] = {"__name__": "page"}
    for number, code in enumerate(blocks(page, "python"), 1):
        exec(compile(code, f"{name_of(page)}, block {number}", "exec"), names)


@functools.cache
def help_of(*command: str) -> str:
    """What a command prints for ``--help``: ``ugvae NAME`` or a module."""
    with contextlib.redirect_stdout(io.StringIO()) as printed, contextlib.suppress(SystemExit):
        if command[0] == "ugvae":
            entrance.main([*command[1:], "--help"])
        else:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(sys, "argv", [command[0], *command[1:], "--help"])
                runpy.run_module(command[0], run_name="__main__", alter_sys=True)
    return printed.getvalue()


def check_settings(subcommand: str, arguments: list[str]) -> None:
    """Parses the settings of a command of Lightning's command line, as it would before it does anything."""
    known = [re.sub(r"^.*lightning_logs/.*config\.yaml$", "experiments/mnist.yaml", word) for word in arguments]
    with contextlib.redirect_stdout(io.StringIO()) as printed, pytest.raises(SystemExit) as stop:
        cli.main([subcommand, *known, "--print_config"])
    assert stop.value.code in (0, None), arguments
    assert "model:" in printed.getvalue()


def check_flags(command: tuple[str, ...], arguments: list[str]) -> None:
    """Every option is one that the help of the command names."""
    for word in arguments:
        flag = word.split("=")[0]
        assert not flag.startswith("--") or re.search(rf"(?<![\w-]){re.escape(flag)}\b", help_of(*command)), arguments


def check_options(command: tuple[str, ...], arguments: list[str]) -> None:
    """Every option is one that the help of the command names; settings of the data are those of training."""
    settings, others = split_settings(arguments)
    check_flags(command, others)
    if settings:
        check_settings("fit", ["--config", "experiments/folder.yaml", *settings])


def check_make(target: str, *words: str) -> None:
    """The target and its variables are there, and ARGS is what its program takes."""
    assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE), f"make {target}"
    given = dict(word.split("=", 1) for word in words)
    assert all(f"$({name})" in MAKEFILE for name in given), words
    arguments = shlex.split(given.get("ARGS", ""))
    config = EXPERIMENTS / f"{given.get('DATA', 'mnist')}.yaml"
    assert config.is_file(), config
    if target in OTHERS:
        return
    settings, others = split_settings(arguments, TRAINING)
    if target == "bench":
        part = arguments[: bool(arguments) and not arguments[0].startswith("-")]
        check_flags(("ugvae.experiments.bench", *part), arguments)
    elif target == "train":
        model = ["--model", given["MODEL"]] if "MODEL" in given else []
        check_settings("fit", ["--config", str(config), *model, *arguments])
    elif target in ("compare", "explore"):
        check_options(("ugvae", target), others)
        check_settings("fit", ["--config", str(config), *settings])
    elif arguments:
        check_settings("fit", ["--config", str(config), *arguments])


def check_paper(words: list[str]) -> None:
    """A command of the paper takes these options; a name alone is a mention."""
    if words[1:]:
        name, *others = split_settings(split_settings(words)[1], TRAINING)[1]
        paper.parse([name, *with_run_flag(others)])
    elif words:
        assert words[0] in {*paper.FIGURES, *paper.TABLES, *paper.PAGES}


def check(words: list[str]) -> None:
    """Checks a command of a page."""
    program, *arguments = words
    if program == "make":
        check_make(*(arguments or ["help"]))
    elif program == "pytest":
        assert all(list(PROJECT.glob(word)) for word in arguments if not word.startswith("-"))
    elif [program, *arguments[:1]] == ["ugvae", "paper"] or program == "experiments.paper":
        check_paper([word for word in arguments[program == "ugvae" :] if word != "--help"])
    elif program == "ugvae" and arguments[:1] and arguments[0] in TRAINER_COMMANDS:
        check_settings(arguments[0], arguments[1:])
    elif program == "ugvae":
        assert not arguments or arguments[0].startswith("--") or arguments[0] in entrance.COMMANDS, words
        check_options(("ugvae", *arguments[:1]), arguments[1:])
    elif program.startswith("experiments."):
        assert importlib.util.find_spec(f"ugvae.{program}"), words
        check_options((f"ugvae.{program}",), arguments)
    else:
        assert importlib.util.find_spec(program), words


@pytest.mark.parametrize("page", [page for page in PAGES if list(commands(page))], ids=name_of)
def test_commands_of_the_pages_are_accepted(page: Path, workplace: Path) -> None:
    for words in {tuple(words): words for words in commands(page)}.values():
        check(words)


@pytest.mark.parametrize(
    "words",
    [
        ["make", "trian"],
        ["make", "train", "DATA=mnits"],
        ["make", "train", "DATA=mnist", "ARGS=--data.gruping random"],
        ["make", "compare", "ARGS=--sedes 3"],
        ["ugvae", "fit", "--data", "DigitsDataModule", "--model", "UGVAE", "--model.z_dim", "many"],
        ["ugvae", "encode", "--run", "RUN", "--outptu", "latents"],
        ["experiments.paper", "fig55"],
        ["experiments.paper", "fig5", "--run", "RUN", "--atribute", "Male"],
        ["ugvae", "paper", "fig5", "--run", "RUN", "--atribute", "Male"],
        ["experiments.nonesuch"],
        ["pytest", "tests/nonesuch.py"],
    ],
    ids=" ".join,
)
def test_a_wrong_command_is_found(words: list[str], workplace: Path) -> None:
    with pytest.raises((AssertionError, SystemExit, ImportError, pytest.fail.Exception)):
        check(words)


def test_yaml_of_the_pages_is_accepted(workplace: Path) -> None:
    # the class of add_dataset.md is that of the page, which is run below
    pages = {page: blocks(page, "yaml") for page in PAGES if name_of(page) != "docs/add_dataset.md"}
    assert any(pages.values())
    for page, contents in pages.items():
        for number, content in enumerate(contents):
            (workplace / f"{page.stem}_{number}.yaml").write_text(content)
            model = [] if "model:" in content else ["--model", "UGVAE"]
            check_settings("fit", ["--config", f"{page.stem}_{number}.yaml", *model])


def test_the_model_of_the_page(workplace: Path) -> None:
    page = PROJECT / "docs/add_model.md"
    names: dict[str, object] = {}
    exec("\n".join(blocks(page, "python")), names)
    model = names["ShiftedVAE"]((1, 4, 4), z_dim=3, beta_dim=2).double()
    images = torch.rand(2, 3, 1, 4, 4, dtype=model.dtype)
    noise = torch.randn(2, 2, dtype=model.dtype), torch.randn(2, 3, 3, dtype=model.dtype)  # of beta, of z
    with fixed_noise(*noise):
        bound = model.elbo(images)
    expected = names["shifted_vae"](model, images, *noise)
    assert set(bound) == set(expected)
    for name, term in expected.items():
        torch.testing.assert_close(bound[name], term, msg=lambda text, name=name: f"{name}: {text}")
    for words in commands(page):
        if words[:2] in (["ugvae", "fit"], ["ugvae", "test"]):
            cli.main(words[1:])
        elif words[0] == "experiments.paper" or words[:2] == ["ugvae", "paper"]:
            paper.main([*words[1 + (words[0] == "ugvae") :], "--groups", "4"])
    assert (workplace / "lightning_logs/shifted/version_0/paper/latent_use.json").is_file()


def test_the_dataset_of_the_page(workplace: Path) -> None:
    page = PROJECT / "docs/add_dataset.md"
    (workplace / "letters.py").write_text(blocks(page, "python")[0])
    names: dict[str, object] = {}
    exec(blocks(page, "python")[1], names)
    names["write_letters"](workplace / "data/letters")
    config = yaml.safe_load(blocks(page, "yaml")[0])
    config["data"]["class_path"] = "letters.LettersDataModule"
    (workplace / "letters.yaml").write_text(yaml.safe_dump(config))
    short = ["--trainer.max_epochs=1", "--trainer.limit_train_batches=2", "--figures.every_n_epochs=0"]
    cli.main(["fit", "--config", "letters.yaml", *short, "--data.cache_workers=1"])
    with (workplace / "lightning_logs/letters/version_0/config.yaml").open() as file:
        assert "LettersDataModule" in file.read()
    data = sys.modules["letters"].LettersDataModule()
    assert data.names["label"] == list("abcde")
    assert [len(data.table(split)) for split in ("train", "val", "test")] == [160, 20, 20]
    assert len(data.table("test").columns["writer"].unique()) == 1
    sys.modules.pop("letters")


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.parametrize("page", NOTEBOOKS, ids=name_of)
def test_notebooks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "disabled")
    if (PROJECT / "data").is_dir():
        (tmp_path / "data").symlink_to(PROJECT / "data")
    outputs = list(run_cells(page.read_text()))
    assert len(outputs) == len(blocks(page, "python"))
    assert sum(output.figure is not None for output in outputs) == page.read_text().count("](../figures/notebooks/")
