"""Evaluation functions on small models and arrays whose answers are known."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torchmetrics.functional.image import structural_similarity_index_measure as ssim

from tests.helpers.small_models import make
from ugvae.errors import ConfigError
from ugvae.evaluation.clusters import cluster_scores, component_counts
from ugvae.evaluation.encoding import encode_groups
from ugvae.evaluation.reconstruction import QualityMetric, reconstructions
from ugvae.evaluation.results import to_json
from ugvae.evaluation.walks import component_samples, component_walks
from ugvae.models import UGVAE, BaseVAE, GMMPriorVAE, VampPriorVAE
from ugvae.plots.curves import curves_figure
from ugvae.plots.figure import save_figure
from ugvae.plots.grids import grid_figure, mosaic, signed
from ugvae.runs.files import atomic_path, replace_section, save_json


@pytest.fixture
def model() -> UGVAE:
    return UGVAE((1, 8, 8), z_dim=3, beta_dim=4, num_components=5).eval()


def test_walk_is_decoded_from_the_named_latents(model: UGVAE) -> None:
    walks, rows, columns = component_walks(model, steps=3, beta_range=2.0, z_range=1.5)
    assert walks.shape == (5, 3, 3, 1, 8, 8)
    assert rows.tolist() == [-2, 0, 2]
    assert columns.tolist() == [-1.5, 0, 1.5]
    beta = torch.full((1, 4), 2.0)
    z = model.prior(beta).mean[:, 3:4] - 1.5
    torch.testing.assert_close(walks[3, 2, 0], model.decode(z, beta)[0, 0].detach())


@pytest.mark.parametrize("kind", [GMMPriorVAE, VampPriorVAE])
def test_walk_of_a_mixture_that_nothing_drives_is_in_units_of_its_spread(kind: type[BaseVAE]) -> None:
    model = make(kind, (1, 8, 8))
    walks, rows, columns = component_walks(model, steps=5, z_range=1.5)
    assert walks.shape == (5, 1, 5, 1, 8, 8)
    assert rows.shape == (1,)
    assert columns.tolist() == [-1.5, -0.75, 0, 0.75, 1.5]
    mean, std = (part[3].view(1, 1, -1) for part in (model.components().mean, model.components().std))
    torch.testing.assert_close(walks[3, 0, 1], model.decode(mean - 0.75 * std)[0, 0].detach())


def test_samples_show_the_component_of_their_row(model: UGVAE, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []
    sample = model.sample
    monkeypatch.setattr(model, "sample", lambda *shape, component: drawn.append(component) or sample(*shape, component))
    torch.manual_seed(3)
    images, d = component_samples(model, rows=4, columns=6)
    assert drawn == d.tolist()
    torch.manual_seed(3)
    torch.randint(5, (4,))
    torch.testing.assert_close(images, torch.cat([sample(1, 6, k) for k in drawn]))


def test_reconstructions_are_the_decoded_means(model: UGVAE) -> None:
    images = torch.rand(2, 3, 1, 8, 8)
    posterior = model.infer(images)
    torch.testing.assert_close(reconstructions(model, images), model.decode(posterior.z.mean, posterior.beta.mean))


@pytest.mark.parametrize("side", [28, 8, 3])
def test_quality_of_reconstructions(side: int) -> None:
    """PSNR in closed form; SSIM of windows that fit the images, against one call over all images."""
    model = UGVAE((1, side, side), z_dim=3, beta_dim=4, num_components=5).eval()
    images = torch.rand(4, 3, 1, side, side)
    metric = QualityMetric(model)
    for part in images.split(2):
        metric.update(part)
    quality, decoded = metric.compute(), reconstructions(model, images)
    assert quality.psnr == pytest.approx(-10 * math.log10(float((decoded - images).square().mean())), rel=1e-4)
    if side < 5:
        assert quality.ssim is None
        return
    flat = decoded.flatten(0, 1), images.flatten(0, 1)
    sigma = max(0.5, 1.5 * side / 64)
    assert quality.ssim == pytest.approx(float(ssim(*flat, sigma=sigma, data_range=1.0)), rel=1e-4)
    assert -1 <= quality.ssim < 0.5, "noise is not reconstructed"


def test_quality_of_a_perfect_reconstruction(model: UGVAE, monkeypatch: pytest.MonkeyPatch) -> None:
    images = torch.rand(2, 3, 1, 8, 8)
    monkeypatch.setattr(model, "decode", lambda z, beta: images + 1e-4)
    metric = QualityMetric(model)
    metric.update(images)
    assert metric.compute().psnr == pytest.approx(80, abs=0.1)
    assert metric.compute().ssim == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("images_per_batch", [1, 10, 1000])
def test_encoding_in_parts_is_encoding_at_once(model: UGVAE, images_per_batch: int) -> None:
    table = torch.randint(256, (40, 1, 8, 8), dtype=torch.uint8)
    groups = torch.randint(40, (7, 4))
    encoded = encode_groups(model, table, groups, images_per_batch)
    whole = model.infer(table[groups] / 255)
    torch.testing.assert_close(encoded.d, whole.d)
    torch.testing.assert_close(tuple(encoded.z), tuple(whole.z))
    torch.testing.assert_close(tuple(encoded.beta), tuple(whole.beta))


def test_perfect_clusters_under_other_names() -> None:
    labels = torch.arange(40) % 4
    scores = cluster_scores(torch.eye(6)[(labels + 2) % 4], labels)
    assert to_json(scores) == pytest.approx({"nmi": 1, "ari": 1, "accuracy": 1, "usage_entropy": math.log(4)})


def test_one_cluster_says_nothing() -> None:
    scores = cluster_scores(torch.eye(4)[torch.zeros(40, dtype=int)], torch.arange(40) % 4)
    assert to_json(scores) == pytest.approx({"nmi": 0, "ari": 0, "accuracy": 0.25, "usage_entropy": 0}, abs=1e-6)


def test_accuracy_matches_each_component_to_one_label_only() -> None:
    clusters, labels = torch.tensor([0, 0, 0, 1, 1, 1]), torch.tensor([7, 7, 9, 7, 7, 9])
    assert cluster_scores(torch.eye(2)[clusters], labels).accuracy == 0.5


def test_images_are_counted_by_component_and_value() -> None:
    d = torch.eye(4)[torch.tensor([0, 0, 2, 2, 2, 3])]
    assert component_counts(d, torch.tensor([0, 1, 1, 1, 0, 2]), 3).tolist() == [
        [1, 1, 0],
        [0] * 3,
        [1, 2, 0],
        [0, 0, 1],
    ]


def test_curves_follow_from_the_log() -> None:
    """A term that no code knows by name has a panel; its unit follows from what the model says of its terms."""
    series = np.arange(10.0), np.linspace(0, 1, 10)
    names = ("train/independence", "train/kl_beta", "train/kl_z", "train/images_per_second", "train/elbo", "val/elbo")
    figure = curves_figure(dict.fromkeys(names, series), ["kl_beta", "independence"])
    assert [axes.get_title() for axes in figure.axes] == [
        "ELBO, nats per image",
        "independence, nats per group",
        "KL_beta, nats per group",
        "KL_z, nats per image",
    ]
    assert [len(axes.lines) for axes in figure.axes] == [2, 1, 1, 1]


def test_mosaic_puts_every_image_in_its_place() -> None:
    values = torch.tensor([[0.0, 0.25, 0.5], [0.75, 1.0, 0.125]])
    canvas = mosaic(values.view(2, 3, 1, 1, 1).expand(2, 3, 1, 4, 6), gap=1)
    assert canvas.shape == (2 * 5 - 1, 3 * 7 - 1, 3)
    assert canvas[4].min() == 1, "the gap is white"
    np.testing.assert_array_equal(canvas[::5, ::7, 0], values.numpy())


def test_mosaic_keeps_colours() -> None:
    red = torch.tensor([1.0, 0.0, 0.0]).view(1, 1, 3, 1, 1).expand(1, 1, 3, 2, 2)
    np.testing.assert_array_equal(mosaic(red)[0, 0], [1, 0, 0])


def test_axis_labels_have_no_rounding_noise() -> None:
    assert signed(torch.linspace(-1, 1, 7)) == ["−1", "−0.67", "−0.33", "0", "+0.33", "+0.67", "+1"]


def test_figure_is_written_whole(tmp_path: Path) -> None:
    save_figure(grid_figure(torch.rand(2, 2, 1, 8, 8), "title"), tmp_path / "new" / "figure.png")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["figure.png"]


def test_interrupted_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    save_json({"a": 1}, path)

    def interrupted() -> None:
        with atomic_path(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        interrupted()
    assert [p.name for p in tmp_path.iterdir()] == ["report.json"]
    assert path.read_text() == '{\n  "a": 1\n}\n'


def test_section_of_a_document_is_replaced_again_and_again(tmp_path: Path) -> None:
    path = tmp_path / "doc.md"
    path.write_text("# Title\n\n<!-- a -->\n<!-- /a -->\nend\n")
    for content in ("one\n", "two"):
        replace_section(path, "a", content)
        assert path.read_text() == f"# Title\n\n<!-- a -->\n\n{content.strip()}\n\n<!-- /a -->\nend\n"


def test_missing_section_is_named(tmp_path: Path) -> None:
    (tmp_path / "doc.md").write_text("<!-- a -->\n")
    with pytest.raises(ConfigError, match=r"doc: .*doc.md has no section between <!-- a --> and <!-- /a -->"):
        replace_section(tmp_path / "doc.md", "a", "content")
