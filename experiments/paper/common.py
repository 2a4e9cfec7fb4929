"""What the figures and tables share: a trained run, its controls, and where results go."""

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import yaml
from matplotlib.figure import Figure

from ugvae.errors import ConfigError
from ugvae.evaluation.classification import KERNELS
from ugvae.evaluation.kinds import (
    DOMAIN,
    Condition,
    check_columns,
    count,
    known_values,
    no_domains,
    of_values,
    with_and_without,
)
from ugvae.evaluation.trained_run import TrainedRun, load_run
from ugvae.machine import versions
from ugvae.plots.figure import save_figure
from ugvae.runs.files import save_json


class Captioned(NamedTuple):
    """A figure and what to look for in it, in a sentence or two."""

    figure: Figure
    caption: str


def suited_run(options: argparse.Namespace, reason_not: Callable[[TrainedRun], str | None]) -> TrainedRun:
    """The run of a command's options.

    Raises:
        ConfigError: ``reason_not`` gives a reason why the command does not apply to it.
    """
    run = load_run(options.run, needs_beta=False)
    if reason := reason_not(run):
        raise ConfigError(f"{options.name}: {reason}")
    return run


def add_protocol(parser: argparse.ArgumentParser) -> None:
    """The options of a classification of groups."""
    parser.add_argument("--group_size", type=int, default=128, help="images per group")
    parser.add_argument("--groups", type=int, default=200, help="groups per kind, four fifths of them for training")
    parser.add_argument("--seeds", type=int, default=5, help="repetitions")


def save_results(
    run: TrainedRun,
    name: str,
    options: argparse.Namespace,
    results: Mapping[str, Any],
    figures: Mapping[str, Captioned],
) -> None:
    """Writes ``paper/<name>.json`` and the figures into the run's folder, and says where.

    Figures of an earlier call of the same command that this one does not draw are removed.

    Args:
        run: the run.
        name: of the command, and of its JSON file.
        options: of the command.
        results: numbers, ready for JSON.
        figures: by name of the file, without its ending.
    """
    directory = run.directory / "paper"
    path = directory / f"{name}.json"
    earlier = [each["file"] for each in json.loads(path.read_text()).get("figures", [])] if path.is_file() else []
    settings = yaml.safe_load((run.directory / "config.yaml").read_text())
    report = {
        "name": name,
        "options": {key: value for key, value in vars(options).items() if key not in ("name", "run")},
        "split": "test",
        **results,
        "figures": [{"file": f"{each}.png", "caption": figures[each].caption} for each in figures],
        "config": {key: settings.get(key) for key in ("seed_everything", "model", "data")},
        "versions": versions(),
    }
    for figure_name, (figure, _) in figures.items():
        save_figure(figure, directory / f"{figure_name}.png")
    save_json(report, path)
    drawn = [each["file"] for each in report["figures"]]
    for file in set(earlier) - set(drawn):
        (directory / file).unlink(missing_ok=True)
    print(f"Wrote {path}{' and ' if drawn else ''}{', '.join(drawn)}", flush=True)


def add_pair(parser: argparse.ArgumentParser) -> None:
    """The options for two kinds of group in place of two domains."""
    parser.add_argument("--attribute", metavar="NAME", help="images with it and without, in place of two domains")
    parser.add_argument("--column", default=DOMAIN, help="column of --values")
    parser.add_argument("--values", nargs=2, type=int, metavar="N", help="of --column, in place of the first two")


def pair(run: TrainedRun, options: argparse.Namespace) -> dict[str, Condition]:
    """The two kinds of group that ``add_pair`` asks for, by their names; by default the first two domains.

    Raises:
        ConfigError: the data lack the column, or two values of it.
    """
    kinds = _asked(run, options)
    for name, condition in kinds.items():
        if not count(run, condition):
            raise ConfigError(f"{options.name}: no test image is {name} {condition}")
    return kinds


def _asked(run: TrainedRun, options: argparse.Namespace) -> dict[str, Condition]:
    if options.attribute:
        kinds = with_and_without(options.attribute)
        check_columns(options.name, run, kinds.values(), "--attribute")
        return kinds
    if options.column not in run.table.columns and options.column == DOMAIN and options.values is None:
        raise ConfigError(f"{options.name}: {no_domains(run)}")
    check_columns(options.name, run, [{options.column: 0}], "--column")
    values: Sequence[int] = options.values or known_values(run, options.column)[:2]
    kinds = of_values(run, options.column, values)
    if len(kinds) < 2:
        raise ConfigError(f"{options.name}: two different values of {options.column!r} are needed, got {list(values)}")
    return kinds


def accuracy_table(result: Mapping[str, Any]) -> str:
    """A result as Markdown: a row per feature, mean ± s.d. by task and kernel."""
    columns = [(task, kernel) for task in result["accuracy"] for kernel in KERNELS]
    names = list(next(iter(result["accuracy"].values())))
    heads = [f"{task}, {kernel} (chance {result['chance'][task]:.2f})" for task, kernel in columns]
    lines = ["| feature | " + " | ".join(heads) + " |", "|---" * (len(columns) + 1) + "|"]
    for name in names:
        cells = [result["accuracy"][task][name][kernel] for task, kernel in columns]
        lines.append(f"| {name} | " + " | ".join(f"{each['mean']:.2f} ± {each['sd']:.2f}" for each in cells) + " |")
    return "\n".join(lines)
