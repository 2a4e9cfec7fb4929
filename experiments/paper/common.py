"""What the figures and tables share: captions, and where results go."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
import yaml
from jsonargparse.typing import restricted_number_type
from matplotlib.figure import Figure
from PIL.Image import Image
from torch import Tensor

from ugvae.distributions import DiagonalGaussian
from ugvae.evaluation.results import to_json
from ugvae.evaluation.trained_run import TrainedRun
from ugvae.machine import versions
from ugvae.plots.figure import save_figure
from ugvae.plots.sheets import save_sheet
from ugvae.runs.checkpoints import checkpoint_digest
from ugvae.runs.files import save_json
from ugvae.runs.loading import best_checkpoint

TwoOrMore = restricted_number_type("TwoOrMore", int, (">=", 2))
NO_RESULTS = {  # keys of a command's JSON that hold no result
    "name",
    "options",
    "split",
    "checkpoint_digest",
    "figures",
    "sheet",
    "config",
    "versions",
    "units",
}


def means_and_samples(q: DiagonalGaussian, seed: int) -> dict[str, Tensor]:
    """The ``mean`` and a ``sample`` of posteriors ``(N, D)``, on the CPU."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return {"mean": q.mean.cpu(), "sample": q.sample().cpu()}


class Captioned(NamedTuple):
    """A figure, or a sheet of images, and what to look for in it, in a sentence or two."""

    figure: Figure | Image
    caption: str


def save_results(
    run: TrainedRun, name: str, options: Mapping[str, Any], results: Any, figures: Mapping[str, Captioned]
) -> None:
    """Writes ``paper/<name>.json`` and the figures into the run's folder, and says where.

    Figures of an earlier call of the same command that this one does not draw are removed.

    Args:
        run: the run.
        name: of the command, and of its JSON file.
        options: of the command.
        results: typed results, or a mapping of results and plain values.
        figures: by name of the file, without its ending.
    """
    directory = run.directory / "paper"
    path = directory / f"{name}.json"
    earlier = json.loads(path.read_text()).get("figures", []) if path.is_file() else []
    files = {
        f"{file}.{'png' if isinstance(captioned.figure, Figure) else 'webp'}": captioned
        for file, captioned in figures.items()
    }
    settings = yaml.safe_load((run.directory / "config.yaml").read_text())
    report = {
        "name": name,
        "options": options,
        "split": "test",
        "checkpoint_digest": checkpoint_digest(best_checkpoint(run.directory)),
        **to_json(results),
        "figures": [{"file": file, "caption": captioned.caption} for file, captioned in files.items()],
        "config": {key: settings.get(key) for key in ("seed_everything", "model", "data")},
        "versions": versions(),
    }
    for file, captioned in files.items():
        save = save_figure if isinstance(captioned.figure, Figure) else save_sheet
        save(captioned.figure, directory / file)
    save_json(report, path)
    drawn = [figure["file"] for figure in report["figures"]]
    for file in {figure["file"] for figure in earlier} - set(drawn):
        (directory / file).unlink(missing_ok=True)
    print(f"Wrote {path}{' and ' if drawn else ''}{', '.join(drawn)}", flush=True)
