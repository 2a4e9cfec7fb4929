"""KID and FID of reconstructions, samples and translations, as a command."""

import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jsonargparse.typing import PositiveInt
from torch import Tensor, nn

from ugvae.data.known_groups import groups_where
from ugvae.data.table import ImageTable
from ugvae.errors import ConfigError
from ugvae.evaluation.feature_networks import InceptionFeatures, classifier_accuracy, features_of, train_features
from ugvae.evaluation.image_quality import (
    FLOOR,
    RECONSTRUCTIONS,
    Distance,
    ImageQuality,
    distances,
    few_for_fid,
    reconstruct,
    sample,
)
from ugvae.evaluation.kinds import (
    DOMAIN,
    MOST_VALUES,
    check_columns,
    division,
    evaluation_groups,
    no_domains,
    two_kinds,
)
from ugvae.evaluation.minimum import too_few_images
from ugvae.evaluation.results import to_json
from ugvae.evaluation.trained_run import TrainedRun, lacks_beta
from ugvae.evaluation.ways import LABELS, translate_groups
from ugvae.experiments.paper.command import Command, Made
from ugvae.experiments.paper.metric_tables import image_quality as tables

NO_LABELS = f"the data have no column of 2 to {MOST_VALUES} values for a classifier; give --weights of Inception v3"


def image_quality(
    run: TrainedRun,
    labels: Sequence[str] = (),
    weights: str | None = None,
    column: str = DOMAIN,
    values: Sequence[str] = (),
    images: PositiveInt = 2000,
    seed: int = 0,
) -> Made:
    """Quality of images: KID and FID of reconstructions, samples and translations, beside other real images.

    The features are those of a small classifier, which learns the labels of the training images on the spot, in
    seconds; or of Inception v3, with weights from a file.

    Args:
        run: any.
        labels: columns that the classifier learns; by default all of 2 to 20 values
        weights: file of the weights of torchvision's inception_v3, in place of the classifier
        column: column of --values
        values: two of --column, by name or number, that images are carried between; by default the first two domains
        images: of each set; at most half of the held-out ones
        seed: of the classifier, the halves and the samples
    """
    started, model, table = time.monotonic(), run.model, run.table
    network, accuracy, left_out = feature_network(run, labels, weights, seed)
    groups = evaluation_groups(run, -(-2 * images // run.data.group_size), seed)
    reference, other = halves(groups, images, seed)
    if reason := too_few_images(len(other), "images in a half"):
        raise ConfigError(f"images: {reason}")
    rows = [groups.flatten()[places] for places in (reference, other)]
    real, rest = (features_of(network, table.images[part]) for part in rows)
    wanted = torch.zeros(groups.numel(), dtype=torch.bool)
    wanted[other] = True
    decoded, quality, beta = reconstruct(model, network, table.images, groups, wanted.view_as(groups))
    count, size = -(-len(other) // groups.shape[1]), groups.shape[1]
    shown = {FLOOR: rest, RECONSTRUCTIONS: decoded, "samples": sample(model, network, count, size, seed=seed)}
    if model.beta_dim:
        shown["samples, beta of held-out groups"] = sample(model, network, count, size, beta, seed)
    measured = distances(real, shown, seed)
    if reason := few_for_fid(measured[FLOOR].images, network.num_features):
        left_out["FID"] = reason
    translations: dict[str, dict[str, Distance]] = {}
    if reason := cannot_translate(run, values):
        left_out["translations"] = reason
    else:
        translations, missing = translated(run, network, rows, column, values, seed)
        left_out |= missing
    result = ImageQuality(network.title, measured, quality, accuracy, translations, left_out)
    for shown_table in tables(result):
        print(f"{shown_table.markdown()}\n", flush=True)
    return Made({**to_json(result), "model": type(model).__name__, "seconds": time.monotonic() - started}, {})


def feature_network(
    run: TrainedRun, labels: Sequence[str], weights: str | None, seed: int
) -> tuple[nn.Module, dict[str, float], dict[str, str]]:
    """The network of the features; where it is a classifier trained on the spot, its accuracy by column, or why not.

    Raises:
        ConfigError: there is nothing to learn, or the file does not hold the weights.
    """
    if weights is not None:
        return InceptionFeatures(Path(weights)), {}, {}
    check_columns(run, [dict.fromkeys(labels, 0)], "labels")
    train = run.data.table("train")
    known = known_places(train, labels)
    if not known:
        raise ConfigError(f"labels: {NO_LABELS}")
    network = train_features(train, {name: places for name, (_, places) in known.items()}, seed)
    held_out = {name: places_of(run.table.columns[name], values) for name, (values, _) in known.items()}
    accuracy = classifier_accuracy(network, run.table, held_out)
    reason = "no held-out image has a value that the classifier learned"
    return network, accuracy, {f"accuracy, {name}": reason for name in known if name not in accuracy}


def known_places(table: ImageTable, names: Sequence[str] = ()) -> dict[str, tuple[Tensor, Tensor]]:
    """The values of the columns of 2 to 20 whole numbers or names, and the place of each image among them.

    Args:
        table: of the images.
        names: of the columns to choose from; all by default. Of columns that divide the images alike the first is
            taken.

    Returns:
        values ``(V,)`` and places ``(M,)``, −1 for unknown, by name.
    """
    known: dict[str, tuple[Tensor, Tensor]] = {}
    named: dict[bytes, str] = {}  # the first column of every division
    for name in names or table.columns:
        column = table.columns[name]
        values = column[column >= 0].unique()
        if not column.is_floating_point() and 2 <= len(values) <= MOST_VALUES:
            places = places_of(column, values)
            if named.setdefault(division(places.numpy()).tobytes(), name) == name:
                known[name] = values, places
    return known


def places_of(column: Tensor, values: Tensor) -> Tensor:
    """The place of each entry ``(M,)`` among ascending values ``(V,)``, −1 for others."""
    places = torch.searchsorted(values, column.contiguous()).clamp(max=len(values) - 1)
    return places.where(values[places] == column, -1)


def halves(groups: Tensor, images: int, seed: int) -> tuple[Tensor, Tensor]:
    """Two halves of the images of groups ``(N, B)``, as places in the flat groups: no image in both, none twice.

    Args:
        groups: rows of a table.
        images: of a half, at most.
        seed: of the halves.
    """
    first = torch.from_numpy(np.unique(groups.flatten().numpy(), return_index=True)[1])
    order = first[torch.randperm(len(first), generator=torch.Generator().manual_seed(seed))]
    half = min(images, len(order) // 2)
    return order[:half], order[half : 2 * half]


def translated(
    run: TrainedRun, network: nn.Module, halves: Sequence[Tensor], column: str, values: Sequence[str], seed: int
) -> tuple[dict[str, dict[str, Distance]], dict[str, str]]:
    """Distances of translations both ways, by direction and way; and why some are left out.

    Args:
        run: with beta.
        network: of the features.
        halves: rows of the reference, and of the other images, which are carried over and give the betas.
        column: of the values.
        values: two, by name or number; by default the first two domains.
        seed: of the groups.
    """
    table, kinds = run.table, two_kinds(run, None, column, values)
    conditions, names = list(kinds.values()), list(kinds)
    of_kind = [[rows[table.column(column)[rows] == condition[column]] for condition in conditions] for rows in halves]
    reference, other = of_kind
    if reason := too_few_images(min(map(len, (*reference, *other))), "images of a kind in a half"):
        return {}, {"translations": reason}
    least = min(map(len, other))
    size = min(run.data.group_size, least)
    drawn = groups_where(table, conditions, size, least // size, seed=seed, rows=halves[1], names=names).groups
    carried = translate_groups(run.model, table.images, drawn.unflatten(0, (2, -1)), partial(features_of, network))
    results, left_out = {}, {}
    for source, target in ((0, 1), (1, 0)):
        direction = f"{names[source]} to {names[target]}"
        shown = {FLOOR: features_of(network, table.images[other[target]])}
        shown |= {LABELS[way]: features.flatten(0, 1) for way, features in carried[source].items()}
        real = features_of(network, table.images[reference[target]])
        results[direction] = distances(real, shown, seed)
        if reason := few_for_fid(results[direction][FLOOR].images, network.num_features):
            left_out[f"FID, {direction}"] = reason
    return results, left_out


def cannot_translate(run: TrainedRun, values: Sequence[str]) -> str | None:
    """Why a run has no translations between two values, by default domains; None if it has."""
    return lacks_beta(run) or (None if values else no_domains(run))


def _no_labels(run: TrainedRun) -> str | None:
    return None if known_places(run.data.table("train")) else NO_LABELS


COMMAND = Command("image_quality", image_quality, "table", lacks_by_default=_no_labels)
