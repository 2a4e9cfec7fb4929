"""A stranger's commands, what they must leave, and the files that they need."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

from tests.helpers import EXPERIMENTS

RUN = "lightning_logs/digits/version_0"
LAST = f"{RUN}/checkpoints/last.ckpt"
DIGITS = f"--config {EXPERIMENTS}/digits.yaml --trainer.max_epochs 1 --figures.every_n_epochs 0 --data.image_size 8"
FIT = f"fit {DIGITS} --trainer.limit_train_batches 3 --figures.groups_per_label 6"
FOLDER = (
    f"fit --config {EXPERIMENTS}/folder.yaml --trainer.max_epochs 1 --figures.every_n_epochs 0 --data.image_size 16 "
    "--data.group_size 4 --data.groups_per_batch 2 --model.backbone mlp --trainer.precision 32-true --data.root images"
)


def pictures(*folders: str, count: int = 40) -> Callable[[], None]:
    """Writes ``count`` pictures of noise into each folder below ``images``."""

    def write() -> None:
        for folder in folders:
            place = Path("images", folder)
            place.mkdir(parents=True)
            for number in range(count):
                pixels = np.random.default_rng(number).integers(0, 255, (16, 16, 3), np.uint8)
                Image.fromarray(pixels).save(place / f"{number}.png")

    return write


def settings(name: str, **content: object) -> Callable[[], None]:
    """Writes a YAML."""
    return lambda: Path(name).write_text(yaml.safe_dump(content)) and None


def callback(name: str, **arguments: object) -> Callable[[], None]:
    """Writes ``more.yaml`` with a callback of Lightning."""
    chosen = {"class_path": f"pytorch_lightning.callbacks.{name}", "init_args": arguments}
    return settings("more.yaml", trainer={"callbacks": [chosen]})


@dataclass(frozen=True)
class Case:
    """One stranger.

    Attributes:
        name: of the case.
        commands: of ``ugvae``, one after the other; a word ``python`` or ``make`` at the start is another program.
        status: of the last one.
        words: in what the last one prints.
        never: words that it must not print.
        leaves: files that must be there at the end.
        not_left: files that must not.
        prepare: makes what the commands need.
        environment: variables besides those of this process.
    """

    name: str
    commands: list[str]
    status: int = 0
    words: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    leaves: tuple[str, ...] = ()
    not_left: tuple[str, ...] = ()
    prepare: Callable[[], None] = lambda: None
    environment: dict[str, str] = field(default_factory=dict)


DONE = (f"{RUN}/trained.json", LAST)
NO_RUN = ("lightning_logs",)
IN_PYTHON = "from ugvae.cli import main; arguments = {!r}.split()"
IN_A_THREAD = "from threading import Thread; Thread(target=main, args=(arguments,)).start()"
