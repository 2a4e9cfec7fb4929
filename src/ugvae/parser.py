"""The argument parser, with error messages a person can read."""

import difflib
import re
import sys
from typing import Any, NoReturn

from pytorch_lightning.cli import LightningArgumentParser

import datamodules
from datamodules import GroupDataModule
from ugvae import models
from ugvae.errors import ConfigError
from ugvae.models import GroupVAE
from ugvae.settings import check_settings, check_yaml, library_error

NOISE = re.compile(
    r"Does not validate|Subtypes:|Errors:|.*<class 'NoneType'>|Given value|.*either not accessible or invalid"
)


class ConciseParser(LightningArgumentParser):
    """Prints what is wrong, by the setting's name, without the type checker's account of how it found out."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_abbrev=False, **kwargs)  # --trainer.max_epoch is a typo, not an abbreviation

    def parse_args(self, *arguments: Any, **options: Any) -> Any:
        """As of the base, and with the values checked.

        Raises:
            ConfigError: a value that cannot work.
        """
        config = super().parse_args(*arguments, **options)
        if command := config.get("subcommand"):
            check_settings(config[command])
        return config

    def parse_path(self, cfg_path: Any, *arguments: Any, **options: Any) -> Any:
        """As of the base, of a file that can be read.

        Raises:
            ConfigError: it cannot.
        """
        check_yaml(str(cfg_path))
        return super().parse_path(cfg_path, *arguments, **options)

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        if not self.exit_on_error:  # an inner parser, trying one type of several
            super().error(message, ex)
        lines = [line.strip(" -") for line in message.splitlines()]
        kept = " ".join(line for line in lines if line and not NOISE.match(line))
        sys.stderr.write(f"error: {kept}{self._suggestion(kept)}\n")
        sys.exit(2)

    def _suggestion(self, message: str) -> str:
        """The nearest known word to the one that was refused."""
        if unknown := re.search(r"Option '(\w+)' is not accepted", message):
            owner = re.search(r"class_path '([\w.]+)'", message)
            classes = {c.__name__: c for base in (GroupVAE, GroupDataModule) for c in subclasses(base)}
            known = _options(classes.get(owner[1].split(".")[-1])) if owner else []
            return _nearest(unknown[1], known)
        if unknown := re.search(r"unrecognized arguments: --([\w.]+)", message):
            options = (option for action in self._actions for option in action.option_strings)
            return _nearest(unknown[1], [option.lstrip("-") for option in options])
        if unknown := re.search(r'"(model|data)".*dot import path string: (\w+)', message):
            package, base = (models, GroupVAE) if unknown[1] == "model" else (datamodules, GroupDataModule)
            known = {c.__name__ for c in subclasses(base)} & set(package.__all__)
            return f". Known: {', '.join(sorted(known))}"
        return ""


def subclasses(base: type) -> list[type]:
    """All subclasses that have been imported, at any depth."""
    return [c for child in base.__subclasses__() for c in (child, *subclasses(child))]


def _options(owner: type | None) -> list[str]:
    """Names of the settings of a class, its bases' included."""
    names: list[str] = []
    for cls in owner.__mro__ if owner else ():
        code = getattr(cls.__dict__.get("__init__"), "__code__", None)
        if code and cls.__module__.startswith(("ugvae", "datamodules")):
            names += code.co_varnames[1 : code.co_argcount]
    return names


def _nearest(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f". Did you mean {close[0]}?" if close else ""


def config_error(error: BaseException | None) -> ConfigError | None:
    """The ConfigError behind an error that the parser wrapped, or what Lightning says of a setting of its trainer."""
    outer = error
    while error is not None and not isinstance(error, ConfigError):
        error = error.__cause__
    return error or (library_error(outer) if outer else None)
