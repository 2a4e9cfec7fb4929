"""The record of a run in Weights & Biases: one for all sessions of the run, never required, and never in the way.

The library is imported where it is used: that takes a second, which runs without it do not pay. A run's record is
known again by ``wandb/run.json`` in its folder. W&B's own step is the optimiser step, so that the sessions of a run,
which offline leave a folder each, join in one record when they are sent.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pytorch_lightning.loggers import WandbLogger
from pytorch_lightning.utilities.rank_zero import rank_zero_warn
from torch.optim import Optimizer

from ugvae.errors import first_line
from ugvae.runs.files import save_json

if TYPE_CHECKING:
    from wandb import Run

RECORD = Path("wandb", "run.json")  # in the run's folder
MODE, DATA_DIR, DEFAULT_PROJECT = "WANDB_MODE", "WANDB_DATA_DIR", "ugvae"
USERS_DATA_DIR = os.environ.get(DATA_DIR)
CONNECT_SECONDS = 30  # to reach the server of W&B at the start
FINISH_SECONDS = 60  # to send the rest at the end; what is left can be sent later
STEP, EPOCH, RATE = "trainer/global_step", "epoch", "learning_rate"
GROUPS = "held_out_groups"


@dataclass(frozen=True)
class WandbSettings:
    """Where the record of a run goes in Weights & Biases. What is not set follows W&B's own variables and settings.

    Args:
        project: by default WANDB_PROJECT, or ``ugvae`` where W&B knows of none.
        entity: user or team; by default WANDB_ENTITY.
        name: by default WANDB_NAME, or the run's folder.
        group: of runs that belong together; by default WANDB_RUN_GROUP.
        tags: by default WANDB_TAGS.
        log_model: keep the best checkpoint, and report.html when it is made, as artifacts too.
    """

    project: str | None = None
    entity: str | None = None
    name: str | None = None
    group: str | None = None
    tags: list[str] | None = None
    log_model: bool = False


class WandbRecord(WandbLogger):
    """Lightning's logger, of a record that ``start_record`` has begun.

    Args:
        run: the record.
        directory: the run's folder.
        log_model: keep the best checkpoint as an artifact.
    """

    def __init__(self, run: "Run", directory: Path, log_model: bool) -> None:
        super().__init__(name=run.name, save_dir=directory, project=run.project, experiment=run)
        self.keeps_model = log_model
        self._optimizer: Optimizer | None = None
        self._last_step = 0

    def log_hyperparams(self, *_: Any, **__: Any) -> None:
        """Nothing: Lightning gives the model's settings alone; ``log_settings`` has all."""

    def log_settings(self, settings: Mapping[str, Any]) -> None:
        """Enters the settings of the run; a session that goes on may change some."""
        self.experiment.config.update(dict(settings), allow_val_change=True)

    def log_learning_rate_of(self, optimizer: Optimizer) -> None:
        """From now on the rows of training have the learning rate of the next step."""
        self._optimizer = optimizer

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        row = dict(metrics)
        if self._optimizer is not None and any(name.startswith("train/") for name in row):
            row[RATE] = self._optimizer.param_groups[0]["lr"]
        self._last_step = max(self._last_step, step or 0)  # Lightning gives validation the step before
        self.experiment.log({**row, STEP: self._last_step}, step=self._last_step)

    def log_groups(self, columns: Sequence[str], rows: Sequence[Sequence[Any]], step: int) -> None:
        """Enters a table of groups of images; an array ``(H, W, C)`` of uint8 in it is shown as a picture."""
        import wandb

        shown = [[wandb.Image(cell) if isinstance(cell, np.ndarray) else cell for cell in row] for row in rows]
        self.log_metrics({GROUPS: wandb.Table(columns=list(columns), data=shown)}, step)

    def log_checkpoint(self, path: Path) -> None:
        """Keeps a checkpoint as an artifact, if that was asked for."""
        if self.keeps_model and path.is_file():
            self.experiment.log_artifact(str(path), name=f"model-{self.experiment.id}", type="model")

    def finalize(self, status: str) -> None:
        """Ends this session of the record."""
        self.experiment.finish(exit_code=int(status != "success"))


def start_record(directory: Path, name: str, settings: WandbSettings) -> WandbRecord | None:
    """Begins the record of a run, or goes on with it; offline where nobody is logged in or the server is away.

    Args:
        directory: the run's folder.
        name: of the record, where neither the user nor the environment gives one.
        settings: the user's.

    Returns:
        None if W&B is switched off, or with a warning if it does not work here.
    """
    if os.environ.get(MODE) == "disabled":  # then the library is not even imported
        return None
    try:
        return _start(directory, name, settings)
    except Exception as error:  # not installed, an older version, a process that does not start
        rank_zero_warn(f"W&B does not work here ({first_line(error)}); the run goes on without, metrics.csv has all")
        return None


def _start(directory: Path, name: str, settings: WandbSettings) -> WandbRecord | None:
    import wandb

    path = directory / RECORD
    if _mode() == "disabled":
        return None
    given = {part: getattr(settings, part) for part in ("entity", "group", "tags")}
    asked = {part: value for part, value in given.items() if value is not None}
    project = settings.project or os.environ.get("WANDB_PROJECT") or wandb.setup().settings.project
    asked["project"] = project or DEFAULT_PROJECT
    asked["name"] = settings.name or os.environ.get("WANDB_NAME") or name
    earlier = json.loads(path.read_text()) if path.is_file() else {}
    same = {part: earlier[part] for part in ("id", "project", "entity") if earlier.get(part)}  # of one record
    run = open_record(directory, {**asked, **same})
    identity = {"id": run.id, "project": run.project, "entity": run.entity or asked.get("entity")}
    save_json({**asked, **identity, "log_model": settings.log_model}, path)
    define_axes(run)
    return WandbRecord(run, directory, settings.log_model)


def define_axes(run: "Run") -> None:
    """Training runs over the optimiser steps, validation over the epochs; of both the summary has extremes too."""
    run.define_metric(STEP, hidden=True)
    run.define_metric(EPOCH, hidden=True)
    run.define_metric("train/*", step_metric=STEP, summary="min,max,last")
    run.define_metric("val/*", step_metric=EPOCH, summary="min,max,last")
    for name in (RATE, GROUPS, "figures/*", "paper_figures/*"):  # no pattern for all: where two fit, either may win
        run.define_metric(name, step_metric=STEP)


def open_record(directory: Path, asked: Mapping[str, Any]) -> "Run":
    """A session of a record.

    Args:
        directory: the run's folder.
        asked: project, name and the like; an ``id`` is that of a record to go on with.
    """
    import wandb

    # offline, tables and artifacts wait there until they are sent: in the run's folder, not in the user's home
    os.environ[DATA_DIR] = USERS_DATA_DIR or str(directory.absolute() / "wandb")
    settings = wandb.Settings(silent=True, console="off", init_timeout=CONNECT_SECONDS)
    if hasattr(settings, "finish_timeout"):  # of recent versions; by default it waits for hours
        settings.finish_timeout = FINISH_SECONDS
    start = partial(wandb.init, dir=directory, settings=settings, resume="allow", reinit="finish_previous", **asked)
    if _is_logged_in(directory):
        try:
            return start(mode="online")
        except Exception as error:  # of the network, of the server, of wandb's own process
            rank_zero_warn(f"W&B cannot be reached ({first_line(error)}); the run is logged offline, in {directory}")
    return start(mode="offline")


def _mode() -> str:
    """``online``, ``offline`` or ``disabled``: of the environment, or what ``wandb offline`` and the like have set."""
    import wandb

    return os.environ.get(MODE) or wandb.setup().settings.mode


def _is_logged_in(directory: Path) -> bool:
    import wandb

    os.environ.setdefault("WANDB_SILENT", "true")  # the run's own last lines say where everything is
    if _mode() in ("offline", "dryrun"):
        return False
    try:
        return bool(wandb.login(prompt=False))
    except Exception as error:  # asks the server, if there is a key
        rank_zero_warn(f"W&B: no login ({first_line(error)}); the run is logged offline, in {directory}")
        return False


def add_results(
    directory: Path,
    summary: Mapping[str, Any],
    pictures: Mapping[str, tuple[Path, str]] | None = None,
    artifacts: Mapping[str, Path] | None = None,
) -> None:
    """Adds to the record of a run what was measured after its training. A run without a record gets none.

    Args:
        directory: the run's folder.
        summary: results by name, numbers and words, nested or not.
        pictures: files and captions, by name.
        artifacts: files that are kept if the run was trained with ``log_model``, by kind.
    """
    path = directory / RECORD
    if os.environ.get(MODE) == "disabled" or not path.is_file():
        return
    try:
        import wandb

        asked = json.loads(path.read_text())
        keeps_model = asked.pop("log_model", False)
        artifacts = artifacts if keeps_model and artifacts else {}
        if _mode() == "disabled" or not (summary or pictures or artifacts):
            return
        with open_record(directory, {part: value for part, value in asked.items() if value is not None}) as run:
            run.summary.update(dict(summary))
            if pictures:
                shown = {name: [wandb.Image(str(file), caption=words)] for name, (file, words) in pictures.items()}
                run.log(shown, step=max(run.step, _last_step(directory) + 1))  # no row of training is there
            for kind, file in artifacts.items():
                run.log_artifact(str(file), name=f"{kind}-{run.id}", type=kind)
    except Exception as error:  # whatever is wrong with it, the results are in the run's folder
        rank_zero_warn(f"W&B has no results of {directory} ({first_line(error)}); they are in its folder")


def _last_step(directory: Path) -> int:
    """The last optimiser step of a run; 0 if its training has not ended."""
    path = directory / "trained.json"
    return int(json.loads(path.read_text())["steps"]) if path.is_file() else 0
