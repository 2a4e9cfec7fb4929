"""Fig. 5 in numbers: how often beta carries an image into the other domain, by what is done to z.

Judges and readings of pixels, made from real images, say the domain, the content, the azimuth, the light, the darkness
and whether the source is still to be found: what survives. Plain reconstructions are the reference.
"""

import argparse
import time

import torch
from torch import Tensor

from experiments.paper.common import Captioned, add_pair, pair, save_results
from ugvae.data.module import GroupDataModule
from ugvae.data.table import ImageTable
from ugvae.evaluation.encoding import encode_groups
from ugvae.evaluation.kinds import no_domains
from ugvae.evaluation.trained_run import TrainedRun, lacks_beta, load_run
from ugvae.evaluation.translation import decode_ways, domain_groups, global_side, translation_rates
from ugvae.plots.charts import LABELS, translation_figure
from ugvae.plots.grids import grid_figure

PROBES = ("azimuth", "elevation", "light")  # columns of one domain that a probe is made of, where there are any
COLUMNS = 10
RATES_CAPTION = (
    "First panel: images judged to be of the other domain; with beta swapped the bars should be near 1, the plain "
    "reconstruction near 0. The others: what is kept, to be held against the plain reconstruction and chance (dashed)."
)
EXAMPLES_CAPTION = (
    "Decoded held-out images: each column keeps its image, each row says how it is decoded. A row of translations "
    "should look like the other domain, and its columns still like the plain reconstructions above them."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The two kinds of image, and what is asked of them."""
    add_pair(parser)
    parser.add_argument("--content", default="label", metavar="COLUMN", help="that both kinds have, to be kept")
    parser.add_argument("--probe", nargs="*", default=list(PROBES), metavar="COLUMN", help="of numbers, of one domain")
    parser.add_argument("--group_size", type=int, default=128, help="images per group")
    parser.add_argument("--groups", type=int, default=8, help="groups of each kind")
    parser.add_argument("--seed", type=int, default=0, help="of the groups and of the judges")


def reason_not(run: TrainedRun) -> str | None:
    """Why there is nothing to translate in a run; None if there is."""
    if reason := lacks_beta(run):
        return reason
    if not hasattr(run.model, "translate"):
        return f"{type(run.model).__name__} does not translate"
    return no_domains(run)


def with_own_columns(data: GroupDataModule, split: str, names: list[str]) -> ImageTable:
    """A split with columns that some of its domains have alone: −1, unknown, in the others."""
    table = data.table(split)
    columns = dict(table.columns)
    parts = [domain.table(split) for domain in getattr(data, "domains", [])]
    for name in set(names) - set(columns):
        if any(name in part.columns for part in parts):
            columns[name] = torch.cat([part.columns.get(name, torch.full((len(part),), -1)) for part in parts])
    return ImageTable(table.images, columns)


def run(options: argparse.Namespace) -> None:
    """Writes ``translation.json``, ``translation.png`` and ``translation_examples.png``."""
    trained_run = load_run(options.run)
    started = time.monotonic()
    kinds = pair(trained_run, options)
    column = next(iter(next(iter(kinds.values()))))
    domains = tuple(condition[column] for condition in kinds.values())
    train, test = (with_own_columns(trained_run.data, split, options.probe) for split in ("train", "test"))
    probes = [name for name in options.probe if name in train.columns and name in test.columns and name != column]
    result = translation_rates(
        trained_run.model,
        train,
        test,
        domains,
        column,
        options.content,
        options.group_size,
        options.groups,
        probes=probes,
        seed=options.seed,
    )
    names = dict(zip("AB", kinds, strict=True))
    result["domains"]["names"] = names
    for direction, rates in result["rates"].items():
        said = ", ".join(
            f"{name} {' '.join(f'{way} {value:.2f}' for way, value in each.items())}" for name, each in rates.items()
        )
        print(f"{direction.translate(str.maketrans(names))}: {said}", flush=True)
    model = type(trained_run.model).__name__
    title = (
        f"translation between {' and '.join(kinds)}, {model}, {result['groups']} groups of {result['group_size']} each"
    )
    shown, labels = _examples(trained_run, result, options.seed)
    figures = {
        "translation": Captioned(translation_figure(result, names, title), RATES_CAPTION),
        "translation_examples": Captioned(grid_figure(shown, f"translations, {model}", labels), EXAMPLES_CAPTION),
    }
    save_results(trained_run, "translation", options, {**result, "seconds": time.monotonic() - started}, figures)


@torch.no_grad()
def _examples(run: TrainedRun, result: dict, seed: int) -> tuple[Tensor, list[str]]:
    """Images of the first group of each domain in every way ``(R, S, C, H, W)``, and what the rows are."""
    column, names = result["domains"]["column"], result["domains"]["names"]
    sides = (result["domains"]["A"], result["domains"]["B"])
    groups = domain_groups(run.table, sides, column, result["group_size"], 1, seed)
    ends = [global_side(encode_groups(run.model, run.table.images, each), 0) for each in groups]
    rows, labels = [], []
    for side, name in enumerate(names.values()):
        images = run.table.images[groups[side][:, :COLUMNS]]
        for way, decoded in decode_ways(run.model, images, ends[side], ends[1 - side]).items():
            rows.append(decoded[0].cpu())
            other = list(names.values())[1 - side]
            labels.append(f"{name}, plain" if way == "reconstruction" else f"as {other}, {LABELS[way]}")
    return torch.stack(rows), labels
