"""Translation between two domains that a hand-made model does perfectly, or not at all."""

import json
from dataclasses import replace

import pytest
import torch
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from torch import Tensor, nn
from torch.testing import assert_close

from tests.helpers.small_models import make
from ugvae.data.table import ImageTable
from ugvae.distributions import DiagonalGaussian
from ugvae.errors import ConfigError
from ugvae.evaluation.judges import JUDGED_AT_ONCE, fit_judge, pixels
from ugvae.evaluation.results import from_json, to_json
from ugvae.evaluation.translation import Rates, Translation, translation_rates
from ugvae.evaluation.ways import LABELS
from ugvae.models import MLVAE, UGVAE, VAE
from ugvae.models.bound import Posterior

WAYS = tuple(LABELS)


def make_table(num_images: int = 200, seed: int = 0) -> ImageTable:
    """4×4 images: the left half says the domain, a bright row in the right half the label (0-3)."""
    generator = torch.Generator().manual_seed(seed)
    domain, label = torch.arange(num_images) % 2, torch.arange(num_images) // 2 % 4
    images = torch.randint(40, (num_images, 1, 4, 4), generator=generator, dtype=torch.uint8)
    images[:, :, :, :2] += (domain * 200).to(torch.uint8).view(-1, 1, 1, 1)
    images[torch.arange(num_images), 0, label, 2:] += 200
    return ImageTable(images, {"domain": domain, "label": label})


class ByHand(nn.Module):
    """Beta is the mean of the left half, z the right half; only transport moves z between the domains, if at all.

    With ``moves`` of "beta" the left half is decoded from beta; of "z" from z, which transport and matching change.
    With ``keeps`` False the right half is lost under another beta.
    """

    beta_dim, num_components, dtype, device = 1, 1, torch.float32, "cpu"

    def __init__(self, moves: str, keeps: bool = True) -> None:
        super().__init__()
        self.moves, self.keeps = moves, keeps

    def infer(self, images: Tensor) -> Posterior:
        images = images / 255
        beta = images[..., :2].mean((1, 2, 3, 4)).unsqueeze(-1)
        z, d = images.flatten(2), torch.ones(*images.shape[:2], 1)
        return Posterior(DiagonalGaussian(z, z), d, DiagonalGaussian(beta, beta))

    def prior(self, beta: Tensor) -> DiagonalGaussian:
        mean = torch.zeros(1, 1, 4, 4)
        if self.moves == "z":
            mean[..., :2] = beta.view(1, 1, 1, 1)
        return DiagonalGaussian(mean.flatten(2), torch.zeros(1, 1, 16))

    def decode(self, z: Tensor, beta: Tensor) -> Tensor:
        result = z.unflatten(2, (1, 4, 4)).clone()
        if self.moves == "beta":
            result[..., :2] = beta.view(-1, 1, 1, 1, 1)
        return result

    def translate(self, images: Tensor, beta_from: Tensor, beta_to: Tensor, way: str = "transported") -> Tensor:
        result = images / 255
        if self.moves == "beta" or (self.moves == "z" and way == "transported"):
            result[..., :2] = beta_to.view(-1, 1, 1, 1, 1)
        if not self.keeps and not torch.equal(beta_from, beta_to):
            result[..., 2:] = 0.1
        return result


def rates(model: nn.Module, train: ImageTable | None = None, test: ImageTable | None = None, **settings) -> Translation:
    settings = {"group_size": 16, "num_groups": 3, **settings}
    return translation_rates(model, train or make_table(), test or make_table(seed=1), **settings)


@pytest.mark.parametrize(("moves", "want"), [("beta", (0, 1, 1, 1, 0, 0)), ("z", (0, 0, 1, 1, 1, 1))])
def test_rates_of_models_that_do_and_do_not_translate(moves: str, want: tuple[int, ...]) -> None:
    result = rates(ByHand(moves))
    assert from_json(Translation, json.loads(json.dumps(to_json(result)))) == result
    for direction in ("A to B", "B to A"):
        assert result.rates[direction].domain == dict(zip(WAYS, want, strict=True))
        assert result.rates[direction].content == dict.fromkeys(WAYS, 1)
        retrieval = result.survives[direction].retrieval
        assert retrieval["chance"] == 1 / 16
        assert min(retrieval.values()) == retrieval["chance"]
        assert min(retrieval[way] for way in WAYS[:3]) > 0.7
        assert retrieval["matched"] > 0.5  # chance is a sixteenth; matching a constant column brings out its noise
    earned = [result.earned(way) for way in ("fixed", "transported", "matched")]
    assert earned == ([1, 1, 1] if moves == "beta" else [0, 0, 0]), "what z does by itself is not earned by beta"
    assert replace(result, rates={"A to B": Rates({"transported": 1.0})}).earned("transported") is None
    assert result.judges["domain"]["A"] == result.judges["domain"]["B"] == 1
    assert result.judges["content"]["A"] == 1


def test_lost_content_is_lost() -> None:
    for direction in rates(ByHand("beta", keeps=False)).rates.values():
        assert direction.content["reconstruction"] == 1
        assert direction.content["fixed"] < 0.5
        assert direction.content["transported"] < 0.5
    for direction in rates(ByHand("beta", keeps=False)).survives.values():
        assert direction.retrieval["reconstruction"] > 0.7
        assert direction.retrieval["fixed"] < 0.3
        assert direction.darkness["fixed"].spearman < 0.5 < direction.darkness["reconstruction"].spearman


def test_content_that_cannot_be_judged_is_said() -> None:
    bare = ImageTable(make_table().images, {"domain": make_table().columns["domain"]})
    unknown = make_table()
    unknown.columns["label"][unknown.columns["domain"] == 1] = -1
    for settings, reason in (
        ({"train": bare, "test": bare}, "no such column in both domains"),
        ({"content": None}, "no such column in both domains"),
        ({"test": unknown}, "a domain's test images have no value"),
    ):
        result = rates(ByHand("beta"), **settings)
        assert result.content.left_out == reason
        assert list(result.judges) == ["domain"]
        assert result.rates["A to B"].content is None


def test_probe_of_a_column_that_one_domain_has() -> None:
    train, test = make_table(), make_table(seed=1)
    for table in (train, test):
        table.columns["row"] = torch.where(table.columns["domain"] == 0, table.columns["label"], -1)
    probe = rates(ByHand("beta"), train, test, probes=["row"]).probes["row"]
    there = probe.directions["A to B"]
    assert there.held_out.spearman > 0.9
    assert (there.source, probe.directions["B to A"].source) == ("column", "probe")
    assert there.kept["reconstruction"].spearman > 0.9
    assert abs(there.kept["chance"].spearman) < 0.5


def test_small_domains_make_small_groups() -> None:
    test = make_table()
    test.columns["domain"] = (torch.arange(200) < 9).long()
    assert rates(ByHand("beta"), test=test).group_size == 9


def test_what_cannot_translate_is_named() -> None:
    with pytest.raises(ConfigError, match=r"^model: VAE has no beta to translate with$"):
        rates(make(VAE))
    with pytest.raises(ConfigError, match=r"^data: translation takes test images of style 0 and 1$"):
        rates(ByHand("beta"), column="style")
    with pytest.raises(ConfigError, match=r"^data: translation takes test images of domain 0 and 5$"):
        rates(ByHand("beta"), domains=(0, 5))


@pytest.mark.parametrize("model_class", [UGVAE, MLVAE])
def test_models_of_the_project_translate(model_class: type[UGVAE] | type[MLVAE]) -> None:
    result = rates(make(model_class, (1, 4, 4), double=False))
    for direction in result.rates.values():
        assert set(direction.domain) == {way for way in WAYS if model_class is UGVAE or "transported" not in way}
        assert all(0 <= rate <= 1 for rate in direction.domain.values())
    assert result.ways == [way for way in ("fixed", "transported", "matched") if way in result.rates["A to B"].domain]


def test_judge_sees_averages_of_areas_and_weighs_classes_alike() -> None:
    images = torch.rand(3, 2, 32, 32)
    want = images.unflatten(-1, (16, 2)).unflatten(-3, (16, 2)).mean((-1, -3)).flatten(1)
    assert_close(torch.from_numpy(pixels(images)), want)
    assert pixels(torch.rand(3, 1, 5, 7)).shape == (3, 35)
    noise = torch.randint(256, (220, 1, 2, 2), dtype=torch.uint8)
    rare = (torch.arange(220) < 20).long()
    judged = fit_judge(noise, rare)(pixels(torch.rand(300, 1, 2, 2)))
    assert 0.1 < judged.mean() < 0.9


def test_judge_answers_as_scikit_learns_own_machine_does() -> None:
    labels = torch.arange(300) % 3
    images = torch.randint(200, (300, 1, 6, 6), dtype=torch.uint8) + (labels * 20).to(torch.uint8).view(-1, 1, 1, 1)
    own = make_pipeline(StandardScaler(with_std=False), SVC(C=10, class_weight="balanced"))
    shown = pixels(torch.rand(2 * JUDGED_AT_ONCE + 1, 1, 6, 6))
    expected = own.fit(pixels(images / 255), labels.numpy()).predict(shown)
    assert len(set(expected)) > 1
    assert (fit_judge(images, labels)(shown) == expected).all()


def test_images_all_alike_are_judged() -> None:
    alike, labels = torch.full((6, 1, 2, 2), 7, dtype=torch.uint8), torch.tensor([0, 0, 0, 0, 1, 1])
    assert set(fit_judge(alike, labels)(pixels(alike / 255))) <= {0, 1}
