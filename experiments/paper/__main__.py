"""``python -m experiments.paper <name> --run DIR``: a figure or table of the paper, into ``DIR/paper/``."""

import argparse
import sys
from pathlib import Path

from experiments.paper import series, table1
from ugvae.errors import ConfigError, DataError

COMMANDS = {"table1": table1, "series": series}


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The name of the figure or table, and its options."""
    parser = argparse.ArgumentParser(prog="experiments.paper", description=__doc__, allow_abbrev=False)
    commands = parser.add_subparsers(dest="name", required=True, metavar="NAME")
    for name, module in COMMANDS.items():
        command = commands.add_parser(name, help=module.__doc__.splitlines()[0], description=module.__doc__)
        command.add_argument("--run", type=Path, required=True, help="folder of a trained run")
        module.add_arguments(command)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Entry point; an error that the user can mend is one message and exit status 2."""
    options = parse(arguments)
    try:
        COMMANDS[options.name].run(options)
    except (ConfigError, DataError) as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
