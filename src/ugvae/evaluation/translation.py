"""Whether beta controls the domain of an image (Fig. 5), and what content survives, judged by pixels.

The judges never see the model: classifiers of pixels, trained on real images, and readings of pixels (``content``).
What they say of plain reconstructions is the reference for what they say of translations.

Axes: N groups, B images per group, M images, C channels, H and W pixels.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, get_args

import numpy as np
import torch
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from torch import Tensor

from ugvae.data.known_groups import groups_where
from ugvae.data.table import ImageTable
from ugvae.distributions import DiagonalGaussian, match_moments, moments
from ugvae.errors import ConfigError
from ugvae.evaluation.content import pooled, probe_survey, survey
from ugvae.evaluation.encoding import encode_groups
from ugvae.models.base import GroupVAE
from ugvae.models.bound import Posterior, Way

CARRIED: tuple[Way, ...] = get_args(Way)  # by the model alone
WAYS = (*CARRIED, "matched")
Z_ALONE = "matched, own beta"  # the control: what moving z does without beta
DIRECTIONS = ("A to B", "B to A")


def pixels(images: Tensor) -> np.ndarray:
    """What a judge sees of float images ``(..., C, H, W)`` in [0, 1]: flat, at most 16×16, by averages of areas."""
    return pooled(images.flatten(0, -4)).flatten(1).numpy()


def fit_judge(images: Tensor, values: Tensor) -> Pipeline:
    """A classifier of pixels: an RBF support vector machine, its classes weighted alike.

    Args:
        images: real uint8 images ``(M, C, H, W)``.
        values: what to tell, integers ``(M,)`` of two values or more.
    """
    scaler = StandardScaler(with_std=False)  # pixels have one unit; the dark margin's noise is not to be blown up
    return make_pipeline(scaler, SVC(C=10, class_weight="balanced")).fit(pixels(images / 255), values.numpy())


@torch.no_grad()
def translation_rates(
    model: GroupVAE,
    train: ImageTable,
    test: ImageTable,
    domains: tuple[int, int] = (0, 1),
    column: str = "domain",
    content: str | None = "label",
    group_size: int = 128,
    num_groups: int = 4,
    judge_images: int = 2000,
    probes: Sequence[str] = (),
    seed: int = 0,
) -> dict[str, Any]:
    """How often decode(z of A, beta of B) is an image of B, and keeps its content, by what is done to z.

    Both betas are posterior means, each of a group of its domain alone; group n of A gets the beta of group n of B.
    Its z stay as they are (fixed, the paper's), are transported by the model's own mixture, or matched: moved and
    scaled, each dimension by itself, to the mean and s.d. of z in the group of B.

    Args:
        model: with ``translate``, in eval mode.
        train: real images that the judges learn from.
        test: held-out images to translate.
        domains: the two values of the column.
        column: that tells the domains.
        content: a column with a meaning in both domains, such as the digit; values below 0 are unknown. Left out,
            and said so, if the data do not have it.
        group_size: B; fewer if a domain has fewer test images.
        num_groups: N of each domain.
        judge_images: real images of each domain that a judge or probe learns from, at most.
        probes: columns of numbers that one domain has at least, such as the azimuth; below 0 is unknown.
        seed: of the draws.

    Returns:
        ready for JSON. ``rates`` by direction ``A to B``: ``domain``, the shares of ``reconstruction``, ``fixed``,
        ``transported`` and ``matched`` images that are judged to be of B, and of those with matched z under their own
        beta, the control that says whether beta is needed; ``content``, the shares of the same judged to show the
        source's content. ``judges``: their accuracy on real test images, by domain. ``survives`` by direction: what
        ``content.survey`` says, without labels. ``probes`` by column: what ``content.probe_survey`` says.

    Raises:
        ConfigError: a model that cannot translate, or data without the two domains.
    """
    if not model.beta_dim or not hasattr(model, "translate"):
        raise ConfigError(f"model: {type(model).__name__} has no beta to translate with")
    counts = [int((test.columns[column] == each).sum()) if column in test.columns else 0 for each in domains]
    if not min(counts):
        raise ConfigError(f"data: translation takes test images of {column} {domains[0]} and {domains[1]}")
    size = min(group_size, *counts)
    groups = domain_groups(test, domains, column, size, num_groups, seed)
    shown = translate_groups(model, test.images, groups)
    learned = _judge_rows(train, column, domains, judge_images, seed)
    judges = {"domain": (column, fit_judge(train.images[learned], train.columns[column][learned]))}
    reason = _no_content(train, test, learned, groups, content)
    if reason is None:
        known = learned[train.columns[content][learned] >= 0]
        judges["content"] = (content, fit_judge(train.images[known], train.columns[content][known]))
    rates: dict[str, Any] = {}
    for side, direction in enumerate(DIRECTIONS):
        rates[direction] = {
            name: {
                way: _share(judge, pixels(seen), test.columns[of][groups[side].flatten()], domains[1 - side], name)
                for way, seen in shown[side].items()
            }
            for name, (of, judge) in judges.items()
        }
    sources = [_real(test, each) for each in groups]
    return {
        "model": type(model).__name__,
        "domains": {"column": column, "A": domains[0], "B": domains[1]},
        "content": {"column": content, "left_out": reason},
        "group_size": size,
        "groups": num_groups,
        "seed": seed,
        "judges": {name: _check_judge(judge, test, of, groups) for name, (of, judge) in judges.items()},
        "rates": rates,
        "survives": {direction: survey(sources[side], shown[side], seed) for side, direction in enumerate(DIRECTIONS)},
        "probes": {
            name: probe_survey(
                (_real(train, learned), train.columns[name][learned]),
                [(sources[side], test.columns[name][groups[side]]) for side in (0, 1)],
                dict(zip(DIRECTIONS, shown, strict=True)),
                seed,
            )
            for name in probes
        },
    }


def domain_groups(
    table: ImageTable, domains: Sequence[int], column: str, group_size: int, num_groups: int, seed: int = 0
) -> list[Tensor]:
    """Rows ``(N, B)`` of each of the domains alone."""
    drawn = groups_where(table, [{column: each} for each in domains], group_size, num_groups, seed=seed)
    return [drawn.groups[drawn.labels == side] for side in range(len(domains))]


def translate_groups(model: GroupVAE, images: Tensor, groups: Sequence[Tensor]) -> list[dict[str, Tensor]]:
    """Group n of each domain by its own beta, and by that of group n of the other, at posterior means.

    Args:
        model: in eval mode.
        images: uint8 ``(M, C, H, W)``.
        groups: rows ``(N, B)`` of either domain.

    Returns:
        for each domain what was decoded, pooled, ``(N, B, C, H, W)``: ``reconstruction``, ``WAYS``, ``Z_ALONE``.
    """
    posteriors = [encode_groups(model, images, each) for each in groups]
    results: list[dict[str, Tensor]] = []
    for side, own in enumerate(posteriors):
        parts: dict[str, list[Tensor]] = {}
        for number, group in enumerate(groups[side]):
            ours, theirs = (global_side(each, number) for each in (own, posteriors[1 - side]))
            for way, result in decode_ways(model, images[group].unsqueeze(0), ours, theirs).items():
                parts.setdefault(way, []).append(pooled(result[0]))
        results.append({way: torch.stack(each) for way, each in parts.items()})
    return results


class GlobalSide(NamedTuple):
    """What a group gives to a translation.

    Attributes:
        beta: posterior mean, ``(1, beta_dim)``.
        z: mean and variance of its posterior means of z, ``(1, z_dim)``.
    """

    beta: Tensor
    z: DiagonalGaussian


def global_side(posterior: Posterior, group: int) -> GlobalSide:
    """That of one group of a posterior."""
    part = slice(group, group + 1)
    return GlobalSide(posterior.beta.mean[part], moments(posterior.z.mean[part]))


@torch.no_grad()
def decode_ways(model: GroupVAE, images: Tensor, own: GlobalSide, other: GlobalSide) -> dict[str, Tensor]:
    """A uint8 group ``(1, B, C, H, W)``, or some of it, decoded with its own beta, and in all ways with another's."""
    ours, theirs = (each.beta.to(model.device) for each in (own, other))
    plain = {"reconstruction": model.translate(images, ours, ours, "fixed")}
    carried = {way: model.translate(images, ours, theirs, way) for way in CARRIED}
    z = match_moments(model.infer(images).z.mean.cpu(), own.z, other.z).to(model.device)
    return plain | carried | {"matched": model.decode(z, theirs), Z_ALONE: model.decode(z, ours)}


def _real(table: ImageTable, rows: Tensor) -> Tensor:
    """Real images of rows ``(..., )``, pooled, ``(..., C, H, W)``."""
    return pooled(table.images[rows.flatten()] / 255).unflatten(0, rows.shape)


def _judge_rows(train: ImageTable, column: str, domains: Sequence[int], count: int, seed: int) -> Tensor:
    """As many training rows of each domain as there are, up to ``count``, drawn at random."""
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(seed))
    values = train.columns[column][order]
    parts = [order[values == each][:count] for each in domains]
    if not all(map(len, parts)):
        raise ConfigError(f"data: no training images of {column} {domains[0]} or {domains[1]}")
    return torch.cat(parts)


def _no_content(
    train: ImageTable, test: ImageTable, learned: Tensor, groups: Sequence[Tensor], content: str | None
) -> str | None:
    """Why the content cannot be judged; None if it can."""
    if content is None or content not in train.columns or content not in test.columns:
        return "no such column in both domains"
    values = train.columns[content][learned]
    if len(values[values >= 0].unique()) < 2:
        return "the training images have fewer than two values"
    if not all((test.columns[content][each] >= 0).any() for each in groups):
        return "a domain's test images have no value"
    return None


def _share(judge: Pipeline, seen: np.ndarray, values: Tensor, target: int, name: str) -> float:
    """Share of the images judged to be of the target domain, or to have the content ``values (M,)`` they came with."""
    if name == "domain":
        return float((judge.predict(seen) == target).mean())
    known = (values >= 0).numpy()
    return float((judge.predict(seen[known]) == values.numpy()[known]).mean())


def _check_judge(judge: Pipeline, test: ImageTable, column: str, groups: Sequence[Tensor]) -> dict[str, float]:
    """A judge's accuracy on the real images of each domain; of a content, also that of the commonest value."""
    result = {}
    for side, each in zip("AB", groups, strict=True):
        rows = each.flatten().unique()
        rows = rows[test.columns[column][rows] >= 0]
        values = test.columns[column][rows]
        result[side] = float(judge.score(pixels(test.images[rows] / 255), values.numpy()))
        result[f"{side} commonest"] = float(values.unique(return_counts=True)[1].max() / len(values))
    return result
