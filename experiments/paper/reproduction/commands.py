"""The command that makes a run again, from its settings."""

from collections.abc import Mapping
from typing import Any

import yaml

from ugvae.cli.yamls import SHIPPED
from ugvae.experiments.paper.report.settings import changed, shown
from ugvae.runs.advice import advised
from ugvae.runs.folder import RunFolder, class_name

NOT_THERE = object()
ROOTS = ("root", "roots")  # where the data lie is everyone's own


def train_command(run: RunFolder) -> str:
    """``fit`` with what differs from the YAML that comes with ugvae; without one ``fit`` on the run's own settings.

    The YAML of an experiment is that of its name, or else the one whose name its name begins with.
    """
    experiment = str(run.config.get("experiment") or "")
    begins = [path for path in SHIPPED.glob("*.yaml") if f"{experiment}_".startswith(f"{path.stem}_")]
    if not begins:
        return f"ugvae fit --config {run.shown}/config.yaml"
    path = max(begins, key=lambda begun: len(begun.stem))
    name = path.stem
    settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    same_model = class_name(settings.get("model")) == run.model
    flags = [] if same_model else [("model", run.model)]
    flags += [("experiment", experiment)] if experiment != name else []
    flags += [(key, value) for key, value in _flags(run.config, settings) if not key.endswith(ROOTS)]
    return advised("fit", name, [word for key, value in flags for word in (f"--{key}", value)])


def _flags(config: Mapping[str, Any], settings: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Settings of a run that are neither defaults nor the YAML's, and those of the YAML that the run has otherwise."""
    stated = {key: shown(value) for part, values in settings.items() for key, value in _stated(part, values)}
    ours = {key: value for key, value, _ in changed(config) if key not in ("model", "data")}
    back = {key: shown(_value(config, key)) for key in stated.keys() - ours if _value(config, key) is not NOT_THERE}
    differing = [
        key for key, value in (ours | back).items() if stated.get(key) != value and not key.endswith("domains")
    ]
    return [(key, "null" if _value(config, key) is None else (ours | back)[key]) for key in sorted(differing)]


def _stated(part: str, values: Any) -> list[tuple[str, Any]]:
    """Settings below a top-level key of a YAML, named as on the command line; ``data`` may be a class alone."""
    if not isinstance(values, Mapping):
        return [(part, values)] if part not in ("model", "data") else []
    inner = values.get("init_args", {}) if "class_path" in values else values
    return [(f"{part}.{key}", value) for key, value in (inner or {}).items()]


def _value(config: Mapping[str, Any], key: str) -> Any:
    """A setting of a run by its name on the command line; ``NOT_THERE`` if it has none."""
    part, _, name = key.partition(".")
    values = config.get(part)
    if not name or not isinstance(values, Mapping):
        return NOT_THERE
    inner = values.get("init_args", {}) if "class_path" in values else values
    return (inner or {}).get(name, NOT_THERE)
