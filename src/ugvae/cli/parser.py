"""The parser of settings: it refuses a setting by its name, in one message, and suggests what was meant."""

import difflib
import inspect
import os
import re
import shutil
from argparse import ArgumentError
from collections.abc import Collection, Sequence
from pathlib import Path, PurePath
from typing import Any

from jsonargparse.typing import restricted_number_type
from pytorch_lightning import Trainer
from pytorch_lightning.cli import LightningArgumentParser

from ugvae import datamodules, models
from ugvae.callbacks import RunCheckpoint, TrainingFigures
from ugvae.data.module import GroupDataModule
from ugvae.errors import ConfigError, check_counts
from ugvae.models import BaseVAE
from ugvae.runs.folder import read_config, with_present_names
from ugvae.runs.weights_and_biases import WandbSettings

Seed = restricted_number_type("Seed", int, [(">=", 0), ("<", 2**32)])  # NumPy takes no others
SECTIONS = ("experiment", "trainer", "model", "data", "figures", "checkpoint", "wandb", "ckpt_path", "seed_everything")
DETAILS = (  # lines in which jsonargparse tells which types it tried
    "Does not validate against",
    "Subtypes:",
    "Errors:",
    "<class 'NoneType'>",
    "Given value",
    "either not accessible or invalid",
)
REFUSED = re.compile(r"(?:ption '|arguments: --)([\w.]+)")  # the name that jsonargparse does not know


TRAINER_TITLE = "Customize every aspect of training via flags:"  # of Lightning's help


class SettingsParser(LightningArgumentParser):
    """Lightning's parser, which takes no abbreviations, raises its errors, and reads the YAML of earlier versions."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "allow_abbrev": False, "exit_on_error": False})

    def format_help(self) -> str:
        """The help, with the project's own settings before the many of Lightning's trainer."""
        usage, first, settings = super().format_help().partition("\n\n")
        before, title, after = settings.partition(TRAINER_TITLE)
        if not title:
            return f"{usage}{first}{settings}"
        section, *others = re.split(r"\n\n(?=\S)", after)  # titles are not indented
        prog = usage.split(" [")[0]
        return "\n\n".join(
            [f"{prog} [--config FILE ...] [settings]", before + "\n\n".join(others), TRAINER_TITLE + section]
        )

    def parse_path(self, path: Any, *arguments: Any, **options: Any) -> Any:
        """Parses a file.

        Raises:
            ConfigError: it is no text, no YAML, or has unknown settings or values of a wrong type.
        """
        try:
            return super().parse_path(path, *arguments, **options)
        except UnicodeDecodeError as error:
            raise ConfigError(f"config: {path} cannot be read ({error})") from error
        except ArgumentError as error:
            raise refusal(f"config: {path}: {error}") from error

    def parse_string(self, content: str, *arguments: Any, **options: Any) -> Any:
        """Parses YAML; class paths of earlier versions are known too."""
        return super().parse_string(with_present_names(content), *arguments, **options)


def help_calls(arguments: Sequence[str]) -> list[list[str]]:
    """The command lines that together answer ``--help``: the chosen model's and data's settings come first.

    Example:
        >>> help_calls(["fit", "--model", "VAE", "--help"])
        [['fit', '--model.help', 'VAE'], ['fit', '--help']]
    """
    command, *words = [part for word in arguments for part in (word.split("=", 1) if word[:2] == "--" else [word])]
    pairs = [(flag, value) for flag, value in zip(words, [*words[1:], ""], strict=True) if flag[:1] == "-"]
    chosen: dict[str, Any] = {}
    for flag, value in pairs:
        if flag in ("--config", "-c"):
            chosen |= {name: part for name, part in read_config(Path(value)).items() if name in ("model", "data")}
        elif flag in ("--model", "--data"):
            chosen[flag[2:]] = value
    paths = {name: part.get("class_path") if isinstance(part, dict) else part for name, part in chosen.items()}
    own = [[command, f"--{name}.help", paths[name]] for name in ("model", "data") if paths.get(name)]
    return [*own, [command, "--help"]]


def refusal(message: str) -> ConfigError:
    """The parser's message in one line, with a suggestion where one is near."""
    lines = [line.strip(" -") for line in message.splitlines()]
    kept = " ".join(line for line in lines if line and not any(detail in line for detail in DETAILS))
    return ConfigError(f"{kept}{_suggestion(kept)}")


def _suggestion(message: str) -> str:
    families = {"model": (models, BaseVAE), "data": (datamodules, GroupDataModule)}
    if "import path string" in message:
        for key, (package, base) in families.items():
            if f'"{key}"' in message:
                classes = {name: getattr(package, name) for name in package.__all__}
                known = [name for name, cls in classes.items() if issubclass(cls, base) and cls is not base]
                return f". Known: {', '.join(known)}"
    refused = REFUSED.search(message)
    if refused is None:
        return ""
    classes = [cls for _, base in families.values() for cls in (base, *subclasses(base))]
    classes += [Trainer, RunCheckpoint, TrainingFigures, WandbSettings]
    known = {name for cls in classes for name in inspect.signature(cls).parameters}.union(SECTIONS)
    section, dot, word = refused[1].rpartition(".")
    close = difflib.get_close_matches(word, known - {word}, n=1)
    return f". Did you mean {section}{dot}{close[0]}?" if close else ""


def split_settings(arguments: Sequence[str], sections: Collection[str] = ("data",)) -> tuple[list[str], list[str]]:
    """Parts a command line into the settings of some sections, in the form ``--name=value``, and the rest.

    Example:
        >>> split_settings(["--run", "a", "--data.root", "b", "--data=my.Data", "--seed", "1"])
        (['--data.root=b', '--data=my.Data'], ['--run', 'a', '--seed', '1'])
    """
    settings: list[str] = []
    others: list[str] = []
    words = iter(arguments)
    for word in words:
        flag, equals, _ = word.partition("=")
        if flag.startswith("--") and flag[2:].partition(".")[0] in sections:
            settings.append(word if equals else f"{word}={next(words, '')}")
        else:
            others.append(word)
    return settings, others


def with_run_flag(arguments: Sequence[str]) -> list[str]:
    """A command line in which the folder of a run may come first, without its flag.

    Example:
        >>> with_run_flag(["lightning_logs/mnist/version_0", "--by", "label"])
        ['--run', 'lightning_logs/mnist/version_0', '--by', 'label']
    """
    return ["--run", *arguments] if arguments and not arguments[0].startswith("-") else list(arguments)


def subclasses(base: type) -> list[type]:
    """All subclasses that have been imported, at any depth."""
    return [cls for child in base.__subclasses__() for cls in (child, *subclasses(child))]


def check_settings(config: Any) -> None:
    """Checks the settings that no type rules out and that cannot work.

    Args:
        config: the settings of one command.

    Raises:
        ConfigError: names the first setting that cannot work.
    """
    for section in ("trainer", "figures", "checkpoint", "wandb"):
        if config[section] is None:
            raise ConfigError(f"{section}: expected settings, got null; leave the name out to keep the defaults")
    parts = PurePath(config.experiment or "default").parts
    if PurePath(*parts).is_absolute() or ".." in parts or config.experiment == "" or not "".join(parts).isprintable():
        raise ConfigError(f"experiment: expected the name of a folder in lightning_logs, got {config.experiment!r}")
    trainer = config.trainer
    if trainer.overfit_batches:  # Lightning would put its own sampler in place of that of the groups
        raise ConfigError("trainer.overfit_batches: has no meaning for groups; set trainer.limit_train_batches")
    if trainer.val_check_interval == 0:
        raise ConfigError("trainer.val_check_interval: expected more than 0, got 0")
    if str(trainer.precision) in ("bf16-true", "16-true"):
        raise ConfigError(
            f"trainer.precision: {trainer.precision} would round the weights and the densities too; "
            f"{str(trainer.precision).removesuffix('-true')}-mixed keeps them in float32"
        )
    if isinstance(trainer.strategy, str) and any(way in trainer.strategy for way in ("spawn", "fork", "notebook")):
        raise ConfigError(f"trainer.strategy: {trainer.strategy} copies the trainer into processes; use ddp")
    compiler = os.environ.get("CXX", "g++")
    if config.model.get("init_args", {}).get("compile") and not any(map(shutil.which, (compiler, "clang++"))):
        raise ConfigError(
            f"model.compile: torch.compile needs a C++ compiler, and there is no {compiler}; install one, set CXX, or "
            "leave compile out"
        )
    divisors = ("log_every_n_steps", "check_val_every_n_epoch", "accumulate_grad_batches")
    check_counts(**{f"trainer.{name}": trainer[name] for name in divisors if trainer[name] is not None})
