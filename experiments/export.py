"""A finished run as a folder to share: weights, settings, and a model card with what the run has measured.

``ugvae export RUN`` writes ``RUN/export``. It needs the run's folder alone, not the data; no
image of the data goes into it.
"""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from jsonargparse import ArgumentParser
from matplotlib.figure import Figure

from ugvae import datamodules
from ugvae.errors import ConfigError, OutputError
from ugvae.evaluation.results import read_results
from ugvae.evaluation.statements import NOT_MEASURED
from ugvae.evaluation.verdict import verdict
from ugvae.experiments.paper.report import HOLDS
from ugvae.experiments.paper.report.numbers import split_table
from ugvae.experiments.paper.report.sections import training_facts
from ugvae.experiments.paper.report.settings import changed
from ugvae.machine import prepare_process
from ugvae.models import BaseVAE
from ugvae.models.card import model_card
from ugvae.models.hub import upload
from ugvae.models.sharing import CARD, CONFIG, WEIGHTS
from ugvae.plots.figure import save_figure
from ugvae.plots.grids import grid_figure
from ugvae.runs.checkpoints import checkpoint_digest
from ugvae.runs.folder import RunFolder, class_name, dataset_name, read_run
from ugvae.runs.loading import best_checkpoint, load_model
from ugvae.runs.onnx_export import export_onnx

PICTURE = "samples.png"
GROUPS = ("group_column", "proportions", "statistics", "random_share", "widest_window", "changes")  # and no local path
OWN = "not stated: images of whoever trained the model, who has to say here what may be done with them"


def export(run: Path, output: Path | None = None, onnx: bool = False, push: str | None = None) -> Path:
    """Writes model.safetensors, config.json, README.md (the model card) and a picture of samples.

    Args:
        run: folder of a trained run
        output: folder to write; by default RUN/export
        onnx: the encoder, the decoder and the mixture prior as ONNX too
        push: id owner/name on the Hugging Face hub to put the folder at

    Returns:
        the folder.

    Raises:
        ConfigError: not the folder of a run, a missing extra, or the hub refuses.
        OutputError: a file cannot be written.
    """
    content, checkpoint = read_run(run), best_checkpoint(run)
    model, folder = load_model(checkpoint), output or run / "export"
    files = export_onnx(model, folder) if onnx else []
    model.save_pretrained(folder, run_card(content, model, checkpoint, files))
    save_figure(samples(model), folder / PICTURE)
    files = [WEIGHTS, CONFIG, CARD, PICTURE, *files]
    print(f"Wrote {folder}: {', '.join(files)}", flush=True)
    print(f'Load it: ugvae.models.BaseVAE.from_pretrained("{folder}")', flush=True)
    if push:
        print(f"Pushed to {upload(folder, push, private=True, files=files)}, private until you change that", flush=True)
    return folder


@torch.no_grad()
def samples(model: BaseVAE) -> Figure:
    """Images drawn from the prior, the same for the same model: none is an image of the data."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        images = model.sample(8, 8)
    return grid_figure(images, "Drawn from the prior" + (": a row shares one beta" if model.beta_dim else ""))


def run_card(run: RunFolder, model: BaseVAE, checkpoint: Path, onnx: list[str]) -> str:
    """The model card of a run.

    Args:
        run: what was read of the run.
        model: its model.
        checkpoint: the file that the weights are from.
        onnx: names of the ONNX files beside the card.
    """
    sections = {
        "Samples": [f"![Images drawn from the prior of the model]({PICTURE})"],
        "Training": [
            *(f"- {name}: {fact}" for name, fact in training_facts(run)),
            *(f"- `{key}`: {value}" for key, value, _ in changed(run.config) if key.removeprefix("data.") in GROUPS),
            f"- Weights: of {checkpoint.name}, SHA-256 {checkpoint_digest(checkpoint)}",
        ],
        "Licence of the data": [
            *(f"- {name}: {licence}" for name, licence in licences(run.config.get("data"))),
            "\nThe weights were made from these data. Whoever shares them has to see that this licence allows it.",
        ],
        "Numbers": [numbers(run)],
        "Verdict": list(judged(run)),
        "Limits": list(limits(run, model)),
    }
    if onnx:
        files = ", ".join(f"`{name}`" for name in onnx)
        sections["ONNX"] = [f"{files}: the inputs and outputs are named; groups and images per group are free."]
    text = "\n".join(f"## {head}\n\n" + "\n".join(lines) + "\n" for head, lines in sections.items())
    return model_card(model, f"{run.model} on {run.data}", text)


def licences(data: Any) -> Iterator[tuple[str, str]]:
    """The name and the licence of every dataset in the settings of the data; of a mixture, each domain's."""
    data = data if isinstance(data, Mapping) else {}
    if domains := (data.get("init_args") or {}).get("domains"):
        for domain in domains:
            yield from licences(domain)
    else:
        ours = str(data.get("class_path")).startswith("ugvae.datamodules.")
        known = getattr(datamodules, class_name(data), None) if ours else None
        yield dataset_name(data), getattr(known, "licence", "") or OWN


def numbers(run: RunFolder) -> str:
    """``test.json`` as a table with units, or why there is none."""
    if run.test is None:
        return "The test split has not been evaluated (`make evaluate`)."
    if "test" in run.stale:
        return "The test split was evaluated with earlier weights, not with these (`make evaluate`)."
    table = split_table(run.test)
    return f"{table.caption}\n\n{table.markdown()}"


def judged(run: RunFolder) -> Iterator[str]:
    """The claims of the paper that were measured, each with its numbers and controls; then those that were not."""
    results = {name: result for name, result in run.results.items() if name not in run.stale}
    statements = verdict(read_results(results))
    yield "By fixed rules on the results of this run, each beside its controls.\n"
    for statement in statements:
        if statement.holds != NOT_MEASURED:
            claim = f"**{HOLDS[statement.holds]}**: {statement.claim} {statement.because}"
            yield f"- {claim} *Control:* {statement.control}"
    if missing := [statement.claim for statement in statements if statement.holds == NOT_MEASURED]:
        yield f"- **{HOLDS[NOT_MEASURED]}**: {' '.join(missing)}"


def limits(run: RunFolder, model: BaseVAE) -> Iterator[str]:
    """What the numbers do not say."""
    seed, settings = run.config.get("seed_everything", "not stored"), run.data_settings
    yield f"- One training run (seed {seed}): nothing here has an error over training seeds."
    yield "- The numbers are of the test split of these data. Other images are encoded too, without a warning."
    if model.hparams.likelihood == "gaussian":
        yield f"- The nats are those of σ_x = {model.x_std:g}; models with another one cannot be compared by them."
    if model.beta_dim:
        kind, size = settings.get("grouping", "unknown"), settings.get("group_size", "?")
        yield (
            f"- Beta was trained on groups of {size} images (`grouping: {kind}`). It carries what the images of such "
            "groups have in common; groups of other kinds and sizes were measured only where the verdict says so."
        )


def main(arguments: list[str] | None = None) -> None:
    """Entry point; an error that the user can mend is one message and exit status 2."""
    parser = ArgumentParser(prog="ugvae export", description=__doc__, allow_abbrev=False)
    parser.add_argument("--onnx", action="store_true", help="the encoder, decoder and mixture prior as ONNX too")
    parser.add_function_arguments(export, as_group=False, as_positional=True, skip={"onnx"})
    options = parser.parse_args(sys.argv[1:] if arguments is None else arguments).as_dict()
    prepare_process()
    try:
        export(**options)
    except (ConfigError, OutputError) as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
