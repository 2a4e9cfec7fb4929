"""The results of the paper's commands in the record of a run in Weights & Biases."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ugvae.evaluation.results import read_results
from ugvae.evaluation.verdict import verdict
from ugvae.experiments.paper.common import NO_RESULTS
from ugvae.runs.folder import read_run
from ugvae.runs.weights_and_biases import add_results


def add_paper(directory: Path) -> None:
    """Adds every result, the verdict and the captioned figures to W&B's record of a run, if it has one.

    Results of a checkpoint that later training has replaced are left out.

    Args:
        directory: folder of the run.
    """
    run = read_run(directory)
    results = {name: result for name, result in run.results.items() if name not in run.stale}
    statements = verdict(read_results(results))
    measured = {f"paper/{name}": numbers(result) for name, result in results.items()}
    summary = {name: result for name, result in measured.items() if result}  # a figure alone has no numbers
    summary |= {f"verdict/{statement.claim}": statement.holds for statement in statements}
    pictures = {
        f"paper_figures/{Path(figure['file']).stem}": (directory / "paper" / figure["file"], figure["caption"])
        for result in results.values()
        for figure in result.get("figures", ())
    }
    there = {name: picture for name, picture in pictures.items() if picture[0].is_file()}
    add_results(directory, summary, there)


def numbers(result: Mapping[str, Any]) -> dict[str, Any]:
    """The results in a command's JSON as a summary shows them: nested names with a number or a word; no lists."""
    return {
        name: numbers(value) if isinstance(value, Mapping) else value
        for name, value in result.items()
        if name not in NO_RESULTS and not isinstance(value, list)
    }
