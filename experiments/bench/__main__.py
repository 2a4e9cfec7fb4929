"""``make bench ARGS="--json FILE --doc docs/performance.md"``; ``python -m tests.bench compare A.json B.json``."""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import torch

from experiments.bench import comparing, report
from experiments.bench.cases import FULL, QUICK, bench_backbone, bench_loader
from experiments.bench.scaling import bench_scaling
from ugvae.errors import ConfigError
from ugvae.machine import describe, prepare_process, versions
from ugvae.runs.files import save_json

BENCHES = {
    "mlp": lambda effort: bench_backbone("mlp", effort),
    "conv": lambda effort: bench_backbone("conv", effort),
    "loader": bench_loader,
    "scaling": bench_scaling,
}


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(prog="tests.bench", description=__doc__, allow_abbrev=False)
    parser.add_argument("--quick", action="store_true", help="a few steps of everything: whether it runs, no numbers")
    parser.add_argument("--only", choices=report.PARTS, action="append", help="this part; may be given again")
    parser.add_argument("--json", type=Path, help="write all measurements here")
    parser.add_argument("--doc", type=Path, help="fill the sections of this file, and figures/ beside it")
    commands = parser.add_subparsers(dest="command")
    two = commands.add_parser("compare", help="two JSON files: what changed, and what may be noise")
    two.add_argument("first", type=Path)
    two.add_argument("second", type=Path)
    return parser.parse_args(arguments)


def run(parts: list[str], quick: bool) -> dict[str, Any]:
    """Measures; the result is ready for JSON."""
    effort, started = QUICK if quick else FULL, time.monotonic()
    torch.manual_seed(0)
    measurements = {name: each for part in parts for name, each in BENCHES[part](effort).items()}
    return {
        "hardware": describe(),
        "threads": torch.get_num_threads(),
        "versions": versions(),
        "quick": quick,
        "rounds": effort.rounds,
        "parts": parts,
        "seconds": time.monotonic() - started,
        "measurements": measurements,
    }


def main(arguments: list[str] | None = None) -> None:
    """Entry point; an error that the user can mend is one message and exit status 2."""
    options = parse(arguments)
    prepare_process()  # as every command of the library does
    try:
        if options.command == "compare":
            print(comparing.compare(comparing.read(options.first), comparing.read(options.second)))
            return
        result = run([part for part in report.PARTS if part in (options.only or report.PARTS)], options.quick)
        print("\n\n".join(report.sections(result).values()))
        if options.json:
            save_json(result, options.json)
        if options.doc:
            report.fill(result, options.doc)
    except (ConfigError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
