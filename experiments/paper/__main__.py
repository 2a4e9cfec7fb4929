"""``ugvae paper NAME RUN``: a figure or table of the paper, into ``RUN/paper/``.

``figures`` draws all that apply to the run, ``all`` makes the tables too; ``paper/index.json`` says what came of each.
The folder of a run comes first, or anywhere as ``--run RUN``.
Every command takes changed settings of the run's data, such as ``--data.root FOLDER`` where they have moved.
"""

import inspect
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ugvae.cli.parser import split_settings, with_run_flag
from ugvae.errors import ConfigError, DataError, OutputError
from ugvae.experiments.paper import control, frontier, report, reproduction, translations
from ugvae.experiments.paper.arguments import Parser
from ugvae.experiments.paper.command import Command
from ugvae.experiments.paper.registry import FIGURES, TABLES
from ugvae.experiments.paper.suite import run_all, run_one
from ugvae.machine import prepare_process

TRAINING = (
    "trainer",
    "model",
    "seed_everything",
    "matmul_precision",
    "figures",
    "checkpoint",
    "wandb",
)  # sections of settings


def figures(run: Path, settings: Sequence[str] = ()) -> None:
    """Every figure that applies to the run.

    Args:
        run: folder of a trained run
        settings: changed settings of its data
    """
    sys.exit(1 if run_all(run, FIGURES.values(), settings) else 0)


def everything(run: Path, settings: Sequence[str] = ()) -> None:
    """Every figure and table that applies to the run.

    Args:
        run: folder of a trained run
        settings: changed settings of its data
    """
    sys.exit(1 if run_all(run, (FIGURES | TABLES).values(), settings) else 0)


PAGES = {
    command.name: command
    for command in (
        Command("report", report.report, "page"),
        Command("reproduction", reproduction.reproduction, "page"),
        Command("frontier", frontier.frontier, "page"),
        Command("translations", translations.translations, "page"),
        Command("control", control.control, "page"),
        Command("walks", control.walks, "page"),
        Command("figures", figures, "page"),
        Command("all", everything, "page"),
    )
}


def parse(arguments: list[str]) -> tuple[Command, dict[str, Any]]:
    """The command of a command line, and its options by the names of the function's parameters."""
    known = {**FIGURES, **TABLES, **PAGES}
    parser = Parser(prog="ugvae paper", description=__doc__, allow_abbrev=False)
    commands = parser.add_subcommands(dest="name", metavar="NAME", title="commands")
    for name, command in known.items():
        own = command.parser()
        commands.add_subcommand(name, own, help=command.title)
        if [name] == arguments[:1]:
            parser.lists |= own.lists  # it reads the words of the whole line
    options = parser.parse_args(arguments)
    return known[options.name], options[options.name].as_dict()


def main(arguments: list[str] | None = None) -> None:
    """Entry point; an error that the user can mend is one message and exit status 2, a failure in a suite status 1.

    Settings of the data are passed on. Those of training mean nothing here and are passed over, so that ``ugvae
    evaluate`` can give all its steps the same.
    """
    settings, others = split_settings(sys.argv[1:] if arguments is None else arguments)
    others = split_settings(others, TRAINING)[1]
    typed = [*others[:1], *with_run_flag(others[1:])]
    prepare_process()
    command, options = parse(typed)
    try:
        if command.kind != "page":
            run_one(command, options.pop("run"), options, shlex.join([*typed, *settings]), settings)
        elif "settings" in inspect.signature(command.function).parameters:
            command.function(**options, settings=settings)
        else:
            command.function(**options)
    except (ConfigError, DataError, OutputError) as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
