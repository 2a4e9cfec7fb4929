"""``ugvae evaluate RUN``: tests a run, writes its latents, makes every figure and table of the paper that applies.

It is ``ugvae test``, ``predict`` and ``paper all`` in one process, which loads the libraries once. All take the same
settings, such as ``--data.root FOLDER`` where the data have moved, or ``--trainer.accelerator cpu``.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from ugvae import cli
from ugvae.cli.failures import fail
from ugvae.cli.parser import with_run_flag
from ugvae.errors import ConfigError
from ugvae.experiments.paper import __main__ as paper
from ugvae.runs.loading import best_checkpoint


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point: an error that the user can mend is one message and exit status 2, a failed figure status 1."""
    parser = argparse.ArgumentParser(
        prog="ugvae evaluate", usage="%(prog)s RUN [settings]", description=__doc__, allow_abbrev=False
    )
    parser.add_argument("--run", type=Path, required=True, help="folder of a trained run; it may come first, as RUN")
    options, settings = parser.parse_known_args(with_run_flag(sys.argv[1:] if arguments is None else arguments))
    try:
        checkpoint = best_checkpoint(options.run)
    except ConfigError as error:
        fail(error)
    of_run = ["--config", str(options.run / "config.yaml"), "--ckpt_path", str(checkpoint)]
    for command in ("test", "predict"):
        cli.main([command, *of_run, "--trainer.precision", "32-true", *settings])
    torch.set_float32_matmul_precision("highest")  # as in a process of its own: the trainer's setting is for its models
    paper.main(["all", "--run", str(options.run), *settings])
