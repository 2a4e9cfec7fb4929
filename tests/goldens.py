"""What a seeded run of the digits and its evaluations give, and the bound of every model as it is made.

``python -m tests.goldens FOLDER`` writes it.

Moves of code change none of it, to the last bit. On another processor or with other libraries the last bits differ, so
digests are compared only where the machine is the one they were frozen on; the curve of training is compared anywhere.
"""

import csv
import hashlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.helpers import EXPERIMENTS
from tests.helpers.small_models import MODELS, make, make_images
from tests.helpers.tiny_runs import run_of
from ugvae import cli
from ugvae.experiments.paper import __main__ as paper
from ugvae.machine import cpu_model, versions
from ugvae.models import GMVAE, GVAE, MLVAE, UGVAE, VAE, BaseVAE, GMMPriorVAE, NeuralStatistician, VampPriorVAE

# the others have the networks of VAE: untrained, they draw the same figures
DRAWN = (GMMPriorVAE, GMVAE, GVAE, MLVAE, NeuralStatistician, UGVAE, VAE, VampPriorVAE)
FROZEN = Path(__file__).with_name("goldens.json")
RUN = Path("lightning_logs/digits/version_0")
SETTINGS = [f"--config={EXPERIMENTS / 'digits.yaml'}", "--data.image_size=8", "--trainer.accelerator=cpu"]
CHECKPOINT = f"--ckpt_path={RUN}/checkpoints/best.ckpt"
FIT = ["--trainer.max_epochs=3", "--trainer.log_every_n_steps=4", "--figures.every_n_epochs=0"]
CLASSIFIED = ["--group_size", "8", "--groups", "20", "--seeds", "2"]
EVALUATIONS = [
    ["table1", "--column", "label", "--values", "0", "1", "--protocol", "held-out", *CLASSIFIED],
    ["series", *CLASSIFIED],
    ["translation", "--column", "label", "--values", "0", "1", "--group_size", "8", "--groups", "2"],
    ["fig5", "--column", "label", "--values", "0", "1", "--group_size", "8", "--mapped", "4"],
    ["fig7", "--group_size", "8", "--mapped", "4"],
    ["latent_use", "--groups", "8"],
    ["factors", "--betas", "6", "--draws", "6"],
    ["bound", "--groups", "4"],
    ["fig3"],
    ["within", "--mapped", "4"],
    ["fig10"],
    ["samples"],
    ["prior"],
]
NOT_NUMBERS = {"config", "versions", "options", "seconds", "encoding_seconds", "images_per_second", "checkpoint"}
NOT_NUMBERS |= {"checkpoint_digest"}  # it holds the times of training too


def write(folder: Path) -> None:
    """Trains, tests and evaluates in ``folder``; and draws the figures of untrained models over two domains."""
    os.environ["WANDB_MODE"] = "disabled"
    before = Path.cwd()
    os.chdir(folder)
    try:
        cli.main(["fit", *SETTINGS, *FIT])
        cli.main(["test", *SETTINGS, CHECKPOINT])
        for name, *options in EVALUATIONS:
            paper.main([name, "--run", str(RUN), *options])
        for model in DRAWN:
            torch.manual_seed(0)
            run = run_of(Path("untrained"), model)
            with pytest.raises(SystemExit, match=r"^0$"):
                paper.main(["figures", "--run", str(run)])
    finally:
        os.chdir(before)


def collect(folder: Path) -> dict[str, Any]:
    """The machine, the curve of training, and digests of weights and results.

    Returns:
        ready for JSON.
    """
    run = folder / RUN
    weights = hashlib.sha256()
    state = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    for name in sorted(state):
        weights.update(name.encode() + state[name].numpy().tobytes())
    with (run / "metrics.csv").open(newline="") as file:
        curve = [{k: float(v) for k, v in row.items() if v and "per_second" not in k} for row in csv.DictReader(file)]
    files = {"test": run / "test.json", **dict(_results(folder))}
    results = {name: json.loads(path.read_text()) for name, path in files.items()}
    results |= {f"{model.__name__}/bound": bound_of(model) for model in MODELS}
    return {
        "machine": {"cpu": cpu_model(), **versions()},
        "curve": curve,
        "weights": weights.hexdigest(),
        "results": {name: _digest(result) for name, result in sorted(results.items())},
    }


def bound_of(model_class: type[BaseVAE]) -> dict[str, Any]:
    """The terms of ``elbo``, nats per image or per group, and what a step of training computes, of seeded weights,
    images and noise.

    Training of some models has another bound (AdaGVAE) or weighs its terms (BetaVAE): the sums and the loss hold it.
    """
    torch.manual_seed(0)
    model = make(model_class, (1, 8, 8), double=False)
    images = make_images(model)
    terms = {name: term.tolist() for name, term in model.elbo(images).items()}
    loss, sums = model.training_outputs(images)
    trained = dict(zip(sums.names, sums.values.tolist(), strict=True))
    return {"elbo": terms, "training": trained, "loss": loss.item()}


def _results(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in folder.rglob("paper/*.json"):
        if path.stem != "index":
            yield f"{path.parts[-3]}/{path.stem}", path


def _digest(result: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(_numbers(result), sort_keys=True).encode()).hexdigest()[:16]


def _numbers(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _numbers(item) for name, item in value.items() if name not in NOT_NUMBERS}
    return [_numbers(item) for item in value] if isinstance(value, list) else value


if __name__ == "__main__":
    torch.set_num_threads(1)
    target = Path(sys.argv[1])
    target.mkdir(parents=True)
    write(target)
    FROZEN.write_text(json.dumps(collect(target), indent=1) + "\n")
