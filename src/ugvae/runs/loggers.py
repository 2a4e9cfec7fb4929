"""``metrics.csv``: rows that outlive the process, and that a resumed run cuts back to those of its checkpoint."""

import csv
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import wandb
from pytorch_lightning.loggers import CSVLogger, Logger, WandbLogger
from pytorch_lightning.loggers.csv_logs import ExperimentWriter
from pytorch_lightning.loggers.logger import rank_zero_experiment
from pytorch_lightning.utilities.rank_zero import rank_zero_only, rank_zero_warn

from ugvae.errors import OutputError
from ugvae.runs.files import atomic_path, output_error
from ugvae.runs.folder import ROOT, run_directory


class MetricsLogger(CSVLogger):
    """Lightning's CSV logger, every row on disk at once, that keeps the rows which are there already.

    Args:
        save_dir: folder of all experiments.
        name: of the experiment.
        version: number of the run; by default the next one.
    """

    def __init__(self, save_dir: str | Path, name: str, version: int | None = None) -> None:
        super().__init__(save_dir, name, version, flush_logs_every_n_steps=1)

    def _get_next_version(self) -> int:
        """The next free number; its folder is made here, so that of runs started at once no two get the same."""
        version = super()._get_next_version()
        while is_first_process():
            try:
                Path(self.root_dir, f"version_{version}").mkdir(parents=True)
                break
            except FileExistsError:
                version += 1
        return version

    @property
    @rank_zero_experiment
    def experiment(self) -> "MetricsWriter":
        if self._experiment is None:
            self._fs.makedirs(self.root_dir, exist_ok=True)
            self._experiment = MetricsWriter(log_dir=self.log_dir)
        return self._experiment


def is_first_process() -> bool:
    """Whether this is rank 0, also before the ranks know of each other: then the launcher's environment says it."""
    node = os.environ.get("NODE_RANK") or os.environ.get("GROUP_RANK") or "0"
    return rank_zero_only.rank == 0 and int(node) == 0


class MetricsWriter(ExperimentWriter):
    """Writes ``metrics.csv``. A disk that refuses is warned of once, and the rows wait for the next try.

    Attributes:
        num_rows: rows so far, on disk or waiting: a place that a checkpoint remembers.
    """

    def __init__(self, log_dir: str) -> None:
        super().__init__(log_dir)
        self.path = Path(log_dir) / self.NAME_METRICS_FILE
        self.metrics_keys, rows = read_rows(self.path)
        self.num_rows = len(rows)
        self._warned = False

    def _check_log_dir_exists(self) -> None:
        """What an earlier run left stays."""

    def keep(self, num_rows: int) -> None:
        """Drops all rows but the first ``num_rows``, and what a killed process left of a row."""
        names, rows = read_rows(self.path)
        if names:
            _write_rows(self.path, names, rows[:num_rows])
        self.metrics_keys, self.num_rows = names, min(len(rows), num_rows)

    def log_metrics(self, metrics_dict: dict[str, Any], step: int | None = None) -> None:
        super().log_metrics(metrics_dict, self.num_rows if step is None else step)
        self.num_rows += 1

    def save(self) -> None:
        """Adds the rows that wait to the file."""
        if not self.metrics:
            return
        try:
            if set().union(*self.metrics) - set(self.metrics_keys) or not self.path.exists():
                _, rows = read_rows(self.path)
                names = sorted({*self.metrics_keys, *set().union(*self.metrics)})
                _write_rows(self.path, names, [*rows, *self.metrics])
                self.metrics_keys = names
            else:
                _append_rows(self.path, self.metrics_keys, self.metrics)
            self.metrics = []
        except OSError as error:
            if not self._warned:
                named = error if isinstance(error, OutputError) else output_error(self.path, error)
                rank_zero_warn(f"{named}. Training goes on, and its rows wait until they can be written")
            self._warned = True


def read_rows(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """Names of the columns, and the rows; not the last one if it was cut short, and none if there is no file."""
    if not path.exists():
        return [], []
    with path.open(newline="") as file:
        lines = [line for line in file if line.endswith("\n")]
    reader = csv.DictReader(lines)
    rows = [{name: value for name, value in row.items() if value} for row in reader]
    return list(reader.fieldnames or []), rows


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
        with path.open("r+") as file:
            file.truncate(size)
        raise


CONNECT_SECONDS = 30  # to reach the server at the start
FINISH_SECONDS = 60  # to send the rest at the end; what is left can be sent later


class PatientWandbLogger(WandbLogger):
    """Lightning's W&B logger, offline if the server cannot be reached, silent after its first failure.

    Args:
        name: of the run.
        save_dir: folder of the run; W&B writes into ``wandb/`` there.
        online: send to the server; else write files only.
    """

    def __init__(self, name: str, save_dir: str, online: bool) -> None:
        settings = wandb.Settings(silent=True, console="off", init_timeout=CONNECT_SECONDS)
        if hasattr(settings, "finish_timeout"):  # of recent versions; by default it waits for hours
            settings.finish_timeout = FINISH_SECONDS
        mode = "online" if online else "offline"
        super().__init__(name=name, save_dir=save_dir, project="ugvae", mode=mode, settings=settings)
        self._wandb_init.pop("anonymous", None)  # Lightning sets it, and wandb warns that it has no effect
        self._failed = False

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        if self._experiment is None and self._wandb_init["mode"] == "online":
            try:
                return super().experiment
            except Exception as error:  # of the network, of the server, of wandb's own process
                rank_zero_warn(f"W&B cannot be reached ({_line(error)}); the run is logged offline, in {self.save_dir}")
                self._wandb_init["mode"] = "offline"
        return super().experiment

    def _attempt(self, act: Callable[..., Any], *arguments: Any, **named: Any) -> None:
        if self._failed:
            return
        try:
            act(*arguments, **named)
        except Exception as error:
            self._failed = True
            rank_zero_warn(f"W&B failed ({_line(error)}); training goes on, metrics.csv and figures/ have everything")

    def log_metrics(self, *arguments: Any, **named: Any) -> None:
        self._attempt(super().log_metrics, *arguments, **named)

    def log_hyperparams(self, *arguments: Any, **named: Any) -> None:
        self._attempt(super().log_hyperparams, *arguments, **named)

    def log_image(self, *arguments: Any, **named: Any) -> None:
        self._attempt(super().log_image, *arguments, **named)

    def finalize(self, status: str) -> None:
        self._attempt(super().finalize, status)


def wandb_logger(name: str, save_dir: str) -> PatientWandbLogger:
    """The logger of a run: online if someone is logged in and the server answers."""
    os.environ.setdefault("WANDB_SILENT", "true")  # the run's own last lines say where everything is
    online = False
    if os.environ.get("WANDB_MODE") != "offline":
        try:
            online = bool(wandb.login(prompt=False))
        except Exception as error:  # asks the server, if there is a key
            rank_zero_warn(f"W&B: no login ({_line(error)}); the run is logged offline, in {save_dir}")
    return PatientWandbLogger(name, save_dir, online)


def _line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def run_loggers(experiment: str, resume_from: Path | None, root: Path = ROOT) -> list[Logger]:
    """CSV first, so that runs land in ``root``; W&B second, offline unless logged in, absent if WANDB_MODE=disabled.

    Args:
        experiment: folder of the runs.
        resume_from: a checkpoint whose run goes on in its own folder.
        root: folder of all experiments.
    """
    directory = run_directory(resume_from) if resume_from else None
    if directory and directory.name.removeprefix("version_").isdigit():
        csv_logger = MetricsLogger(directory.parent.parent, directory.parent.name, int(directory.name[8:]))
    else:
        csv_logger = MetricsLogger(root, experiment)
    if os.environ.get("WANDB_MODE") == "disabled" or not is_first_process():
        return [csv_logger]
    _ = csv_logger.experiment  # makes the folder
    return [csv_logger, wandb_logger(f"{csv_logger.name}/version_{csv_logger.version}", csv_logger.log_dir)]
