"""KID and FID against independent restatements, the networks of their features, and the sets that are compared."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from torchvision.models import inception_v3

from tests.helpers.pickles import Trap
from tests.helpers.small_models import make
from ugvae.data.table import ImageTable
from ugvae.errors import ConfigError
from ugvae.evaluation import feature_networks, image_quality
from ugvae.evaluation.feature_networks import InceptionFeatures, classifier_accuracy, features_of, train_features
from ugvae.evaluation.image_quality import distance, distances, few_for_fid, reconstruct, sample
from ugvae.evaluation.reconstruction import reconstructions
from ugvae.evaluation.ways import PLAIN, translate_groups
from ugvae.models import GMVAE, MLVAE, UGVAE, VAE


def gaussians(count: int, shift: float = 0.0, scale: float = 1.0) -> torch.Tensor:
    mixed = torch.tensor([[1, 0.5, 0], [0, 1, 0], [0.2, 0, 2]], dtype=torch.float64)
    return torch.randn(count, 3, dtype=torch.float64) @ mixed * scale + shift


def test_fid_against_the_root_of_scipy() -> None:
    real, shown = gaussians(400), gaussians(400, 0.3, 1.5)
    first, second = np.cov(real.T), np.cov(shown.T)
    root = sqrtm(first @ second).real
    want = ((real.mean(0) - shown.mean(0)) ** 2).sum() + np.trace(first + second - 2 * root)
    assert distance(real, shown).fid == pytest.approx(float(want))
    assert distance(real, real).fid == pytest.approx(0, abs=1e-6)


def kernel_distance(real: np.ndarray, shown: np.ndarray) -> float:
    """The squared maximum mean discrepancy of all images, without bias, by loops over pairs."""

    def mean(first: np.ndarray, second: np.ndarray, same: bool) -> float:
        pairs = [(i, j) for i in range(len(first)) for j in range(len(second)) if not (same and i == j)]
        return sum((first[i] @ second[j] / 3 + 1) ** 3 for i, j in pairs) / len(pairs)

    return mean(real, real, True) + mean(shown, shown, True) - 2 * mean(real, shown, False)


def test_kid_is_the_mean_of_subsets_of_an_unbiased_distance() -> None:
    real, shown = gaussians(100), gaussians(100, 0.5)
    measured = distance(real, shown)
    want = kernel_distance(real.numpy(), shown.numpy())
    assert measured.images == 100
    assert abs(measured.kid - want) < 3 * measured.kid_sd / 20**0.5
    alike = distance(gaussians(400), gaussians(400))
    assert abs(alike.kid) < 2 * alike.kid_sd, "0 in expectation, and below it half of the time"
    state = torch.random.get_rng_state()
    assert distance(real, shown) == measured
    assert torch.equal(torch.random.get_rng_state(), state)


def test_too_few_images_for_a_covariance() -> None:
    features = torch.randn(40, 21, dtype=torch.float64)
    measured = distance(features[:20], features[20:])
    assert measured.fid is None
    assert "a covariance of 21 features takes 42 images, there are 20" in few_for_fid(20, 21)
    assert few_for_fid(42, 21) is None


def test_sets_are_cut_to_one_size() -> None:
    real = gaussians(50)
    measured = distances(real, {"same": real, "fewer": gaussians(40)})
    assert [result.images for result in measured.values()] == [40, 40]


def squares(count: int) -> ImageTable:
    """A bright square in one of four corners of a grey noisy image; its corner, its row, and a column of chance."""
    corner = torch.arange(count) % 4
    images = torch.randint(0, 100, (count, 1, 12, 12), dtype=torch.uint8)
    for row, place in enumerate(corner.tolist()):
        top, left = 6 * (place // 2), 6 * (place % 2)
        images[row, :, top : top + 6, left : left + 6] += 120
    return ImageTable(images, {"corner": corner, "row": corner // 2, "chance": torch.randint(3, (count,))})


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> feature_networks.OwnFeatures:
    monkeypatch.setattr(feature_networks, "STEPS", 60)
    train = squares(256)
    return train_features(train, {name: train.columns[name] for name in ("corner", "row", "chance")})


def test_the_classifier_learns_what_there_is_and_its_features_have_one_scale(
    network: feature_networks.OwnFeatures,
) -> None:
    test = squares(200)
    accuracy = classifier_accuracy(network, test, test.columns)
    assert min(accuracy["corner"], accuracy["row"]) > 0.9
    assert accuracy["chance"] < 0.5
    features = features_of(network, test.images)
    assert (features.dtype, features.shape) == (torch.float64, (200, 64))
    assert torch.equal(features, features_of(network, test.images / 255)), "bytes and floats are one image"
    used = features.std(0)
    assert 0.5 < float(used[used > 0.1].mean()) < 1.5


def test_unknown_values_are_not_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_networks, "STEPS", 60)
    train, rows = squares(256), torch.arange(256)
    few = (rows == 0).long() - (rows > 1).long()  # known of two images, which are in few batches
    columns = {"corner": train.columns["corner"].where(rows < 128, -1), "few": few}
    state = torch.random.get_rng_state()
    first, again = (train_features(train, columns) for _ in range(2))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert classifier_accuracy(first, train, columns)["corner"] > 0.9
    nowhere = {**columns, "few": torch.full((256,), -1)}
    assert list(classifier_accuracy(first, train, nowhere)) == ["corner"], "a share of nothing is no number"
    assert torch.equal(features_of(first, train.images), features_of(again, train.images))


def test_distances_grow_with_noise(network: feature_networks.OwnFeatures) -> None:
    real, other = features_of(network, squares(300).images), squares(300).images / 255
    noise = torch.randn(other.shape)
    shown = {str(sd): features_of(network, (other + sd * noise).clamp(0, 1)) for sd in (0.0, 0.3, 0.6)}
    floor, some, much = distances(real, shown).values()
    assert abs(floor.kid) < 0.1 < some.kid < much.kid
    assert floor.fid < some.fid < much.fid


@pytest.fixture(scope="module")
def inception(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "inception.pth"
    torch.manual_seed(0)
    network = inception_v3(init_weights=False)
    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d):  # by default features fade from layer to layer, whatever the image
            torch.nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    torch.save(network.state_dict(), path)
    return path


def test_inception_features_are_those_before_its_classifier(inception: Path) -> None:
    """The reference is set up as torchvision sets it up when it fetches these weights by itself."""
    network = InceptionFeatures(inception)
    reference = inception_v3(init_weights=False, transform_input=True).eval()
    reference.load_state_dict(torch.load(inception, weights_only=True))
    seen = []
    reference.avgpool.register_forward_hook(lambda layer, inputs, outputs: seen.append(outputs.flatten(1)))
    images = torch.rand(2, 3, 299, 299)
    mean, sd = (torch.tensor(values).view(3, 1, 1) for values in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    with torch.no_grad():
        reference((images - mean) / sd)
    features = features_of(network, images)
    assert features.shape == (2, 2048)
    torch.testing.assert_close(features.float(), seen[0], rtol=1e-3, atol=1e-4)
    grey = torch.rand(1, 1, 20, 20)
    torch.testing.assert_close(features_of(network, grey), features_of(network, grey.expand(-1, 3, -1, -1)))


def test_other_files_are_no_weights(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    for content in (
        b"no weights",
        None,
        {"layer": torch.zeros(2)},
        Trap(exec, "raise AssertionError('a pickle was run')"),
    ):
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif content is None:
            path.unlink()
        else:
            torch.save(content, path)
        with pytest.raises(ConfigError, match=r"^weights: .*does not hold the weights of torchvision's inception_v3"):
            InceptionFeatures(path)


class Flat(torch.nn.Module):
    """Pixels as features, so that what was decoded can be seen."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.flatten(1)


@pytest.mark.parametrize("model_class", [UGVAE, MLVAE, GMVAE, VAE])
def test_reconstructions_and_samples(model_class: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_quality, "IMAGES_AT_ONCE", 8)
    model = make(model_class, (1, 6, 6), double=False)
    images = torch.randint(0, 256, (30, 1, 6, 6), dtype=torch.uint8)
    groups = torch.arange(24).view(6, 4)
    places = torch.arange(24).view(6, 4)
    wanted = (places % 5 == 0) & (places < 16)  # none of the last batch of two groups
    features, quality, beta = reconstruct(model, Flat(), images, groups, wanted)
    decoded = reconstructions(model, images[groups])[wanted]
    torch.testing.assert_close(features.float(), decoded.flatten(1))
    error = float((decoded - images[groups][wanted] / 255).square().mean())
    assert quality.psnr == pytest.approx(-10 * np.log10(error), rel=1e-4)
    assert beta.shape == (6, model.beta_dim)
    prior = sample(model, Flat(), 6, 4)
    assert prior.shape == (24, 36)
    assert torch.equal(prior, sample(model, Flat(), 6, 4))
    if model.beta_dim:
        moved = [sample(model, Flat(), 6, 4, other) for other in (beta, beta, beta + 5)]
        assert torch.equal(moved[0], moved[1])
        assert not torch.allclose(moved[0], moved[2])


def test_translations_are_under_the_betas_of_the_other_groups() -> None:
    model = make(UGVAE, (1, 6, 6), double=False)
    images = torch.randint(0, 256, (30, 1, 6, 6), dtype=torch.uint8)
    groups = torch.arange(24).view(2, 3, 4)
    shown = translate_groups(model, images, groups, partial(features_of, Flat()))
    for side, (sources, targets) in enumerate((groups, groups.flip(0))):
        plain = reconstructions(model, images[sources]).flatten(2)
        torch.testing.assert_close(shown[side][PLAIN].float(), plain)
        z, beta = model.infer(images[sources]).z.mean, model.infer(images[targets]).beta.mean
        torch.testing.assert_close(shown[side]["fixed"].float(), model.decode(z, beta).flatten(2).detach())
