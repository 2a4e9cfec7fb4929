"""The commands that make a figure or a table of a run."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from experiments.paper import (
    bound,
    factors,
    fig3,
    fig4,
    fig5,
    fig6,
    fig7,
    fig9,
    fig10,
    fig11,
    fig12,
    fig13,
    latent_use,
    prior,
    series,
    table1,
    translation,
)
from experiments.paper.command import Command
from ugvae.evaluation.trained_run import TrainedRun


class ModuleCommand(Command):
    """A command that is still a module with ``add_arguments(parser)``, ``run(options)`` and ``reason_not(run)``."""

    def __init__(self, module: ModuleType, kind: Literal["figure", "table"]) -> None:
        super().__init__(module.__name__.rpartition(".")[2], lambda run: None, kind, lacks_by_default=module.reason_not)
        object.__setattr__(self, "module", module)

    @property
    def title(self) -> str:
        """The first line of the module's docstring."""
        return self.module.__doc__.splitlines()[0].rstrip(".")

    def parser(self) -> argparse.ArgumentParser:
        """The options of the module."""
        parser = argparse.ArgumentParser(f"experiments.paper {self.name}", allow_abbrev=False)
        parser.add_argument("--run", type=Path, required=True, help="folder of a trained run")
        self.module.add_arguments(parser)
        return parser

    def defaults(self) -> dict[str, Any]:
        """The options by default."""
        options = vars(self.parser().parse_args(["--run", "."]))
        return {name: value for name, value in options.items() if name != "run"}

    def make(self, run: TrainedRun, options: Mapping[str, Any]) -> None:
        """Runs the module."""
        self.module.run(argparse.Namespace(name=self.name, run=run.directory, **options))


FIGURES: dict[str, Command] = {
    command.name: command
    for command in (
        *(
            ModuleCommand(module, "figure")
            for module in (fig3, fig4, fig5, fig6, fig7, fig9, fig10, fig11, fig12, fig13, prior, series)
        ),
    )
}
TABLES: dict[str, Command] = {
    command.name: command
    for command in (
        *(ModuleCommand(module, "table") for module in (table1, translation, latent_use, factors)),
        bound.COMMAND,
    )
}
