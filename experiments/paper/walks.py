"""Options and numbers that the figures of walks share."""

import argparse

import torch
from torch import Tensor

from ugvae.errors import ConfigError
from ugvae.evaluation.encoding import encode_groups
from ugvae.evaluation.trained_run import TrainedRun

COUNTED_IMAGES = 5000


def add_walk(parser: argparse.ArgumentParser, beta_range: float | None, z_range: float) -> None:
    """The steps of a walk, and how far it goes; without beta if its range is None."""
    parser.add_argument("--steps", type=int, default=7, help="images along a walk")
    if beta_range is not None:
        parser.add_argument("--beta_range", type=float, default=beta_range, help="beta goes from minus this to this")
    parser.add_argument("--z_range", type=float, default=z_range, help="z goes from minus this to this")


def check_walk(options: argparse.Namespace) -> None:
    """Raises a ConfigError if a walk would have no two different ends."""
    if options.steps < 2:
        raise ConfigError(f"steps: expected 2 or more, got {options.steps}")
    for name in ("beta_range", "z_range"):
        if getattr(options, name, 1) <= 0:
            raise ConfigError(f"{name}: expected a number > 0, got {getattr(options, name)}")


def changes(images: Tensor) -> dict[str, float]:
    """How much grids ``(..., R, S, C, H, W)`` change from end to end, as mean absolute differences of pixels in [0, 1].

    Returns:
        ``rows``: between the first and the last row; ``columns``: between the first and the last column.
    """
    rows = images.select(-5, 0) - images.select(-5, -1)
    columns = images.select(-4, 0) - images.select(-4, -1)
    return {"rows": float(rows.abs().mean()), "columns": float(columns.abs().mean())}


def component_probabilities(run: TrainedRun, seed: int) -> tuple[Tensor, Tensor]:
    """π of held-out images, at most 5,000 drawn at random: ``(N, K)``, and their rows ``(N,)``."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randperm(len(run.table), generator=generator)[:COUNTED_IMAGES].sort().values
    return encode_groups(run.model, run.table.images, rows.unsqueeze(1)).d.squeeze(1), rows
