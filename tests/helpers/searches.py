"""A YAML of a sweep."""

from pathlib import Path
from typing import Any

import yaml

from tests.helpers import EXPERIMENTS

TRAIN = [f"--config={EXPERIMENTS / 'digits.yaml'}", "--data.image_size=8", "--trainer.max_epochs=1"]
TRAIN += ["--trainer.accelerator=cpu", "--figures.groups_per_label=0", "--trainer.limit_train_batches=3"]
COMMAND = ["${env}", "${interpreter}", "-m", "ugvae", "fit", *TRAIN, "${args}"]
GRID = {
    "program": "ugvae",
    "method": "grid",
    "metric": {"name": "val/elbo", "goal": "maximize"},
    "parameters": {
        "model.z_dim": {"values": [2, 3]},
        "model.backbone": {"value": "mlp"},
        "model.learning_rate": {"values": [0.001, 0.01]},
    },
    "command": COMMAND,
}


def write_search(**changes: Any) -> Path:
    """A sweep's YAML, with changes."""
    Path("search.yaml").write_text(yaml.safe_dump({**GRID, **changes}, sort_keys=False))
    return Path("search.yaml")
