"""Fig. 14: groups that write number series, in beta: classification beside controls, and t-SNE maps.

The series are even and odd numbers, Fibonacci numbers and primes, written with images of digits.
"""

import argparse
import time
from functools import partial

import torch
from torch import Tensor

from experiments.paper.common import Captioned, accuracy_table, add_protocol, save_results
from experiments.paper.table1 import CAPTION
from ugvae.data.known_groups import StructuredGroups, series_groups
from ugvae.errors import ConfigError
from ugvae.evaluation.classification import classify_groups
from ugvae.evaluation.trained_run import TrainedRun, encode_run, lacks_beta, load_run
from ugvae.plots.charts import accuracy_figure
from ugvae.plots.maps import map_figure, tsne

NAME = "number series"
MAP_SEED = 0
MAP_CAPTIONS = {
    "mean": "Do the series lie apart? An untrained network's means do so too: see the controls.",
    "sample": "Do the series lie apart here too? A sample says what beta knows beyond its own uncertainty.",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The protocol, and the size of the maps."""
    parser.add_argument("--mapped", type=int, default=60, help="groups of each series, and random ones, in the maps")
    add_protocol(parser)


def reason_not(run: TrainedRun) -> str | None:
    """Why the command does not apply to a run; None if it does."""
    return lacks_beta(run) or _lacks_digits(run)


def _lacks_digits(run: TrainedRun) -> str | None:
    label = run.table.columns.get("label")
    if label is None or not set(range(10)) <= set(label.tolist()):
        return "the data have no column 'label' with the digits 0 to 9"
    return None


@torch.no_grad()
def run(options: argparse.Namespace) -> None:
    """Writes ``series.json``, ``series.png`` and the maps ``series_map_mean.png`` and ``series_map_sample.png``."""
    trained_run = load_run(options.run)
    table = trained_run.table
    if reason := _lacks_digits(trained_run):
        raise ConfigError(f"series: {reason}")
    seeds = range(options.seeds)
    encoding = time.monotonic()
    encoded = encode_run(trained_run, seeds)
    encoding = time.monotonic() - encoding

    def draw(rows: Tensor, groups_per_kind: int, seed: int) -> StructuredGroups:
        make = partial(series_groups, table, options.group_size, groups_per_kind)
        return make(num_random=groups_per_kind, seed=seed, rows=rows)

    result = classify_groups(*encoded, table, draw, options.groups, seeds)
    print(f"{accuracy_table(result)}\n", flush=True)
    title = f"{NAME}, groups of {options.group_size} held-out images, s.d. over seeds"
    figures = {"series": Captioned(accuracy_figure({NAME: result}, {}, title), CAPTION)}
    shown = draw(torch.arange(len(table)), options.mapped, MAP_SEED)
    q = encoded[0].beta(shown.groups)
    torch.manual_seed(MAP_SEED)
    for of, points in {"mean": q.mean, "sample": q.sample()}.items():
        title = f"t-SNE of the {of} of beta, groups of {options.group_size} by series"
        figure = map_figure(tsne(points.cpu()), shown.labels.numpy(), shown.names, title)
        caption = f"t-SNE of the posterior {of} of beta, a point per group of held-out images. {MAP_CAPTIONS[of]}"
        figures[f"series_map_{of}"] = Captioned(figure, caption)
    save_results(trained_run, "series", options, {"results": {NAME: result}, "encoding_seconds": encoding}, figures)
