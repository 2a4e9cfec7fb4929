"""Fig. 14: do groups that write number series lie apart in beta? Classification beside controls, and t-SNE maps.

The series are even and odd numbers, Fibonacci numbers and primes, written with images of digits.
"""

import argparse
from functools import partial

import torch
from torch import Tensor

from datamodules.structured import StructuredGroups, series_groups
from experiments.paper.charts import accuracy_figure, accuracy_table
from experiments.paper.common import add_protocol, encode_run, load_run, save_results
from ugvae.errors import ConfigError
from ugvae.evaluation.classification import classify_groups
from ugvae.evaluation.plots import map_figure
from ugvae.evaluation.projection import tsne

NAME = "number series"
MAP_SEED = 0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The protocol, and the size of the maps."""
    parser.add_argument("--mapped", type=int, default=60, help="groups of each series, and random ones, in the maps")
    add_protocol(parser)


@torch.no_grad()
def run(options: argparse.Namespace) -> None:
    """Writes ``series.json``, ``series.png`` and the maps ``series_map_mean.png`` and ``series_map_sample.png``."""
    trained_run = load_run(options.run)
    table = trained_run.table
    if "label" not in table.columns or not set(range(10)) <= set(table.columns["label"].tolist()):
        raise ConfigError("series: the data have no column 'label' with the digits 0 to 9")
    encoded = encode_run(trained_run)

    def draw(rows: Tensor, groups_per_kind: int, seed: int) -> StructuredGroups:
        make = partial(series_groups, table, options.group_size, groups_per_kind)
        return make(num_random=groups_per_kind, seed=seed, rows=rows)

    result = classify_groups(*encoded, table, draw, options.groups, range(options.seeds))
    print(f"{accuracy_table(result)}\n", flush=True)
    title = f"{NAME}, groups of {options.group_size} held-out images, s.d. over seeds"
    figures = {"series": accuracy_figure({NAME: result}, {}, title)}
    shown = draw(torch.arange(len(table)), options.mapped, MAP_SEED)
    q = encoded[0].beta(shown.groups)
    torch.manual_seed(MAP_SEED)
    for of, points in {"mean": q.mean, "sample": q.sample()}.items():
        title = f"t-SNE of the {of} of beta, groups of {options.group_size} by series"
        figures[f"series_map_{of}"] = map_figure(tsne(points.cpu()), shown.labels.numpy(), shown.names, title)
    save_results(trained_run, "series", options, {"results": {NAME: result}}, figures)
