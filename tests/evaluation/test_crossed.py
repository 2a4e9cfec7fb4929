"""Translations against the true image: hand-made models that translate perfectly, copy, or lose the content."""

import json
import math

import pytest
import torch
from torch import Tensor, nn

from tests.helpers.small_models import make
from ugvae.data.crossing import find_crossing
from ugvae.data.table import ImageTable
from ugvae.distributions import DiagonalGaussian
from ugvae.errors import ConfigError
from ugvae.evaluation.crossed import COPY, MEAN, SHOWN, TRUE, Crossed, Nearness, crossed_translation
from ugvae.evaluation.results import from_json, to_json
from ugvae.evaluation.ways import CARRIED, CONTROL, LABELS, PLAIN
from ugvae.models import MLVAE, UGVAE
from ugvae.models.bound import Posterior

LEVELS = (0.0, 0.2, 0.6)  # of the left half: the domain
CONTENTS, BRIGHT = 8, 0.4  # the row of the right half that is bright: the content
NAMES = ["dark", "grey", "light"]


def make_table() -> ImageTable:
    """8×8 images of every domain with every content."""
    images = torch.zeros(len(LEVELS), CONTENTS, 1, 8, 8)
    images[..., :4] = torch.tensor(LEVELS).view(-1, 1, 1, 1, 1)
    images[:, torch.arange(CONTENTS), 0, torch.arange(CONTENTS), 4:] = BRIGHT
    domain, content = torch.cartesian_prod(torch.arange(len(LEVELS)), torch.arange(CONTENTS)).unbind(1)
    return ImageTable((images * 255).round().to(torch.uint8).flatten(0, 1), {"style": domain, "icon": content})


MIXING = torch.linalg.qr(torch.randn(8, 8, generator=torch.Generator().manual_seed(0))).Q  # so that all of z varies


class ByHand(nn.Module):
    """Beta is the left half, z says which rows of the right half are bright. Decoding draws both.

    With ``uses`` of "copies" the left half of the source stays, whatever beta; with "forgets" the right half is black.
    """

    beta_dim, num_components, dtype, device = 1, 1, torch.float32, "cpu"

    def __init__(self, uses: str) -> None:
        super().__init__()
        self.uses = uses

    def infer(self, images: Tensor) -> Posterior:
        images = images / 255
        beta = images[..., :4].mean((1, 2, 3, 4)).unsqueeze(-1)
        z = images[..., 0, :, 7] @ MIXING
        return Posterior(DiagonalGaussian(z, z), torch.ones(*z.shape[:2], 1), DiagonalGaussian(beta, beta))

    def prior(self, beta: Tensor) -> DiagonalGaussian:
        return DiagonalGaussian(torch.zeros(1, 1, 8), torch.zeros(1, 1, 8))

    def decode(self, z: Tensor, beta: Tensor) -> Tensor:
        right = (z @ MIXING.T).clamp(0, 1).view(*z.shape[:2], 1, 8, 1).expand(-1, -1, -1, -1, 4)
        return torch.cat([beta.view(-1, 1, 1, 1, 1).expand_as(right), right], -1)

    def translate(self, images: Tensor, beta_from: Tensor, beta_to: Tensor, way: str = "transported") -> Tensor:
        if self.uses == "copies":
            return images / 255
        z = self.infer(images).z.mean
        return self.decode(z * 0 if self.uses == "forgets" else z, beta_to)


def compare(model: nn.Module, table: ImageTable | None = None, group_size: int = 4) -> Crossed:
    table = table or make_table()
    return crossed_translation(model, table, table, find_crossing(table, "style", range(3)), NAMES, group_size)


def error_of(levels: tuple[float, float]) -> float:
    """Root mean squared error of two images whose left halves differ, of the bytes that the table holds."""
    first, second = (round(level * 255) / 255 for level in levels)
    return abs(first - second) / math.sqrt(2)


def test_perfect_translation() -> None:
    result = compare(ByHand("all"))
    assert from_json(Crossed, json.loads(json.dumps(to_json(result)))) == result
    assert (result.column, result.content, result.domains) == ("style", "icon", NAMES)
    assert (result.contents, result.group_size, result.groups) == (8, 4, 2)
    assert list(result.pairs) == list(SHOWN)
    pairs = [f"{first} to {second}" for first in NAMES for second in NAMES if first != second]
    for what in (TRUE, PLAIN, *CARRIED):
        assert list(result.pairs[what]) == pairs
        for nearness in result.pairs[what].values():
            assert nearness.rmse == pytest.approx(0, abs=1e-6)
            assert nearness.ssim == pytest.approx(1, abs=1e-3)
            assert (nearness.domain, nearness.content) == (1, 1)


@pytest.mark.parametrize("uses", ["all", "copies", "forgets"])
def test_references_do_not_depend_on_the_model(uses: str) -> None:
    result = compare(ByHand(uses))
    for first, source in zip(LEVELS, NAMES, strict=True):
        for second, target in zip(LEVELS, NAMES, strict=True):
            if source == target:
                continue
            copy, mean = (result.pairs[what][f"{source} to {target}"] for what in (COPY, MEAN))
            assert copy.rmse == pytest.approx(error_of((first, second)), abs=1e-6)
            assert (copy.domain, copy.content) == (0, 1)
            assert copy.ssim < 1
            bright = BRIGHT / 8
            spread = math.sqrt(((BRIGHT - bright) ** 2 / 8 + bright**2 * 7 / 8) / 2)  # of the right half
            assert mean.rmse == pytest.approx(spread, abs=1e-3)
            assert (mean.domain, mean.content) == (1, 1 / 8)


def test_a_model_that_copies() -> None:
    result = compare(ByHand("copies"))
    for way in CARRIED:
        assert result.pairs[way] == result.pairs[COPY], "another beta changes nothing"
    assert result.mean(PLAIN).rmse == 0
    worst, mean = result.worst("fixed"), result.mean("fixed")
    assert worst.rmse == pytest.approx(error_of((0.0, 0.6)), abs=1e-6)
    errors = [error_of(pair) for pair in ((0.0, 0.2), (0.2, 0.6), (0.0, 0.6))]
    assert mean.rmse == pytest.approx(sum(errors) / 3, abs=1e-6)
    assert (mean.domain, mean.content) == (0, 1)


def test_a_model_that_loses_the_content() -> None:
    result = compare(ByHand("forgets"))
    for way in CARRIED:
        for nearness in result.pairs[way].values():
            assert nearness.rmse == pytest.approx(BRIGHT / 4, abs=1e-3)  # one sixteenth of the pixels lacks it
            assert (nearness.domain, nearness.content) == (1, 1 / 8)


def test_own_beta_leaves_the_domain() -> None:
    for way in ("matched", "transported"):
        nearness = compare(ByHand("all")).mean(CONTROL[way])
        assert nearness.domain == 0
        assert nearness.rmse > compare(ByHand("all")).mean(way).rmse


class Suspicious(ByHand):
    """Beta is the mean of the right halves; a translation refuses a beta that has seen what it must show."""

    def infer(self, images: Tensor) -> Posterior:
        seen = images[..., 0, :, 7].float().mean(1)
        return super().infer(images)._replace(beta=DiagonalGaussian(seen, seen))

    def decode(self, z: Tensor, beta: Tensor) -> Tensor:
        return super().decode(z, beta[:, :1])

    def translate(self, images: Tensor, beta_from: Tensor, beta_to: Tensor, way: str = "transported") -> Tensor:
        assert torch.equal(beta_from, beta_to) or not (beta_from * beta_to).any()
        return images / 255


@pytest.mark.parametrize("group_size", [2, 3, 4, 100])
def test_no_beta_has_seen_the_true_images(group_size: int) -> None:
    assert compare(Suspicious("all"), group_size=group_size).group_size == min(group_size, 4)


def test_mean_and_worst_of_every_measure() -> None:
    pairs = {"a to b": Nearness(0.1, 0.9, 0.2, 0.5), "b to a": Nearness(0.3, 0.5, 0.6, 0.1)}
    result = Crossed("style", "icon", ["a", "b"], 10, 5, 2, {"fixed": pairs})
    assert result.worst("fixed") == Nearness(0.3, 0.5, 0.2, 0.1)
    mean = result.mean("fixed")
    assert (mean.rmse, mean.domain, mean.content, mean.ssim) == pytest.approx((0.2, 0.7, 0.4, 0.3))
    small = {name: Nearness(0.1, 1.0, 1.0) for name in pairs}
    assert Crossed("style", "icon", ["a", "b"], 10, 5, 2, {"fixed": small}).mean("fixed").ssim is None


def test_images_too_small_for_ssim() -> None:
    table = make_table()
    small = ImageTable(table.images[..., 2:6, 2:6].contiguous(), table.columns)
    model = make(UGVAE, (1, 4, 4), double=False)
    result = crossed_translation(model, small, small, find_crossing(small, "style", range(3)), NAMES, 4)
    assert result.mean(TRUE).ssim is None
    assert set(to_json(result)["pairs"]["fixed"]["dark to grey"]) == {"rmse", "domain", "content"}


@pytest.mark.parametrize("model_class", [UGVAE, MLVAE])
def test_models_of_the_project(model_class: type[UGVAE] | type[MLVAE]) -> None:
    result = compare(make(model_class, (1, 8, 8), double=False))
    assert {way for way in LABELS if model_class is UGVAE or "transported" not in way} < set(result.pairs)
    for what in result.pairs:
        nearness = result.mean(what)
        assert nearness.rmse >= 0
        assert -1 <= nearness.ssim <= 1.00001
        assert 0 <= nearness.domain <= 1
        assert 0 <= nearness.content <= 1


def test_a_domain_without_training_images_is_named() -> None:
    table = make_table()
    train = table.subset((table.columns["style"] < 2).nonzero().flatten())
    with pytest.raises(ConfigError, match=r"^data: no training images of style 2$"):
        crossed_translation(ByHand("all"), train, table, find_crossing(table, "style", range(3)), NAMES, 4)
