"""``python -m experiments.paper <name> --run DIR``: a figure or table of the paper, into ``DIR/paper/``.

``figures`` draws all that apply to the run, ``all`` makes the tables too; ``paper/index.json`` says what came of each.
"""

import argparse
import shlex
import sys
from pathlib import Path
from types import ModuleType

from experiments.paper import frontier, report, reproduction, suite
from experiments.paper.registry import FIGURES, TABLES
from ugvae.errors import ConfigError, DataError, OutputError
from ugvae.machine import prepare_process

# Pages are made of what the others leave; they have add_arguments and run alone.
PAGES: dict[str, ModuleType] = {
    "report": report,
    "reproduction": reproduction,
    "frontier": frontier,
}
SUITES = {
    "figures": (FIGURES, "every figure that applies to the run"),
    "all": (FIGURES | TABLES, "every figure and table that applies to the run"),
}


def make_parser() -> argparse.ArgumentParser:
    """The names of the figures and tables, and their options."""
    parser = argparse.ArgumentParser(prog="experiments.paper", description=__doc__, allow_abbrev=False)
    commands = parser.add_subparsers(dest="name", required=True, metavar="NAME")
    for name, module in (FIGURES | TABLES | PAGES).items():
        title = suite.title_of(module)
        command = commands.add_parser(name, help=title, description=module.__doc__, allow_abbrev=False)
        if name not in PAGES:
            _add_run(command)
        module.add_arguments(command)
    for name, (_, title) in SUITES.items():
        _add_run(commands.add_parser(name, help=title, description=title, allow_abbrev=False))
    return parser


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run", type=Path, required=True, help="folder of a trained run")


def main(arguments: list[str] | None = None) -> None:
    """Entry point; an error that the user can mend is one message and exit status 2, a failure in a suite status 1."""
    arguments = sys.argv[1:] if arguments is None else arguments
    prepare_process()
    parser = make_parser()
    options = parser.parse_args(arguments)
    try:
        if options.name in SUITES:
            modules = SUITES[options.name][0]
            jobs = [
                suite.Job(name, module, parser.parse_args([name, "--run", str(options.run)]))
                for name, module in modules.items()
            ]
            sys.exit(1 if suite.run_all(options.run, jobs) else 0)
        if options.name in PAGES:
            PAGES[options.name].run(options)
        else:
            module = (FIGURES | TABLES)[options.name]
            suite.run_one(suite.Job(options.name, module, options, shlex.join(arguments)))
    except (ConfigError, DataError, OutputError) as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
