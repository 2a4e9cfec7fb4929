"""Fig. 5 in numbers: how often beta carries an image into the other domain, as a command."""

import time
from collections.abc import Sequence
from dataclasses import replace

import torch
from jsonargparse.typing import PositiveInt
from torch import Tensor

from ugvae.data.module import GroupDataModule
from ugvae.data.table import ImageTable
from ugvae.errors import ConfigError
from ugvae.evaluation.encoding import encode_groups
from ugvae.evaluation.kinds import DOMAIN, no_domains, two_kinds
from ugvae.evaluation.results import to_json
from ugvae.evaluation.trained_run import TrainedRun, lacks_beta
from ugvae.evaluation.translation import Translation, translation_rates
from ugvae.evaluation.ways import LABELS, PLAIN, decode_ways, domain_groups, global_side
from ugvae.experiments.paper.command import Command, Made
from ugvae.experiments.paper.common import Captioned
from ugvae.experiments.paper.crossed import crossing_of, with_true_images
from ugvae.plots.charts import translation_figure
from ugvae.plots.grids import grid_figure

PROBES = ("azimuth", "elevation", "light")  # columns of one domain that probes are made of, where the data have them
COLUMNS = 10
RATES_CAPTION = (
    "First panel: images judged to be of the other domain; with beta swapped the bars should be near 1, the plain "
    "reconstruction near 0. The others: what is kept, to be compared with the plain reconstruction and chance (dashed)."
)
CONTENT = "label"  # where the data have it
EXAMPLES_CAPTION = (
    "Decoded held-out images: each column keeps its image, each row says how it is decoded. A row of translations "
    "should look like the other domain, and its columns still like the plain reconstructions above them."
)


def translation(
    run: TrainedRun,
    attribute: str | None = None,
    column: str = DOMAIN,
    values: Sequence[str] = (),
    content: str | None = None,
    probe: Sequence[str] = PROBES,
    group_size: PositiveInt = 128,
    groups: PositiveInt = 8,
    seed: int = 0,
) -> Made:
    """Fig. 5 in numbers: how often beta carries an image into the other domain, by what is done to z.

    Judges and readings of pixels, made from real images, measure the domain, the content, the azimuth, the light, the
    darkness and whether the source can be found again. Plain reconstructions are the reference; each way that moves z
    has the same z under its own beta as a control. The verdict chooses the best way on the validation split. Where the
    data have the true translation of every image, as ``icons`` do, every kind is carried into every other and compared
    with it.

    Args:
        run: with beta.
        attribute: images with it and without, in place of two domains
        column: column of --values
        values: two of --column, by name or number, in place of the first two
        content: column that both kinds have, to be kept; by default label, where the data have it
        probe: columns of numbers, of one domain
        group_size: images per group
        groups: groups of each kind
        seed: of the groups and of the judges
    """
    started = time.monotonic()
    kinds = two_kinds(run, attribute, column, values)
    column = next(iter(next(iter(kinds.values()))))
    known = [name for name in run.table.columns if name != column]
    if content is not None and content not in known:
        raise ConfigError(
            f"content: no other column {content!r}; the data have {', '.join(known) or 'none'} to be kept"
        )
    domains = tuple(condition[column] for condition in kinds.values())
    train, test = (with_own_columns(run.data, split, probe) for split in ("train", "test"))
    probes = [name for name in probe if name in train.columns and name in test.columns and name != column]
    settings = (domains, column, content or CONTENT, group_size, groups)
    result = translation_rates(run.model, train, test, *settings, probes=probes, seed=seed)
    validation = with_own_columns(run.data, "val", probe)
    if all((validation.columns[column] == value).any() for value in domains):
        result = replace(result, validation=translation_rates(run.model, train, validation, *settings, seed=seed))
    result = replace(result, domains=replace(result.domains, names=dict(zip("AB", kinds, strict=True))))
    for direction, rates in to_json(result.rates).items():
        shares = ", ".join(
            f"{judge} {' '.join(f'{way} {share:.2f}' for way, share in ways.items())}" for judge, ways in rates.items()
        )
        print(f"{result.domains.named(direction)}: {shares}", flush=True)
    name = type(run.model).__name__
    title = f"translation between {' and '.join(kinds)}, {name}, {groups} groups of {result.group_size} each"
    shown, labels = _examples(run, result, seed)
    figures = {
        "translation": Captioned(translation_figure(result, title), RATES_CAPTION),
        "translation_examples": Captioned(grid_figure(shown, f"translations, {name}", labels), EXAMPLES_CAPTION),
    }
    if crossing := crossing_of(run, column, domains, named=bool(values)):
        compared, figures["translation_crossed"] = with_true_images(run, crossing, group_size, seed)
        result = replace(result, crossed=compared)
    return Made({**to_json(result), "seconds": time.monotonic() - started}, figures)


def with_own_columns(data: GroupDataModule, split: str, names: Sequence[str]) -> ImageTable:
    """A split with columns that only some of its domains have: −1, unknown, in the others."""
    table = data.table(split)
    columns = dict(table.columns)
    parts = [domain.table(split) for domain in getattr(data, "domains", [])]
    for name in set(names) - set(columns):
        if any(name in part.columns for part in parts):
            columns[name] = torch.cat([part.columns.get(name, torch.full((len(part),), -1)) for part in parts])
    return ImageTable(table.images, columns)


@torch.no_grad()
def _examples(run: TrainedRun, result: Translation, seed: int) -> tuple[Tensor, list[str]]:
    """Images of the first group of each domain in every way ``(R, S, C, H, W)``, and labels of the rows."""
    domains, names = result.domains, list(result.domains.names.values())
    groups = domain_groups(run.table, (domains.A, domains.B), domains.column, result.group_size, 1, seed)
    ends = [global_side(encode_groups(run.model, run.table.images, rows), 0) for rows in groups]
    shown, labels = [], []
    for side, other in ((0, 1), (1, 0)):
        images = run.table.images[groups[side][:, :COLUMNS]]
        for way, decoded in decode_ways(run.model, images, ends[side], ends[other]).items():
            shown.append(decoded[0].cpu())
            labels.append(f"{names[side]}, plain" if way == PLAIN else f"as {names[other]}, {LABELS[way]}")
    return torch.stack(shown), labels


COMMAND = Command("translation", translation, "table", lacks_beta, no_domains)
