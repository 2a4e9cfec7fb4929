"""``python -m experiments.bench`` times steps, ``… quality`` whole trainings, ``… compare A.json B.json`` two runs."""

import logging
import sys
import time
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from jsonargparse import auto_cli
from jsonargparse.typing import PositiveInt

from ugvae.errors import ConfigError, DataError
from ugvae.experiments.bench import quality as quality_of
from ugvae.experiments.bench import quality_report, report
from ugvae.experiments.bench.cases import bench_backbone, bench_loader
from ugvae.experiments.bench.recipes import Data
from ugvae.experiments.bench.results import Measurement, Results, read_results
from ugvae.experiments.bench.scaling import bench_scaling
from ugvae.experiments.bench.timing import Device, Plan
from ugvae.machine import clock, describe, prepare_process, versions
from ugvae.runs.files import save_json

QUICK = {"quick": True, "rounds": 2, "turn": 0.02}
Part = Literal["mlp", "conv", "loader", "scaling"]
PARTS = {  # what measures a part, and its seconds
    "mlp": (partial(bench_backbone, "mlp"), 150),
    "conv": (partial(bench_backbone, "conv"), 210),
    "loader": (bench_loader, 10),
    "scaling": (bench_scaling, 130),
}
WORDS = {"--quick": "--quick=true", "--only": "--only+"}  # as a user types them, and as jsonargparse reads them


def measure(parts: list[Part], quick: bool, device: Device) -> Results:
    """Runs the parts one after the other, each within its seconds."""
    started = time.monotonic()
    torch.manual_seed(0)
    seconds = [PARTS[part][1] for part in parts]
    rows: list[Measurement] = []
    left_out: list[str] = []
    for number, part in enumerate(parts):
        settings = {"device": device, "left_out": left_out, **(QUICK if quick else {})}
        plan = Plan(seconds[number], sum(seconds[number + 1 :]), **settings)
        rows += PARTS[part][0](plan)
    taken, measurements = time.monotonic() - started, {row.name: row for row in rows}
    return Results(quick, plan.rounds, taken, describe(), versions(), left_out, measurements)


def bench(
    quick: bool = False,
    only: list[Part] | None = None,
    json: Path | None = None,
    doc: Path | None = None,
    device: Literal["auto", "cpu", "cuda"] = "auto",
) -> None:
    """Times training steps, the loader and evaluation. ``compare A.json B.json`` compares two such runs.

    Args:
        quick: a few steps of everything: whether it runs, no numbers to quote.
        only: this part; may be given again; all parts by default.
        json: write all measurements to this file.
        doc: fill the sections of this Markdown file, and ``figures/`` beside it.
        device: auto is a GPU where there is one.

    Raises:
        ConfigError: there is no GPU, or the document lacks a section.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device: torch finds no GPU here")
    used = device if device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    parts = [part for part in PARTS if not only or part in only]
    results = measure(parts, quick, used)
    print("\n\n".join([*report.sections(results).values(), f"It took {clock(results.seconds)}."]))
    if json:
        save_json(asdict(results), json)
    if doc:
        report.fill(results, doc)


def compare(first: Path, second: Path) -> None:
    """Prints what changed between two runs, and what may be noise.

    Args:
        first: JSON of the run before.
        second: JSON of the run after.
    """
    print(report.compare(read_results(first), read_results(second)))


def quality(
    data: Data = "mnist",
    root: Path | None = None,
    rounds: PositiveInt = 3,
    folder: Path = Path("lightning_logs/bench"),
    doc: Path | None = None,
    quick: bool = False,
) -> None:
    """Seconds of training until the held-out bound passes what the plain recipe of the paper ends with.

    Finished trainings are kept in the folder, so that a run that was stopped goes on with what is missing.

    Args:
        data: ``mnist``, or ``celeba`` with 10,000 faces.
        root: folder of the data; by default ``data/NAME``.
        rounds: of all ways; the number of a round is the seed of its trainings.
        folder: for the trainings, in a folder of the data's name, with ``quality.json``.
        doc: fill the section of this Markdown file, and ``figures/`` beside it.
        quick: a few steps of everything: whether it runs, no numbers to quote.
    """
    own = folder / (f"{data}_quick" if quick else data)
    results = quality_of.measure(data, root or Path("data", data), own, 1 if quick else rounds, quick)
    save_json(asdict(results), own / "quality.json")
    quality_report.save_curves(results, own / "quality.png")
    print(quality_report.table(results), f"\nIn {own}: quality.json, quality.png")
    if doc:
        quality_report.fill(results, doc)


def main(arguments: list[str] | None = None) -> None:
    """Entry point; an error that the user can mend is one message and exit status 2."""
    arguments = sys.argv[1:] if arguments is None else arguments
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)  # no greeting of every Trainer
    prepare_process()  # as every command of the library does
    try:
        if arguments[:1] == ["compare"]:
            auto_cli(compare, args=arguments[1:], prog="experiments.bench compare")
        elif arguments[:1] == ["quality"]:
            words = [WORDS.get(word, word) for word in arguments[1:]]
            auto_cli(quality, args=words, prog="experiments.bench quality")
        else:
            auto_cli(bench, args=[WORDS.get(word, word) for word in arguments], prog="experiments.bench")
    except (ConfigError, DataError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
