"""A command of ``ugvae paper``: a typed function, its name and what it needs of a run."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ugvae.errors import ConfigError
from ugvae.evaluation.minimum import too_few_images
from ugvae.evaluation.trained_run import TrainedRun
from ugvae.experiments.paper.arguments import Parser
from ugvae.experiments.paper.common import Captioned, save_results

Reason = Callable[[TrainedRun], str | None]


def nothing(run: TrainedRun) -> str | None:
    """What a run lacks for a command that every run suits."""
    return None


@dataclass(frozen=True)
class Made:
    """What a figure or a table gives.

    Attributes:
        results: typed results, or a mapping of results and plain values; they become JSON.
        figures: by name of the file, without its ending.
    """

    results: Any
    figures: Mapping[str, Captioned]


@dataclass(frozen=True)
class Command:
    """A command.

    Attributes:
        name: on the command line, and of its JSON file.
        function: of a figure or a table ``function(run: TrainedRun, ...) -> Made``, with options that have defaults; of
            a page ``function(...) -> None``, which may take the ``settings`` of the data. The first line of its
            docstring is the title; ``Args:`` is the help.
        kind: a page reads what the other commands have written, or runs them; no index lists it.
        lacks: gives why a run does not suit the command, whatever the options; None if it does.
        lacks_by_default: the same for the options as they are by default.
    """

    name: str
    function: Callable[..., Made | None]
    kind: Literal["figure", "table", "page"]
    lacks: Reason = nothing
    lacks_by_default: Reason = nothing

    @property
    def title(self) -> str:
        """What the command makes, in a line."""
        return inspect.getdoc(self.function).splitlines()[0].rstrip(".")

    def reason_not(self, run: TrainedRun) -> str | None:
        """Why the command does not apply to a run with its default options; None if it does."""
        return self.lacks_always(run) or self.lacks_by_default(run)

    def lacks_always(self, run: TrainedRun) -> str | None:
        """Why a run does not suit the command, whatever the options: a table needs enough test images too."""
        return self.lacks(run) or (too_few_images(len(run.table)) if self.kind == "table" else None)

    def parser(self) -> Parser:
        """The options, from the function's parameters."""
        description = inspect.getdoc(self.function).partition("\n\nArgs:")[0]
        parser = Parser(description=description, allow_abbrev=False)
        if self.kind == "page":
            parser.add_function_arguments(self.function, as_group=False, skip={"settings"})
        else:
            parser.add_argument("--run", type=Path, required=True, help="folder of a trained run")
            parser.add_function_arguments(self.function, as_group=False, skip={"run"})
        return parser

    def defaults(self) -> dict[str, Any]:
        """The options as they are by default, without the run."""
        options = self.parser().get_defaults().as_dict()
        return {name: value for name, value in options.items() if name != "run"}

    def make(self, run: TrainedRun, options: Mapping[str, Any]) -> None:
        """Writes ``paper/<name>.json`` and the figures into the run's folder.

        Raises:
            ConfigError: the run or the options do not suit the command.
        """
        if reason := self.lacks_always(run):
            raise ConfigError(f"{self.name}: {reason}")
        made = self.function(run, **options)
        save_results(run, self.name, options, made.results, made.figures)
