"""What the tests share."""

from pathlib import Path

PROJECT = Path(__file__).parents[2]
EXPERIMENTS = PROJECT / "experiments"
