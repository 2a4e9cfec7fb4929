"""Fig. 7: t-SNE maps of beta, means and samples, of held-out groups by what their images share."""

from collections.abc import Sequence

from jsonargparse.typing import PositiveInt
from sklearn.metrics import silhouette_score
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from ugvae.data.known_groups import RANDOM, groups_where
from ugvae.errors import ConfigError
from ugvae.evaluation.encoding import encode_beta
from ugvae.evaluation.kinds import (
    ATTRIBUTE,
    DOMAIN,
    HAIR,
    MOST_VALUES,
    Condition,
    check_columns,
    check_images,
    count,
    known_values,
    of_column,
    of_values,
    with_and_without,
)
from ugvae.evaluation.minimum import too_few_points
from ugvae.evaluation.trained_run import TrainedRun, lacks_beta
from ugvae.experiments.paper.command import Command, Made
from ugvae.experiments.paper.common import Captioned, means_and_samples
from ugvae.plots.maps import tsne_figure

NO_KINDS = "the data have no attributes, and no column of 2 to 20 values"
CAPTIONS = {
    "mean": "Means average features, and averages differ between kinds even in an untrained network.",
    "sample": "A sample weighs the mean against its uncertainty: it shows what beta knows.",
}


def fig7(
    run: TrainedRun,
    has: Sequence[str] = (),
    attribute: Sequence[str] = (),
    column: str | None = None,
    values: Sequence[str] = (),
    group_size: PositiveInt = 128,
    mapped: PositiveInt = 60,
    seed: int = 0,
) -> Made:
    """Fig. 7: t-SNE maps of beta, means and samples, of held-out groups by what their images share.

    By default the groups of Table 1: Black_Hair, Blond_Hair, Male, not Male and random ones; of data without these
    attributes, groups of each value of a column: label or domain, or else the first that has 2 to 20 values.

    Args:
        run: with beta.
        has: images with this attribute
        attribute: images with it and without
        column: images of each of its values, in place of attributes
        values: of --column, by name or number; all by default
        group_size: images per group, fewer if a kind has fewer
        mapped: groups of each kind, and random ones
        seed: of the groups, the samples and t-SNE
    """
    kinds = asked_kinds(run, has, attribute, column, values)
    images = {name: count(run, condition) for name, condition in kinds.items()}
    size = min(group_size, *images.values())
    if reason := too_few_points(sum(images.values()), mapped * (len(kinds) + 1), size):
        raise ConfigError(f"mapped: {reason}")
    shown = groups_where(run.table, list(kinds.values()), size, mapped, mapped, seed, names=list(kinds))
    q = encode_beta(run.model, run.table.images, shown.groups)
    points = means_and_samples(q, seed)
    figures, silhouettes = {}, {}
    for kind, article in (("mean", "the"), ("sample", "a")):
        model = type(run.model).__name__
        title = f"t-SNE of {article} {kind} of beta, {model}, held-out groups of {size}"
        caption = (
            f"A point per group of held-out images, posterior {kind} of beta. Do the kinds lie apart? {CAPTIONS[kind]}"
        )
        figure = tsne_figure(points[kind], shown.labels, shown.names, title, seed=seed)
        figures[f"fig7_{kind}"] = Captioned(figure, caption)
        silhouettes[kind] = separation(points[kind], shown.labels)
    return Made({"group_size": size, "images": images, "silhouette": silhouettes}, figures)


def default_kinds(run: TrainedRun) -> dict[str, Condition]:
    """The paper's kinds if the data have them, else the values of a column; empty if there is none."""
    columns = run.table.columns
    if all(name in columns for name in (*HAIR, ATTRIBUTE)):
        return {name: {name: 1} for name in HAIR} | with_and_without(ATTRIBUTE)
    for column in dict.fromkeys(("label", DOMAIN, *sorted(columns))):
        if column in columns and 1 < len(known_values(run, column)) <= MOST_VALUES:
            return of_values(run, column, known_values(run, column))
    return {}


def asked_kinds(
    run: TrainedRun, has: Sequence[str], attributes: Sequence[str], column: str | None, values: Sequence[str]
) -> dict[str, Condition]:
    """Conditions of the kinds of group, by name.

    Raises:
        ConfigError: the data lack a column, a kind has no images, or there is nothing to compare.
    """
    kinds = {name: {name: 1} for name in has}
    for name in attributes:
        kinds |= with_and_without(name)
    check_columns(run, kinds.values(), "has, attribute")
    if values and not column:
        raise ConfigError("values: name their column by --column")
    if column:
        kinds |= of_column(run, column, values)
    kinds = kinds or default_kinds(run)
    if not kinds:
        raise ConfigError(f"column: {NO_KINDS}")
    check_images(run, kinds)
    return kinds


def separation(points: Tensor, labels: Tensor) -> float | None:
    """The silhouette of the kinds in standardised ``points (N, beta_dim)``, random groups left out; −1 to 1."""
    kept = labels != RANDOM
    if not 1 < len(labels[kept].unique()) < int(kept.sum()):
        return None
    scaled = StandardScaler().fit_transform(points[kept].float().numpy())
    return float(silhouette_score(scaled, labels[kept].numpy()))


def _no_default_kinds(run: TrainedRun) -> str | None:
    return None if default_kinds(run) else NO_KINDS


FIG7 = Command("fig7", fig7, "figure", lacks_beta, _no_default_kinds)
