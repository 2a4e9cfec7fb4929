"""Whether beta controls the domain of an image (Fig. 5), and what content survives, judged by pixels.

The judges are classifiers of pixels, trained on real images, and readings of pixels (``content``); they never see the
model. Their answers for plain reconstructions are the reference for their answers for translations.

Axes: N groups, B images per group, M images, C channels, H and W pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch

from ugvae.data.table import ImageTable
from ugvae.errors import ConfigError
from ugvae.evaluation.content import Probe, Survey, probe_survey, survey
from ugvae.evaluation.crossed import Crossed
from ugvae.evaluation.judges import (
    fit_judge,
    judge_accuracy,
    judge_rows,
    judged_share,
    pixels,
    real_images,
    why_no_content,
)
from ugvae.evaluation.ways import CONTROL, PLAIN, WAYS, domain_groups, translate_groups
from ugvae.models.base import BaseVAE

DIRECTIONS = ("A to B", "B to A")


@dataclass(frozen=True)
class Domains:
    """The two domains: values of a column, and their names by ``A`` and ``B``."""

    column: str
    A: int
    B: int
    names: dict[str, str] | None = None

    def named(self, direction: str) -> str:
        """A direction such as ``A to B`` with the names of the domains."""
        names = self.names or {"A": f"{self.column} {self.A}", "B": f"{self.column} {self.B}"}
        return direction.translate(str.maketrans(names))


@dataclass(frozen=True)
class Content:
    """The column that a translation should keep; ``left_out`` says why it was not judged, None if it was."""

    column: str | None = None
    left_out: str | None = None


@dataclass(frozen=True)
class Rates:
    """Shares of the images of one direction, by way.

    Attributes:
        domain: judged to be of the other domain.
        content: judged to show the content of the source; None if there is no judge of it.
    """

    domain: dict[str, float]
    content: dict[str, float] | None = None


@dataclass(frozen=True)
class Translation:
    """What translation between two domains does.

    Attributes:
        domains: A and B.
        content: the column to be kept.
        group_size: B.
        groups: N of each domain.
        judges: accuracy on real test images, by judge (``domain``, ``content``) and by ``A`` and ``B``; with the share
            of the commonest value as ``A commonest`` and ``B commonest``.
        rates: by direction ``A to B`` and ``B to A``. The ways are ``reconstruction``, ``fixed``, ``transported``,
            ``matched``, and of those that move z the control ``…, own beta``: the same z without another beta.
        survives: by direction, what is kept, measured without labels.
        probes: by column.
        seed: of the draws.
        model: name of its class.
        crossed: translations between all domains beside the true images, where the data have these.
        validation: the same of the validation split, where the best way is chosen; None if not measured.
    """

    domains: Domains
    content: Content
    group_size: int
    groups: int
    judges: dict[str, dict[str, float]]
    rates: dict[str, Rates]
    survives: dict[str, Survey] = field(default_factory=dict)
    probes: dict[str, Probe] = field(default_factory=dict)
    seed: int | None = None
    model: str | None = None
    crossed: Crossed | None = None
    validation: "Translation | None" = None

    @property
    def ways(self) -> list[str]:
        """The ways in which z was carried, in every direction."""
        return [way for way in WAYS if all(way in rates.domain for rates in self.rates.values())]

    def worst(self, judge: Literal["domain", "content"], way: str) -> float:
        """A rate in the worse of both directions."""
        return min(getattr(rates, judge)[way] for rates in self.rates.values())

    def earned(self, way: str) -> float | None:
        """What the other beta adds to the rate of translation beyond the control of the way, the worse direction.

        None if the control was not measured.
        """
        control = CONTROL[way]
        if any(control not in rates.domain for rates in self.rates.values()):
            return None
        return min(rates.domain[way] - rates.domain[control] for rates in self.rates.values())

    def shares_of_reference(self, way: str) -> dict[str, float]:
        """What is kept over what a plain reconstruction keeps, the worse direction, by reading and ``retrieval``."""
        shares: dict[str, float] = {}
        for result in self.survives.values():
            values = {name: (ways[way].spearman, ways[PLAIN].spearman) for name, ways in result.readings.items()} | {
                "retrieval": (result.retrieval[way], result.retrieval[PLAIN])
            }
            for name, (ours, plain) in values.items():
                share = max(0.0, ours / plain) if plain > 0 else 0.0
                shares[name] = min(share, shares.get(name, share))
        return shares

    def kept(self, way: str) -> float:
        """What is kept in the worse direction: the content, or else the least of the shares of the reference."""
        if "content" in self.judges:
            return self.worst("content", way)
        return min(self.shares_of_reference(way).values())


@torch.no_grad()
def translation_rates(
    model: BaseVAE,
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
) -> Translation:
    """How often decode(z of A, beta of B) is an image of B, and keeps its content, by what is done to z.

    Both betas are posterior means, each of a group of one domain; group n of A gets the beta of group n of B. Its z
    stay as they are (fixed, as in the paper), are transported by the model's own mixture, or matched: moved and
    scaled, dimension by dimension, to the mean and s.d. of z in the group of B.

    Args:
        model: with beta, in eval mode.
        train: real images that the judges learn from.
        test: held-out images to translate.
        domains: the two values of the column.
        column: of the domain.
        content: a column with a meaning in both domains, such as the digit; values below 0 are unknown. Not judged if
            the data do not have it.
        group_size: B; fewer if a domain has fewer test images.
        num_groups: N of each domain.
        judge_images: real images of each domain that a judge or probe learns from, at most.
        probes: columns of numbers that at least one domain has, such as the azimuth; below 0 is unknown.
        seed: of the draws.

    Raises:
        ConfigError: a model that cannot translate, or data without the two domains.
    """
    if not model.beta_dim:
        raise ConfigError(f"model: {type(model).__name__} has no beta to translate with")
    counts = [int((test.columns[column] == value).sum()) if column in test.columns else 0 for value in domains]
    if not min(counts):
        raise ConfigError(f"data: translation takes test images of {column} {domains[0]} and {domains[1]}")
    size = min(group_size, *counts)
    groups = domain_groups(test, domains, column, size, num_groups, seed)
    shown = translate_groups(model, test.images, groups)
    learned = judge_rows(train, column, domains, judge_images, seed)
    judges = {"domain": (column, fit_judge(train.images[learned], train.columns[column][learned]))}
    reason = why_no_content(train, test, learned, groups, content)
    if reason is None:
        known = learned[train.columns[content][learned] >= 0]
        judges["content"] = (content, fit_judge(train.images[known], train.columns[content][known]))
    rates = {}
    for side, direction in enumerate(DIRECTIONS):
        values = {name: test.columns[judged][groups[side].flatten()] for name, (judged, _) in judges.items()}
        rates[direction] = Rates(
            **{
                name: {
                    way: judged_share(
                        judge, pixels(decoded), values[name], domains[1 - side] if name == "domain" else None
                    )
                    for way, decoded in shown[side].items()
                }
                for name, (_, judge) in judges.items()
            }
        )
    sources = [real_images(test, rows) for rows in groups]
    return Translation(
        domains=Domains(column, *domains),
        content=Content(content, reason),
        group_size=size,
        groups=num_groups,
        judges={name: judge_accuracy(judge, test, judged, groups) for name, (judged, judge) in judges.items()},
        rates=rates,
        survives={direction: survey(sources[side], shown[side], seed) for side, direction in enumerate(DIRECTIONS)},
        probes={
            name: probe_survey(
                (real_images(train, learned), train.columns[name][learned]),
                [(sources[side], test.columns[name][groups[side]]) for side in (0, 1)],
                dict(zip(DIRECTIONS, shown, strict=True)),
                seed,
            )
            for name in probes
        },
        seed=seed,
        model=type(model).__name__,
    )
