"""Results as JSON and back, and the results of a run.

A result is a frozen dataclass, defined in the file that computes it. In JSON a value of None is left out.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from ugvae.errors import ConfigError
from ugvae.evaluation.bounds import BoundLadder
from ugvae.evaluation.classification import Classification
from ugvae.evaluation.clusters import DomainCounts
from ugvae.evaluation.disentanglement import Disentanglement
from ugvae.evaluation.factors import Decided
from ugvae.evaluation.group_probes import GroupProbe
from ugvae.evaluation.group_sizes import SizeResult
from ugvae.evaluation.image_quality import ImageQuality
from ugvae.evaluation.latent_use import LatentUse
from ugvae.evaluation.translation import Translation

Result = TypeVar("Result")


def to_json(value: Any, path: str = "result") -> Any:
    """A result, or mappings and lists of results, as plain dicts and lists.

    Args:
        value: the result.
        path: its name in messages.

    Raises:
        ValueError: a number is NaN or infinite, which JSON does not have.
    """
    if is_dataclass(value):
        pairs = ((part.name, getattr(value, part.name)) for part in fields(value))
        value = {name: item for name, item in pairs if item is not None}
    if isinstance(value, Mapping):
        return {name: to_json(item, f"{path}.{name}") for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item, f"{path}[{number}]") for number, item in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{path} is {value}; JSON has no such number")
    return value


def from_json(kind: type[Result], value: Any, path: str = "result") -> Result:
    """The inverse of ``to_json``; names that the class does not know are ignored.

    Args:
        kind: a dataclass, or a type built from dataclasses, ``dict``, ``list``, ``| None`` and plain values.
        value: what the JSON holds.
        path: its name in messages.

    Raises:
        ConfigError: the JSON does not hold such a result.
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return None if value is None else from_json(arguments[0], value, path)
    wanted = Mapping if is_dataclass(kind) or origin is dict else (int, float) if kind is float else origin or kind
    if value not in arguments if origin is Literal else not isinstance(value, wanted):
        raise ConfigError(f"{path}: expected {getattr(kind, '__name__', kind)}, got {value!r:.60}")
    if is_dataclass(kind):
        value = getattr(kind, "upgraded", dict)(value)
        types = {name: hint for name, hint in get_type_hints(kind).items() if name in value}
        parts = {name: from_json(types[name], value[name], f"{path}.{name}") for name in types}
        try:
            return kind(**parts)
        except TypeError as error:
            raise ConfigError(f"{path}: {str(error).partition('() ')[2]}") from error
    if origin is dict:
        return {name: from_json(arguments[1], item, f"{path}.{name}") for name, item in value.items()}
    if origin is list:
        return [from_json(arguments[0], item, f"{path}[{number}]") for number, item in enumerate(value)]
    return float(value) if kind is float else value


@dataclass(frozen=True)
class RunResults:
    """What the commands of ``ugvae paper`` measured of a run. What was not measured is empty or None.

    Attributes:
        table1: Table 1, by name of the comparison.
        series: Fig. 14, by name of the comparison.
        groups: the values of any column told apart, by name of the comparison.
        probes: columns read from the latents of whole groups, by column.
        group_sizes: Table 1 by the size of the groups, by name of the comparison.
        translation: Fig. 5 in numbers.
        latent_use: use of beta, by name of the set of groups.
        factors: what beta decides, by name of the set of betas.
        bound: the importance-weighted bound.
        disentanglement: scores of z and of beta, by name of the latent.
        image_quality: distances between decoded and real images.
        fig12: images of each domain by component.
        unreadable: why a result could not be read, by name of the command.
    """

    table1: dict[str, Classification] = field(default_factory=dict)
    series: dict[str, Classification] = field(default_factory=dict)
    groups: dict[str, Classification] = field(default_factory=dict)
    probes: dict[str, GroupProbe] = field(default_factory=dict)
    group_sizes: dict[str, list[SizeResult]] = field(default_factory=dict)
    translation: Translation | None = None
    latent_use: dict[str, LatentUse] = field(default_factory=dict)
    factors: dict[str, Decided] = field(default_factory=dict)
    bound: BoundLadder | None = None
    disentanglement: dict[str, Disentanglement] = field(default_factory=dict)
    image_quality: ImageQuality | None = None
    fig12: DomainCounts | None = None
    unreadable: dict[str, str] = field(default_factory=dict)


def read_results(files: Mapping[str, Mapping[str, Any]]) -> RunResults:
    """The results of a run from its JSON files.

    Args:
        files: content of ``<run>/paper/<name>.json`` by name. Names without a class of their own are ignored.
    """
    types = get_type_hints(RunResults)
    results, unreadable = {}, {}
    for name in types.keys() & files.keys():
        content = files[name].get("results", {}) if get_origin(types[name]) is dict else files[name]
        try:
            results[name] = from_json(types[name], content, name)
        except ConfigError as error:
            unreadable[name] = f"{error}; run the command again"
    return RunResults(**results, unreadable=unreadable)
