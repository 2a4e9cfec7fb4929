"""Translation against the true image, on crossed data: every content is there once in every domain.

The icon set is such data: what an icon looks like in another style is known. So a translation is compared with it,
pixel by pixel, and not only judged. Beside it stand the reconstruction of the true image, which is about the best that
a decoder can do, the source as it is, and the mean image of the target domain.

Axes: D domains, S contents, N groups, B images per group, M = N B images, C channels, H and W pixels.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import chain, permutations
from statistics import fmean
from typing import NamedTuple

import torch
from torch import Tensor

from ugvae.data.crossing import Crossing
from ugvae.data.table import ImageTable
from ugvae.evaluation.encoding import encode_groups
from ugvae.evaluation.judges import Judge, fit_judge, judge_rows, pixels
from ugvae.evaluation.reconstruction import ssim_metric
from ugvae.evaluation.ways import LABELS, PLAIN, decode_ways, global_side
from ugvae.models.base import BaseVAE

TRUE, COPY, MEAN = "true image", "copy", "mean image"
SHOWN = {  # what is compared with the true image, for tables
    TRUE: "the true image itself",
    **LABELS,
    PLAIN: "reconstruction of the true image",
    COPY: "the source itself",
    MEAN: "mean image of the target",
}


@dataclass(frozen=True)
class Nearness:
    """How near images of one pair of domains come to the true ones.

    Attributes:
        rmse: root of the mean squared error of a pixel in [0, 1].
        domain: share judged to be of the target domain, by the pixels.
        content: share whose nearest real image of the target domain, in Euclidean distance, is the true one.
        ssim: structural similarity, mean over the images, 1 at best; None for images of fewer than 5 pixels a side.
    """

    rmse: float
    domain: float
    content: float
    ssim: float | None = None


@dataclass(frozen=True)
class Crossed:
    """Translations of every domain into every other one, compared with the true images.

    Attributes:
        column: of the domains.
        content: the column of what a translation keeps, such as the icon.
        domains: names of the domains.
        contents: S, the candidates of which the true one is to be found; chance is 1/S.
        group_size: B.
        groups: N in each domain. A group gets the beta of the next group of the other domain, of other contents.
        pairs: by what is compared, as in ``SHOWN``, and by pair, such as ``thin to bold``.
    """

    column: str
    content: str
    domains: list[str]
    contents: int
    group_size: int
    groups: int
    pairs: dict[str, dict[str, Nearness]]

    def mean(self, shown: str) -> Nearness:
        """The mean over the pairs of what is compared."""
        return Nearness(**{measure: fmean(values) for measure, values in self._measured(shown).items()})

    def worst(self, shown: str) -> Nearness:
        """What is compared in the worst pair, which may be another one for every measure."""
        worst = {"rmse": max}
        return Nearness(
            **{measure: worst.get(measure, min)(values) for measure, values in self._measured(shown).items()}
        )

    def _measured(self, shown: str) -> dict[str, list[float]]:
        """The values of all pairs by measure, without those that were not taken."""
        rows = [asdict(nearness) for nearness in self.pairs[shown].values()]
        return {measure: [row[measure] for row in rows] for measure, value in rows[0].items() if value is not None}


@torch.no_grad()
def crossed_translation(
    model: BaseVAE,
    train: ImageTable,
    test: ImageTable,
    crossing: Crossing,
    names: Sequence[str],
    group_size: int = 128,
    judge_images: int = 2000,
    seed: int = 0,
) -> Crossed:
    """Compares translations between all domains, in all ways, with the true images.

    Args:
        model: with beta, in eval mode.
        train: real images that the judge learns from, and whose mean is the mean image.
        test: held-out images to translate.
        crossing: of the held-out images.
        names: of the domains.
        group_size: B; fewer if there are fewer than 2 B contents.
        judge_images: real images of each domain that the judge learns from, at most.
        seed: of the groups and of the judge's images.

    Raises:
        ConfigError: no training images of a domain.
    """
    values = train.columns[crossing.column]
    learned = judge_rows(train, crossing.column, crossing.domains, judge_images, seed)
    judge = fit_judge(train.images[learned], values[learned])
    groups = crossing.groups(group_size, seed)
    places = range(len(crossing.domains))
    plain = translate_pairs(model, test.images, crossing, groups, [(place, place) for place in places])
    targets: list[Target] = []
    references: list[dict[str, Nearness]] = []  # of every target, whatever the source
    for value, rows, reconstructed in zip(crossing.domains, crossing.rows, plain, strict=True):
        target = Target(test.images[rows] / 255, groups.flatten(), value, judge)
        mean = (train.images[learned[values[learned] == value]] / 255).mean(0)
        shown = {TRUE: target.true, PLAIN: reconstructed[PLAIN], MEAN: mean.expand_as(target.true)}
        references.append({what: target.nearness(images) for what, images in shown.items()})
        targets.append(target)
    pairs: dict[str, dict[str, Nearness]] = {what: {} for what in SHOWN}
    orders = list(permutations(places, 2))
    for (source, aim), shown in zip(orders, translate_pairs(model, test.images, crossing, groups, orders), strict=True):
        compared = shown | {COPY: targets[source].true}
        reached = {what: targets[aim].nearness(images) for what, images in compared.items()} | references[aim]
        for what, nearness in reached.items():
            pairs[what][f"{names[source]} to {names[aim]}"] = nearness
    return Crossed(
        column=crossing.column,
        content=crossing.content,
        domains=list(names),
        contents=crossing.rows.shape[1],
        group_size=groups.shape[1],
        groups=len(groups),
        pairs={what: reached for what, reached in pairs.items() if reached},  # not every model has every way
    )


@torch.no_grad()
def translate_pairs(
    model: BaseVAE, images: Tensor, crossing: Crossing, groups: Tensor, pairs: Sequence[tuple[int, int]]
) -> Iterator[dict[str, Tensor]]:
    """Decodes all groups of one domain, in all ways, with the betas of groups of another domain, at posterior means.

    Group n gets the beta of group n + 1, so that no beta has seen the true images.

    Args:
        model: in eval mode.
        images: uint8 table.
        crossing: of the table.
        groups: contents ``(N, B)``.
        pairs: places of source and target among the domains.

    Yields:
        for every pair the decoded images ``(M, C, H, W)``, by the ways of ``decode_ways``.
    """
    posteriors = {place: encode_groups(model, images, crossing.rows[place][groups]) for place in {*chain(*pairs)}}
    for source, target in pairs:
        parts: dict[str, list[Tensor]] = {}
        for number, rows in enumerate(crossing.rows[source][groups]):
            other = global_side(posteriors[target], (number + 1) % len(groups))
            own = global_side(posteriors[source], number)
            for way, decoded in decode_ways(model, images[rows].unsqueeze(0), own, other).items():
                parts.setdefault(way, []).append(decoded[0].float().cpu())
        yield {way: torch.cat(decoded) for way, decoded in parts.items()}


class Target(NamedTuple):
    """The domain that images are carried into, and what they are compared with.

    Attributes:
        real: all its held-out images, ``(S, C, H, W)`` in [0, 1].
        wanted: which of them are the true ones, ``(M,)``.
        value: of the domain.
        judge: of the domain.
    """

    real: Tensor
    wanted: Tensor
    value: int
    judge: Judge

    @property
    def true(self) -> Tensor:
        """The true images, ``(M, C, H, W)``."""
        return self.real[self.wanted]

    def nearness(self, shown: Tensor) -> Nearness:
        """How near images ``(M, C, H, W)`` are to the true ones."""
        distances = torch.cdist(shown.flatten(1), self.real.flatten(1))
        if ssim := ssim_metric(min(shown.shape[2:])):
            ssim.update(shown, self.true)
        return Nearness(
            rmse=float((shown - self.true).square().mean().sqrt()),
            domain=float((self.judge(pixels(shown)) == self.value).mean()),
            content=float((distances.argmin(1) == self.wanted).double().mean()),
            ssim=None if ssim is None else float(ssim.compute()),
        )
