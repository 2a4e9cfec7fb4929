"""The logs of a run: ``metrics.csv``, whose rows outlive the process, and Weights & Biases, which is never required."""

import csv
import os
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from pytorch_lightning.loggers import CSVLogger, Logger
from pytorch_lightning.loggers.logger import rank_zero_experiment
from pytorch_lightning.utilities.rank_zero import rank_zero_only, rank_zero_warn
from torch import Tensor

from ugvae.errors import OutputError, first_line
from ugvae.runs.files import atomic_path, output_error
from ugvae.runs.folder import ROOT, read_rows, run_directory
from ugvae.runs.weights_and_biases import WandbSettings, start_record


class MetricsLogger(CSVLogger):
    """Lightning's CSV logger, with every row on disk at once; it keeps the rows that are there already.

    The run is by default the next free ``version`` of the experiment ``name``; its folder is made.

    Raises:
        OutputError: the folder cannot be made.
    """

    def __init__(self, save_dir: str | Path, name: str, version: int | None = None) -> None:
        number = next_version(Path(save_dir, name)) if version is None else version
        super().__init__(save_dir, name, number, flush_logs_every_n_steps=1)
        self._writer: MetricsWriter | None = None

    @property
    @rank_zero_experiment
    def experiment(self) -> "MetricsWriter":
        if self._writer is None:
            self._writer = MetricsWriter(self.log_dir)
        return self._writer

    def finalize(self, status: str) -> None:
        self.save()


def next_version(folder: Path) -> int:
    """The number of the next run of an experiment.

    The first process makes ``version_N``, so that of runs started at once no two get the same number.
    """
    taken = [path.name.removeprefix("version_") for path in folder.glob("version_*")]
    version = max((int(number) + 1 for number in taken if number.isdigit()), default=0)
    while is_first_process():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with suppress(FileExistsError):
                (folder / f"version_{version}").mkdir()
                break
        except OSError as error:
            raise output_error(folder, error) from error
        version += 1
    return version


def is_first_process() -> bool:
    """Whether this is rank 0; before the ranks know of each other, the launcher's environment tells."""
    node = os.environ.get("NODE_RANK") or os.environ.get("GROUP_RANK") or "0"
    return rank_zero_only.rank == 0 and int(node) == 0


class MetricsWriter:
    """Writes ``metrics.csv``. If the disk refuses, it warns once, and the rows wait for the next try.

    Attributes:
        metrics: rows that wait to be written.
        num_rows: rows so far, on disk or waiting; a checkpoint keeps this number.
    """

    def __init__(self, log_dir: str | Path) -> None:
        Path(log_dir).mkdir(parents=True, exist_ok=True)
        self.path = Path(log_dir) / "metrics.csv"
        self.names, rows = read_rows(self.path)
        self.num_rows = len(rows)
        self.metrics: list[dict[str, Any]] = []
        self._warned = False

    def keep(self, num_rows: int) -> None:
        """Drops all rows but the first ``num_rows``, and the part of a row that a killed process left."""
        self.names, rows = read_rows(self.path)
        if self.names:
            _write_rows(self.path, self.names, rows[:num_rows])
        self.num_rows = min(len(rows), num_rows)

    def log_hparams(self, settings: dict[str, Any]) -> None:
        """Writes the model's settings to ``hparams.yaml``."""
        plain = {name: list(value) if isinstance(value, tuple) else value for name, value in settings.items()}
        with atomic_path(self.path.with_name("hparams.yaml")) as temporary:
            temporary.write_text(yaml.safe_dump(plain, sort_keys=False))

    def log_metrics(self, metrics: dict[str, Any], step: int) -> None:
        """Adds a row, which ``save`` writes."""
        plain = {name: value.item() if isinstance(value, Tensor) else value for name, value in metrics.items()}
        self.metrics.append({**plain, "step": step})
        self.num_rows += 1

    def save(self) -> None:
        """Writes the rows that wait: whole rows, or none."""
        if not self.metrics:
            return
        names = sorted({*self.names}.union(*self.metrics))
        try:
            if names != self.names or not self.path.exists():
                _write_rows(self.path, names, [*read_rows(self.path)[1], *self.metrics])
            else:
                _append_rows(self.path, names, self.metrics)
            self.names, self.metrics = names, []
        except OSError as error:
            if not self._warned:
                named = error if isinstance(error, OutputError) else output_error(self.path, error)
                rank_zero_warn(f"{named}. Training goes on, and its rows wait until they can be written")
            self._warned = True


def _write_rows(path: Path, names: list[str], rows: list[dict[str, Any]]) -> None:
    with atomic_path(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)


def _append_rows(path: Path, names: list[str], rows: list[dict[str, Any]]) -> None:
    """Adds whole rows, or none."""
    size = path.stat().st_size
    try:
        with path.open("a", newline="") as file:
            csv.DictWriter(file, names).writerows(rows)
    except OSError:
        os.truncate(path, size)
        raise


class PatientLogger:
    """Another logger, silent after its first failure. To all who ask it is that logger, of that logger's class.

    Args:
        logger: the logger.
        title: what the warning of its failure calls it.
    """

    def __init__(self, logger: Logger, title: str) -> None:
        self._logger, self._title, self._failed = logger, title, False

    @property
    def __class__(self) -> type:
        """So that callbacks that look for a kind of logger find it."""
        return type(self._logger)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._logger, name)
        writes = name.startswith("log_") or name in ("save", "finalize", "after_save_checkpoint")
        return partial(self._attempt, value) if writes and callable(value) else value

    def _attempt(self, write: Callable[..., None], *arguments: Any, **named: Any) -> None:
        if self._failed:
            return
        try:
            write(*arguments, **named)
        except Exception as error:  # whatever is wrong with it, training goes on
            self._failed = True
            rank_zero_warn(
                f"{self._title} failed ({first_line(error)}); training goes on, metrics.csv and figures/ have "
                "everything"
            )


def run_loggers(
    experiment: str,
    resume_from: Path | None,
    root: Path = ROOT,
    chosen: Logger | list[Logger] | bool | None = None,
    wandb: WandbSettings | None = None,
) -> list[Logger]:
    """CSV first, so that runs land in ``root``; W&B second, offline unless logged in, absent if WANDB_MODE=disabled.

    The run of a checkpoint ``resume_from`` goes on in its own folder. The user's own loggers, ``chosen``, take the
    place of W&B; False is for none. One that fails does not end the run.

    Raises:
        OutputError: the folder of the run cannot be made.
    """
    directory = run_directory(resume_from) if resume_from else None
    if directory and directory.name.removeprefix("version_").isdigit():
        csv_logger = MetricsLogger(directory.parent.parent, directory.parent.name, int(directory.name[8:]))
    else:
        csv_logger = MetricsLogger(root, experiment)
    if chosen is not None and chosen is not True:
        theirs = chosen if isinstance(chosen, list) else [chosen] if chosen else []
        return [csv_logger, *(PatientLogger(logger, type(logger).__name__) for logger in theirs)]
    if not is_first_process():
        return [csv_logger]
    name = f"{csv_logger.name}/version_{csv_logger.version}"
    record = start_record(Path(csv_logger.log_dir), name, wandb or WandbSettings())
    return [csv_logger, *([PatientLogger(record, "W&B")] if record else [])]
