"""Searches over settings, as a sweep of Weights & Biases states them: what varies, and what a trial is to try.

A trial follows from its number and the results so far alone, so that a search that was stopped goes on as it would
have.
"""

import itertools
import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from ugvae.errors import ConfigError
from ugvae.runs.folder import read_config

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Method = Literal["grid", "random", "bayes"]
Goal = Literal["maximize", "minimize"]
DISTRIBUTIONS = ("uniform", "int_uniform", "log_uniform_values")
STARTS_RANDOM = 10  # trials of bayes before results guide it, as in Optuna


@dataclass(frozen=True)
class Parameter:
    """The values that a setting may take: some of its own, or a range.

    Attributes:
        values: the values; None for a range.
        low: least value of a range.
        high: largest value of a range.
        whole: whether a range is of whole numbers.
        log: whether a range is drawn in the logarithm.
    """

    values: tuple[Any, ...] | None = None
    low: float = 0.0
    high: float = 1.0
    whole: bool = False
    log: bool = False

    def draw(self, random: np.random.Generator) -> Any:
        """A value drawn at random."""
        if self.values is not None:
            return self.values[random.integers(len(self.values))]
        if self.whole:
            return int(random.integers(int(self.low), int(self.high) + 1))
        if self.log:
            return math.exp(random.uniform(math.log(self.low), math.log(self.high)))
        return float(random.uniform(self.low, self.high))

    def distribution(self) -> "BaseDistribution":
        """The same for Optuna."""
        from optuna import distributions

        if self.values is not None:
            return distributions.CategoricalDistribution(self.values)
        if self.whole:
            return distributions.IntDistribution(int(self.low), int(self.high))
        return distributions.FloatDistribution(self.low, self.high, log=self.log)


@dataclass(frozen=True)
class Search:
    """A search.

    Attributes:
        method: how settings are chosen.
        metric: that decides, as ``metrics.csv`` names it.
        goal: whether the largest or the smallest value is the best.
        parameters: what each setting may be, by its flag without the dashes.
        command: that trains, with ``${args}`` in place of the settings.
        trials: how many.
    """

    method: Method
    metric: str
    goal: Goal
    parameters: Mapping[str, Parameter]
    command: Sequence[str]
    trials: int

    @property
    def varied(self) -> list[str]:
        """Names of the settings that differ between trials."""
        return [name for name, parameter in self.parameters.items() if parameter.values is None or parameter.values[1:]]

    def best(self, values: Iterable[float]) -> float | None:
        """The best of some values of the metric; None without a finite one."""
        finite = [float(value) for value in values if math.isfinite(value)]
        return (max if self.goal == "maximize" else min)(finite, default=None)

    def settings(self, number: int, results: Sequence[tuple[Mapping[str, Any], float]]) -> dict[str, Any]:
        """The settings of a trial.

        Args:
            number: of the trial, from 0.
            results: settings and value of the trials that are done, for ``bayes``.
        """
        if self.method == "grid":
            grid = itertools.product(*(parameter.values for parameter in self.parameters.values()))
            return dict(zip(self.parameters, next(itertools.islice(grid, number, None)), strict=True))
        if self.method == "random":
            random = np.random.default_rng(number)
            return {name: parameter.draw(random) for name, parameter in self.parameters.items()}
        return self._guided(number, results)

    def _guided(self, number: int, results: Sequence[tuple[Mapping[str, Any], float]]) -> dict[str, Any]:
        """What Optuna's tree-structured Parzen estimator proposes after the results so far."""
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        space = {name: parameter.distribution() for name, parameter in self.parameters.items()}
        sampler = optuna.samplers.TPESampler(n_startup_trials=STARTS_RANDOM, seed=number)
        study = optuna.create_study(direction=self.goal, sampler=sampler)
        for settings, value in results:
            study.add_trial(optuna.trial.create_trial(params=dict(settings), distributions=space, value=value))
        return study.ask(space).params

    def arguments(self, settings: Mapping[str, Any]) -> list[str]:
        """The command line of a trial."""
        values = {name: value if isinstance(value, str) else json.dumps(value) for name, value in settings.items()}
        flags = [f"--{name}={value}" for name, value in values.items()]
        words = {"${args}": flags, "${interpreter}": [sys.executable], "${env}": []}
        return [part for word in self.command for part in words.get(word, [word])]


def read_search(path: Path, trials: int | None = None) -> Search:
    """The search that a sweep's YAML states.

    Args:
        path: the file.
        trials: how many; by default ``run_cap``, or all of a grid.

    Raises:
        ConfigError: something in it cannot be searched; the message names it.
    """
    content = read_config(path)
    method, metric = content.get("method"), content.get("metric") or {}
    if method not in get_args(Method):
        raise ConfigError(f"method: expected {', '.join(get_args(Method))}, got {method!r} ({path})")
    if not metric.get("name") or metric.get("goal", "minimize") not in get_args(Goal):
        raise ConfigError(f"metric: expected a name and a goal, {' or '.join(get_args(Goal))}, got {metric} ({path})")
    if not content.get("parameters"):
        raise ConfigError(f"parameters: {path} names no setting to vary")
    command = content.get("command")
    if not isinstance(command, list) or "${args}" not in command:
        raise ConfigError(f"command: expected a list of words with ${{args}} among them, got {command!r} ({path})")
    parameters = {name: read_parameter(name, stated) for name, stated in content["parameters"].items()}
    size = None
    if method == "grid":
        if ranges := [name for name, parameter in parameters.items() if parameter.values is None]:
            raise ConfigError(f"parameters.{ranges[0]}: a grid needs values; a range is for random and bayes")
        size = math.prod(len(parameter.values) for parameter in parameters.values())
    asked = trials or content.get("run_cap") or size
    if not isinstance(asked, int) or asked < 1:
        raise ConfigError(f"run_cap: how many trials? {path} does not say, and neither does --trials")
    if method == "bayes":
        _check_optuna()
    goal = metric.get("goal", "minimize")
    words = [str(word) for word in command]
    return Search(method, metric["name"], goal, parameters, words, min(asked, size or asked))


def read_parameter(name: str, stated: Any) -> Parameter:
    """The values of a setting, as W&B states them: ``value``, ``values``, or ``min`` and ``max``.

    Raises:
        ConfigError: a distribution or limits that cannot be searched.
    """
    stated = stated if isinstance(stated, Mapping) else {"value": stated}
    if "value" in stated:
        return Parameter((stated["value"],))
    if stated.get("values"):
        return Parameter(tuple(stated["values"]))
    low, high = stated.get("min"), stated.get("max")
    numbers = isinstance(low, int | float) and isinstance(high, int | float) and low < high
    default = "int_uniform" if isinstance(low, int) and isinstance(high, int) else "uniform"
    distribution = stated.get("distribution", default)
    if not numbers or distribution not in DISTRIBUTIONS:
        raise ConfigError(
            f"parameters.{name}: expected value, values, or min < max with one of the distributions "
            f"{', '.join(DISTRIBUTIONS)}, got {dict(stated)}"
        )
    log = distribution == "log_uniform_values"
    if log and low <= 0:
        raise ConfigError(f"parameters.{name}: a logarithm needs min > 0, got {low}")
    return Parameter(None, low, high, distribution == "int_uniform", log)


def _check_optuna() -> None:
    try:
        import optuna  # noqa: F401
    except ImportError as error:
        raise ConfigError("method: bayes needs Optuna: pip install 'ugvae[sweep]'; grid and random do not") from error
