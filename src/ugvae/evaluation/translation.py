"""Whether beta controls the domain of an image (Fig. 5), and what content survives, judged by pixels.

The judges never see the model: classifiers of pixels, trained on real images. What they say of plain reconstructions
is the reference for what they say of translations.

Axes: N groups, B images per group, M images, C channels, H and W pixels.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from einops import rearrange
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from datamodules.structured import groups_where
from datamodules.table import ImageTable
from ugvae.errors import ConfigError
from ugvae.evaluation.encoding import encode_groups
from ugvae.models.base import GroupVAE

JUDGED_PIXELS = 16  # H = W that a judge sees, at most
WAYS = {"fixed": False, "transported": True}


def pixels(images: Tensor) -> np.ndarray:
    """What a judge sees of float images ``(M, C, H, W)`` in [0, 1]: flat, at most 16×16, by averages of areas."""
    size = [min(side, JUDGED_PIXELS) for side in images.shape[-2:]]
    return adaptive_avg_pool2d(images.float(), size).flatten(1).cpu().numpy()


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
    seed: int = 0,
) -> dict[str, Any]:
    """How often decode(z of A, beta of B) is an image of B, and keeps its content, with fixed and transported z.

    Both betas are posterior means, each of a group of its domain alone; group n of A gets the beta of group n of B.

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
        judge_images: real images of each domain that a judge learns from, at most.
        seed: of the draws.

    Returns:
        ready for JSON. By direction ``A to B``: ``domain``, the shares of ``reconstruction``, ``fixed`` and
        ``transported`` images that are judged to be of B; ``content``, the shares of the same judged to show the
        source's content. ``judges``: their accuracy on real test images, by domain.

    Raises:
        ConfigError: a model that cannot translate, or data without the two domains.
    """
    if not model.beta_dim or not hasattr(model, "translate"):
        raise ConfigError(f"model: {type(model).__name__} has no beta to translate with")
    counts = [int((test.columns[column] == each).sum()) if column in test.columns else 0 for each in domains]
    if not min(counts):
        raise ConfigError(f"data: translation takes test images of {column} {domains[0]} and {domains[1]}")
    size = min(group_size, *counts)
    drawn = groups_where(test, [{column: each} for each in domains], size, num_groups, seed=seed)
    groups = [drawn.groups[drawn.labels == side] for side in (0, 1)]
    betas = [encode_groups(model, test.images, each).beta.mean for each in groups]
    shown = [_translations(model, test.images, groups[side], betas[side], betas[1 - side]) for side in (0, 1)]
    learned = _judge_rows(train, column, domains, judge_images, seed)
    judges = {"domain": (column, fit_judge(train.images[learned], train.columns[column][learned]))}
    reason = _no_content(train, test, learned, groups, content)
    if reason is None:
        known = learned[train.columns[content][learned] >= 0]
        judges["content"] = (content, fit_judge(train.images[known], train.columns[content][known]))
    rates: dict[str, Any] = {}
    for side in (0, 1):
        rates[f"{'AB'[side]} to {'BA'[side]}"] = {
            name: {
                way: _share(judge, seen, test.columns[of][groups[side].flatten()], domains[1 - side], name)
                for way, seen in shown[side].items()
            }
            for name, (of, judge) in judges.items()
        }
    return {
        "model": type(model).__name__,
        "domains": {"column": column, "A": domains[0], "B": domains[1]},
        "content": {"column": content, "left_out": reason},
        "group_size": size,
        "groups": num_groups,
        "seed": seed,
        "judges": {name: _check_judge(judge, test, of, groups) for name, (of, judge) in judges.items()},
        "rates": rates,
    }


def _translations(model: GroupVAE, images: Tensor, groups: Tensor, own: Tensor, other: Tensor) -> dict[str, np.ndarray]:
    """What a judge sees of the groups ``(N, B)``, decoded with their own beta ``(N, beta_dim)`` and with the other."""
    seen: dict[str, list[np.ndarray]] = {}
    for number, group in enumerate(groups):
        source = model.to_unit(images[group].to(model.device)).unsqueeze(0)
        ours, theirs = (beta[number : number + 1].to(model.device) for beta in (own, other))
        decoded = {"reconstruction": model.translate(source, ours, ours, transport=False)}
        decoded |= {way: model.translate(source, ours, theirs, transport=value) for way, value in WAYS.items()}
        for way, result in decoded.items():
            seen.setdefault(way, []).append(pixels(rearrange(result, "g b c h w -> (g b) c h w")))
    return {way: np.concatenate(parts) for way, parts in seen.items()}


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
