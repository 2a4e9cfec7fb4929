"""Settings that no type rules out and that cannot work: found before anything is built, and named."""

import difflib
import inspect
import math
import re
import sys
from collections.abc import Mapping
from itertools import chain
from pathlib import PurePath
from typing import Any, NoReturn

import yaml
from pytorch_lightning import Trainer
from pytorch_lightning.cli import LightningArgumentParser
from pytorch_lightning.utilities.exceptions import MisconfigurationException

from ugvae import datamodules, models
from ugvae.data.module import GroupDataModule
from ugvae.errors import ConfigError
from ugvae.models import GroupVAE
from ugvae.runs.folder import with_present_names

MAX_SIZE = 2**16  # of model and data: no tensor with such an axis fits a machine
MAX_COUNT = 2**31 - 1  # of epochs, steps and batches
MAX_VALUES = 10_000  # of a YAML
MAX_SEED = 2**32 - 1  # of NumPy
RANGES = {  # of the trainer's numbers: what Lightning accepts, and then divides by or never reaches
    "seed_everything": (0, MAX_SEED),
    "data.seed": (0, MAX_SEED),
    "trainer.num_nodes": (1, MAX_SIZE),
    "trainer.devices": (-1, MAX_SIZE),
    "trainer.fast_dev_run": (0, MAX_COUNT),
    "trainer.max_epochs": (-1, MAX_COUNT),
    "trainer.min_epochs": (0, MAX_COUNT),
    "trainer.max_steps": (-1, MAX_COUNT),
    "trainer.min_steps": (0, MAX_COUNT),
    "trainer.limit_train_batches": (0, MAX_COUNT),
    "trainer.limit_val_batches": (0, MAX_COUNT),
    "trainer.limit_test_batches": (0, MAX_COUNT),
    "trainer.limit_predict_batches": (0, MAX_COUNT),
    "trainer.overfit_batches": (0, 0),  # would put a sampler of single images in place of that of groups
    "trainer.val_check_interval": (1e-9, MAX_COUNT),
    "trainer.check_val_every_n_epoch": (1, MAX_COUNT),
    "trainer.num_sanity_val_steps": (-1, MAX_COUNT),
    "trainer.log_every_n_steps": (1, MAX_COUNT),
    "trainer.accumulate_grad_batches": (1, MAX_COUNT),
    "trainer.gradient_clip_val": (0, float("inf")),
    "trainer.reload_dataloaders_every_n_epochs": (0, MAX_COUNT),
}
CALLBACKS = {"figures": "ugvae.callbacks.TrainingFigures", "checkpoint": "ugvae.callbacks.RunCheckpoint"}
LINKED = ("image_shape",)  # taken from the data, after the settings are checked
DURATIONS = ("trainer.max_time", "trainer.val_check_interval")
UNITS = {"weeks", "days", "hours", "minutes", "seconds", "milliseconds", "microseconds"}
LIBRARY = re.compile(r"[/\\](pytorch_lightning|lightning_fabric)[/\\]")


def check_settings(config: Mapping[str, Any]) -> None:
    """Checks the settings of one command.

    Args:
        config: as parsed; its items are the innermost settings, by dotted names.

    Raises:
        ConfigError: a number out of range, nothing where something is needed, a duration that is none, or a folder of
            runs outside of that of all runs.
    """
    for name, value in config.items():
        key = name.replace(".init_args.", ".")
        _check_number(key, value)
        if key in DURATIONS:
            _check_duration(key, value)
    for section in ("trainer", "figures", "checkpoint"):
        if section in config and config[section] is None:
            raise ConfigError(f"{section}: expected settings, got null; leave the name out to keep the defaults")
    experiment = config.get("experiment")
    if experiment is not None:
        _check_experiment(experiment)
    for section in ("model", "data"):
        value = config.get(section)
        if hasattr(value, "get"):
            _check_given(section, value.get("class_path"), value.get("init_args"))
    for section, owner in CALLBACKS.items():
        _check_given(section, owner, config.get(section))


def check_yaml(path: str) -> None:
    """Checks a file of settings before the parser reads it.

    Raises:
        ConfigError: it is no text in UTF-8, no YAML, nested too deep, or a bomb, a few lines that stand for millions.
    """
    try:
        with open(path, encoding="utf-8") as file:
            size = _expanded(yaml.compose(file, Loader=yaml.SafeLoader), {})
    except FileNotFoundError:
        return  # the parser looks in other places too, and says so
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError, ValueError) as error:
        raise ConfigError(f"config: {path} cannot be read ({' '.join(str(error).split())})") from error
    if size > MAX_VALUES:
        raise ConfigError(f"config: {path} stands for more than {MAX_VALUES:,} values")


def _expanded(node: yaml.Node | None, known: dict[int, float]) -> float:
    """Number of values of a node with all its aliases written out; infinite if it is part of itself."""
    if id(node) not in known:
        known[id(node)] = math.inf
        children = getattr(node, "value", None)
        parts = chain.from_iterable(children) if isinstance(node, yaml.MappingNode) else children
        nested = isinstance(node, yaml.CollectionNode)
        known[id(node)] = 1 + (sum(_expanded(part, known) for part in parts) if nested else 0)
    return known[id(node)]


def library_error(error: BaseException) -> ConfigError | None:
    """What Lightning raised at a setting of the trainer, as an error that begins with the setting's name."""
    frames = inspect.getinnerframes(error.__traceback__, context=0) if error.__traceback__ else []
    if not frames or not LIBRARY.search(frames[-1].filename):
        return None
    said = " ".join(str(error).split())
    known = sorted(inspect.signature(Trainer).parameters, key=len, reverse=True)
    named = [name for name in known if re.search(rf"\b{name}\b", said)]
    if not named and not isinstance(error, MisconfigurationException):
        return None
    first = min(named, key=lambda name: (said.index(name), -len(name)), default=None)
    return ConfigError(f"trainer.{first}: {said}" if first else f"trainer: {said}")


def _check_number(key: str, value: Any) -> None:
    if key == "trainer.devices" and isinstance(value, str) and re.fullmatch(r"-?\d+", value):
        value = int(value)  # of its types the first that fits is text
    if isinstance(value, bool) or not isinstance(value, int | float):
        return
    sized = key.startswith(("model.", "data.")) and isinstance(value, int)
    low, high = RANGES.get(key, (-MAX_COUNT, MAX_SIZE) if sized else (-float("inf"), float("inf")))
    if low <= value <= high:
        return
    if key == "trainer.overfit_batches":
        raise ConfigError(f"{key}: has no meaning for groups; set trainer.limit_train_batches to a few batches")
    raise ConfigError(f"{key}: expected a number from {low:g} to {high:,.12g}, got {value}")


def _check_duration(key: str, value: Any) -> None:
    if isinstance(value, str) and not re.fullmatch(r"\d+:\d\d:\d\d:\d\d", value):
        raise ConfigError(f"{key}: expected DD:HH:MM:SS, got {value!r}")
    if hasattr(value, "items"):
        given = dict(value.items())
        if not given or not given.keys() <= UNITS or not all(isinstance(n, int | float) for n in given.values()):
            raise ConfigError(f"{key}: expected numbers of {', '.join(sorted(UNITS))}, got {given}")


def _check_experiment(name: str) -> None:
    parts = PurePath(name).parts
    if not parts or PurePath(name).is_absolute() or ".." in parts or not name.isprintable():
        raise ConfigError(f"experiment: expected the name of a folder in lightning_logs, got {name!r}")


def _check_given(section: str, class_path: str, settings: Any) -> None:
    """Raises a ConfigError that names the first setting of a class that is null and must not be."""
    for name, given in settings.items() if hasattr(settings, "items") else ():
        if given is None and name not in LINKED and not _optional(class_path, name):
            raise ConfigError(f"{section}.{name}: expected a value, got null")


def _optional(class_path: str, name: str) -> bool:
    """Whether a setting of a class may be None; what the class does not state is let through."""
    module, _, owner = class_path.rpartition(".")
    try:
        cls = getattr(__import__(module, fromlist=[owner]), owner)
    except (ImportError, AttributeError, ValueError):
        return True
    for base in cls.__mro__:
        parameter = inspect.signature(base.__init__).parameters.get(name)
        if parameter is not None and parameter.annotation is not inspect.Parameter.empty:
            return any(word in str(parameter.annotation) for word in ("None", "Optional"))
    return True


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

    def parse_string(self, content: str, *arguments: Any, **options: Any) -> Any:
        """As of the base; a run's settings of an earlier version are read too."""
        return super().parse_string(with_present_names(content), *arguments, **options)

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
        if code and cls.__module__.startswith("ugvae"):
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
