"""Which of a run's settings differ from the defaults."""

import importlib
import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from pytorch_lightning import Trainer

from ugvae.callbacks import RunCheckpoint, TrainingFigures
from ugvae.cli import TRAINER_DEFAULTS
from ugvae.runs.folder import class_name

REQUIRED, UNKNOWN = "required", "no such setting in this version"
SEED = 1
FIXED = {"trainer": Trainer, "checkpoint": RunCheckpoint, "figures": TrainingFigures}
OURS = {"trainer": TRAINER_DEFAULTS}  # defaults of the command line that are not the class's


def changed(config: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Settings that differ from the defaults: key, value, default. The classes of model and data always come first.

    Args:
        config: of ``config.yaml``.
    """
    rows = []
    for part in ("model", "data"):
        rows.append((part, class_name(config.get(part)), "—"))
        chosen = config.get(part) or {}
        rows += _rows(part, chosen.get("init_args") or {}, defaults_of(_class(chosen.get("class_path"))))
    for part, of in FIXED.items():
        rows += _rows(part, config.get(part) or {}, {**defaults_of(of), **OURS.get(part, {})})
    if config.get("seed_everything", SEED) != SEED:
        rows.append(("seed_everything", shown(config["seed_everything"]), shown(SEED)))
    return rows


def defaults_of(of: type | None) -> dict[str, Any]:
    """Defaults of a class's constructor, and of its bases' as far as keyword arguments are passed on."""
    defaults: dict[str, Any] = {}
    for each in of.__mro__ if of else ():
        if "__init__" in vars(each):
            parameters = inspect.signature(each.__init__).parameters.values()
            for parameter in parameters:
                if parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
                    default = REQUIRED if parameter.default is parameter.empty else parameter.default
                    defaults.setdefault(parameter.name, default)
            if all(parameter.kind != parameter.VAR_KEYWORD for parameter in parameters):
                break
    return defaults


def shown(value: Any) -> str:
    """A setting as text; a nested class by its name and what it is given."""
    if isinstance(value, Mapping) and "class_path" in value:
        given = value.get("init_args") or {}
        return class_name(value) + (f" (root {given['root']})" if given.get("root") else "")
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {shown(each)}" for key, each in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(shown(each) for each in value)
    if value is None:
        return "none"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _rows(part: str, settings: Mapping[str, Any], defaults: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for key, value in settings.items():
        default = defaults.get(key, UNKNOWN)
        if _plain(value) != _plain(default) and not (default is UNKNOWN and value is None):
            yield f"{part}.{key}", shown(value), shown(default)


def _plain(value: Any) -> Any:
    """Tuples as lists, as YAML gives them back."""
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


def _class(path: str | None) -> type | None:
    """The class of a ``class_path``; None if this installation does not have it."""
    module, _, name = (path or "").rpartition(".")
    if not module:
        return None
    try:
        found = getattr(importlib.import_module(module), name, None)
    except ImportError:
        return None
    return found if isinstance(found, type) else None
