"""The YAMLs that come with ugvae, ``experiments/*.yaml``, found by their names."""

import difflib
import os
import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from ugvae.errors import ConfigError

SHIPPED = Path(str(files("ugvae.experiments")))
FLAGS = ("--config", "-c")
NAME = re.compile(r"[\w./-]+")  # what else --config takes, such as settings in braces, has other characters too


def yaml_named(name: str, setting: str = "config") -> Path:
    """A YAML of settings: a file, one of the current folder by its name, or one that comes with ugvae.

    Args:
        name: ``mnist``, ``cluster/two_nodes`` or the path of a file.
        setting: where the name stands, for the message.

    Raises:
        ConfigError: there is none; the message lists near names.
    """
    path = Path(name)
    if path.exists() and not path.is_dir():
        return path
    for folder in (Path(), SHIPPED):
        if (named := folder / f"{name}.yaml").is_file():
            inside = named.is_absolute() and named.is_relative_to(Path.cwd())
            return Path(os.path.relpath(named)) if inside else named
    known = sorted(shipped.stem for shipped in SHIPPED.glob("*.yaml"))
    near = difflib.get_close_matches(path.stem, known, cutoff=0.5)
    hint = f"Did you mean {' or '.join(near)}?" if near else f"It has {', '.join(known)}"
    raise ConfigError(f"{setting}: no file {name}, and ugvae has no YAML of that name. {hint}")


def with_files(arguments: Sequence[str]) -> list[str]:
    """A command line with files in the place of the names that follow ``--config``.

    Raises:
        ConfigError: there is no such YAML.

    Example:
        >>> with_files(["fit", "--trainer.max_epochs", "3", "--config={'experiment': 'mine'}"])
        ['fit', '--trainer.max_epochs', '3', "--config={'experiment': 'mine'}"]
    """
    words: list[str] = []
    for before, word in zip(["", *arguments], arguments, strict=False):
        flag, equals, value = word.partition("=")
        if before in FLAGS and NAME.fullmatch(word):
            words.append(str(yaml_named(word)))
        elif flag in FLAGS and equals and NAME.fullmatch(value):
            words.append(f"{flag}={yaml_named(value)}")
        else:
            words.append(word)
    return words
