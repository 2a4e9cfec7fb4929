"""The commands that messages advise: those of make in this project's repository, those of ugvae elsewhere."""

import shlex
from collections.abc import Sequence
from pathlib import Path

VARIABLES = {"fit": ("train", "DATA"), "evaluate": ("evaluate", "RUN"), "report": ("report", "RUN")}
FIRST = {"fit": "--config "}  # what stands before the argument
EARLIER = "python -m experiments.paper "  # how a stored command of earlier versions begins
PAPER = "ugvae paper "


def advised(command: str, argument: object, settings: Sequence[str] = ()) -> str:
    """A command line that works where the user is.

    Args:
        command: ``fit``, ``evaluate`` or ``report``.
        argument: the name of a YAML that comes with ugvae, or the folder of a run.
        settings: flags and values.
    """
    target, variable = VARIABLES[command]
    value, more = shlex.quote(str(argument)), shlex.join(settings)
    makefile = Path("Makefile")
    if makefile.is_file() and "-m ugvae fit" in makefile.read_text(encoding="utf-8", errors="replace"):
        arguments = f'ARGS="{more}"' if more else ""
        return f"make {target} {variable}={value} {arguments}".rstrip()
    return f"ugvae {command} {FIRST.get(command, '')}{value} {more}".rstrip()


def paper_command(name: str, run: object) -> str:
    """The command line of a figure or a table of a run."""
    return f"{PAPER}{shlex.join([name, '--run', str(run)])}"


def with_present_command(command: str) -> str:
    """A stored command of any version, as it is typed now."""
    return command.replace(EARLIER, PAPER, 1)
