"""Which of a run's settings differ from the defaults."""

import inspect
from collections.abc import Iterator, Mapping
from pydoc import ErrorDuringImport, locate
from typing import Any

from pytorch_lightning import Trainer

from ugvae.callbacks import RunCheckpoint, TrainingFigures
from ugvae.cli import TRAINER_DEFAULTS
from ugvae.runs.folder import class_name

REQUIRED, UNKNOWN = "required", "no such setting in this version"
SEED = 1
FIXED = {"trainer": Trainer, "checkpoint": RunCheckpoint, "figures": TrainingFigures}
OURS = {"trainer": TRAINER_DEFAULTS}  # defaults of the command line that are not the class's


def changed(config: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Settings that differ from the defaults: key, value, default. The classes of model and data are always there.

    Args:
        config: of ``config.yaml``.
    """
    for part in ("model", "data"):
        chosen = config.get(part) or {}
        yield part, class_name(chosen), "—"
        yield from _differing(part, chosen.get("init_args") or {}, defaults_of(_class(chosen.get("class_path"))))
    for part, kind in FIXED.items():
        yield from _differing(part, config.get(part) or {}, {**defaults_of(kind), **OURS.get(part, {})})
    if (seed := config.get("seed_everything", SEED)) != SEED:
        yield "seed_everything", shown(seed), shown(SEED)


def _differing(part: str, settings: Mapping[str, Any], defaults: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for key, value in settings.items():
        default = defaults.get(key, UNKNOWN)
        default = list(default) if isinstance(default, tuple) else default  # as YAML gives them back
        if value != default and not (default is UNKNOWN and value is None):
            yield f"{part}.{key}", shown(value), shown(default)


def _class(path: str | None) -> object:
    """The class of a ``class_path``; None if this installation does not have it."""
    try:
        return locate(path or "")
    except ErrorDuringImport:
        return None


def defaults_of(kind: object) -> dict[str, Any]:
    """Defaults of a class's constructor, and of its bases' as far as keyword arguments are passed on to them."""
    defaults: dict[str, Any] = {}
    for base in kind.__mro__ if isinstance(kind, type) else ():
        if "__init__" in vars(base):
            parameters = inspect.signature(base.__init__).parameters.values()
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
        return ", ".join(f"{key}: {shown(inner)}" for key, inner in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(shown, value))
    if value is None:
        return "none"
    return str(value).lower() if isinstance(value, bool) else str(value)
