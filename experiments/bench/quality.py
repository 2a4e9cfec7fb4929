"""Time to quality: seconds of training until the held-out bound passes what the plain recipe ends with."""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ugvae.errors import ConfigError
from ugvae.experiments.bench.held_out import Point, read_points
from ugvae.experiments.bench.plain import new_process
from ugvae.experiments.bench.recipes import (
    FACES_FOLDER,
    RECIPES,
    Data,
    decoding_seconds,
    link_faces,
    train_plain,
)
from ugvae.machine import clock, describe, versions
from ugvae.runs.files import save_json

PLAIN = "plain recipe"
CALLBACK = "ugvae.experiments.bench.held_out.HeldOutBound"
STEPS_ONLY = [  # without validation, W&B, rows of the log, figures, checkpoints and the bar
    *("--trainer.limit_val_batches", "0"),
    *("--trainer.logger", "false"),
    *("--trainer.log_every_n_steps", "1000000"),
    *("--figures.every_n_epochs", "0"),
    *("--figures.groups_per_label", "0"),
    *("--trainer.enable_checkpointing", "false"),
    *("--trainer.enable_progress_bar", "false"),
]
WAYS = {"make train": [], "make train, steps only": STEPS_ONLY}
QUICK_EPOCHS, QUICK_STEPS = 1, 20


@dataclass(frozen=True)
class Job:
    """One training: a way of one round, whose number is its seed.

    Attributes:
        root: folder of the data.
        folder: where its file is, and what it leaves.
    """

    data: Data
    way: str
    round: int
    root: Path
    folder: Path
    quick: bool

    @property
    def file(self) -> Path:
        """JSON of the points of the finished training."""
        return self.folder / f"{self.way.replace(', ', '_').replace(' ', '_')}_{self.round}.json"

    def run(self) -> None:
        """Trains in a process of its own.

        Raises:
            ConfigError: the training failed; the message names the file with what it has printed.
        """
        if self.way == PLAIN:
            epochs, steps = (QUICK_EPOCHS, QUICK_STEPS) if self.quick else (RECIPES[self.data].epochs, None)
            with new_process() as pool:
                pool.apply(train_plain, (self.data, str(self.root), self.round, epochs, steps, self.file))
            return
        target = read_points(replace(self, way=PLAIN).file)[-1].bound
        every = 5 if self.quick else RECIPES[self.data].every
        command = [sys.executable, "-m", "ugvae", "fit", "--config", self.data]
        command += ["--data.root", str(self.root), "--seed_everything", str(self.round)]
        command += [f"--trainer.callbacks+={CALLBACK}", f"--trainer.callbacks.file={self.file}"]
        command += [f"--trainer.callbacks.every_n_steps={every}", f"--trainer.callbacks.target={target}"]
        command += ["--trainer.default_root_dir", str(self.folder / "runs"), *WAYS[self.way]]
        command += ["--trainer.max_steps", str(QUICK_STEPS)] if self.quick else []
        log = self.file.with_suffix(".log")
        with log.open("w") as output:
            done = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT)  # noqa: S603
        if done.returncode:
            raise ConfigError(f"{self.way}: the training failed; {log} has what it printed")


@dataclass(frozen=True)
class Quality:
    """The trainings of all rounds by their way, as curves of the held-out bound.

    Attributes:
        decoding: seconds by the wall and of the processors in which ours decodes all images, once; part of its curves.
    """

    data: Data
    quick: bool
    machine: str
    versions: dict[str, str]
    decoding: list[float]
    trainings: dict[str, list[list[Point]]]

    @property
    def targets(self) -> list[float]:
        """What the plain recipe ends with in every round, nats per image."""
        return [points[-1].bound for points in self.trainings[PLAIN]]

    def reached(self, way: str) -> list[Point | None]:
        """Where a way first has the bound that the plain recipe of the same round ends with; None if it never does."""
        return [
            next((point for point in points if point.bound >= target), None)
            for points, target in zip(self.trainings[way], self.targets, strict=True)
        ]


def jobs(data: Data, root: Path, folder: Path, rounds: int, quick: bool) -> list[Job]:
    """All trainings: in every round the plain recipe first, since it sets the target, then ours, in turn."""
    ours = list(WAYS)
    orders = [[PLAIN, *ours[number % len(ours) :], *ours[: number % len(ours)]] for number in range(rounds)]
    return [
        Job(data, way, number, root, folder, quick) for number, order in enumerate(orders, start=1) for way in order
    ]


def train_all(todo: Sequence[Job]) -> None:
    """Does the trainings that are not there yet, and tells how far it is; one that is stopped begins anew."""
    missing = [job for job in todo if not job.file.is_file()]
    if len(missing) < len(todo):
        sys.stderr.write(f"{len(todo) - len(missing)} of {len(todo)} trainings are there: {todo[0].folder}\n")
    start = time.monotonic()
    for done, job in enumerate(missing):
        left = f"about {clock((time.monotonic() - start) / done * (len(missing) - done))} left" if done else "begins"
        sys.stderr.write(f"{job.data}, round {job.round}: {job.way}; {left}\n")
        job.run()


def measure(data: Data, root: Path, folder: Path, rounds: int, quick: bool) -> Quality:
    """Does what is missing of all rounds, and reads all.

    Raises:
        DataError: the images are not there.
        ConfigError: a training failed, or the folder has those of another machine.
    """
    folder.mkdir(parents=True, exist_ok=True)
    refuse_other_machine(folder / "machine.json")
    decoding = folder / "decoding.json"
    if data == "celeba":
        root = link_faces(root, folder / FACES_FOLDER)
        if not decoding.is_file():
            save_json(decoding_seconds(RECIPES[data].module(str(root))), decoding)
    todo = jobs(data, root.absolute(), folder.absolute(), rounds, quick)
    train_all(todo)
    before = json.loads(decoding.read_text()) if decoding.is_file() else [0.0, 0.0]
    trainings: dict[str, list[list[Point]]] = {}
    for job in todo:
        shift = [0.0, 0.0] if job.way == PLAIN else before
        trainings.setdefault(job.way, []).append([point.later(*shift) for point in read_points(job.file)])
    return Quality(data, quick, describe()["line"], versions(), before, trainings)


def refuse_other_machine(file: Path) -> None:
    """Raises a ConfigError if a folder has trainings of another machine; says in a new one which machine this is."""
    machine = describe()["line"]
    if not file.is_file():
        save_json(machine, file)
    if (there := json.loads(file.read_text())) != machine:
        raise ConfigError(f"folder: {file.parent} has trainings of {there}, this is {machine}; choose another folder")
