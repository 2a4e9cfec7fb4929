"""The views of the explorer as functions: what they show, and the lines that make a picture again."""

import inspect
import json
import math
import re
from html import unescape
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.helpers.tiny_runs import DIGITS, TWO_DOMAINS, run_of
from ugvae.distributions import product_of_gaussians
from ugvae.errors import ConfigError
from ugvae.evaluation.ways import CONTROL, LABELS
from ugvae.experiments.explore.app import page
from ugvae.experiments.explore.compare import compare
from ugvae.experiments.explore.components import components
from ugvae.experiments.explore.group import group
from ugvae.experiments.explore.picture import Picture, picture_html
from ugvae.experiments.explore.source import ANY, Explored, load
from ugvae.experiments.explore.swap import swap
from ugvae.experiments.explore.walk import walk
from ugvae.models import GVAE, MLVAE, UGVAE, VAE, BaseVAE, NeuralStatistician


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(png)))


def test_a_walk_decodes_the_betas_of_its_places(explored: Explored) -> None:
    axes, model = explored.beta_axes, explored.model
    picture = walk(explored, component=2, beta=[90, 20], z=[1.5], seed=3)
    rows, columns = picture.images.shape[:2]
    beta = axes.mean + axes.places[:, 0].quantile(0.9) * axes.directions[0]
    beta = (beta + axes.places[:, 1].quantile(0.2) * axes.directions[1]).float()
    noise = torch.randn(rows, columns, model.z_dim, generator=torch.Generator().manual_seed(3))
    prior = model.prior(beta.unsqueeze(0))
    z = prior.mean[0, 2] + prior.std[0, 2] * (noise + 1.5 * explored.z_axes.directions[0].float())
    expected = model.decode(z.flatten(0, 1).unsqueeze(0), beta.unsqueeze(0))[0].unflatten(0, (rows, columns))
    torch.testing.assert_close(picture.images, expected)
    assert picture.rows == ["d = 2"] * rows


def test_the_most_used_components_come_first_without_a_choice(explored: Explored) -> None:
    used = explored.d.argmax(1).unique().tolist()
    shown = [int(label.removeprefix("d = ")) for label in walk(explored).rows]
    assert set(used) <= set(shown)
    assert shown == sorted(shown)


@pytest.mark.parametrize(
    ("options", "message"), [({"component": 5}, "component: expected −1 to 4"), ({"beta": [50] * 9}, "beta: there are")]
)
def test_a_walk_to_nowhere(explored: Explored, options: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        walk(explored, **options)


def test_too_few_images_for_two_groups(tmp_path: Path) -> None:
    explored = load(run_of(tmp_path, UGVAE, DIGITS), ["--data.group_size=300"])
    assert explored.groups is None
    assert "beta is 0" in walk(explored).note
    assert "data-group" not in group(explored, kind=ANY).charts
    assert 'class=\\"refused' not in json.dumps(page(explored).get_config_file(), default=str)


def test_the_shares_of_a_group_are_those_of_the_factors(explored: Explored) -> None:
    rows = explored.rows_of("label = 3", 12)
    images, model = explored.table.images[rows].unsqueeze(0), explored.model
    posterior, h = model.infer(images), model.encode(model.checked(images))
    factors = model.beta_factors(h, posterior.z.mean)
    precision = 1 / factors.log_var[0].double().exp()
    share = (precision / precision.sum(0)).mean(1)
    picture = group(explored, kind="label = 3", group_size=12)
    order = share.argsort(descending=True)
    torch.testing.assert_close(picture.images.flatten(0, 1)[:12], images[0, order] / 255)
    assert picture.rows[0] == f"{share.max():.1%} to {share[order[7]]:.1%}"
    q = product_of_gaussians(factors)
    for dimension, (mean, std) in enumerate(zip(q.mean[0].tolist(), q.std[0].tolist(), strict=True), 1):
        assert f"beta {dimension}: {mean:+.3f} ± {std:.3f}" in picture.charts
    assert picture.charts.count("data-group=") == len(explored.groups)


@pytest.mark.parametrize("model_class", [GVAE, NeuralStatistician])
def test_no_shares_where_beta_is_no_product(model_class: type[BaseVAE], tmp_path: Path) -> None:
    picture = group(load(run_of(tmp_path, model_class)), kind=ANY)
    assert not picture.rows
    assert "weighs all images alike" in picture.note


def test_a_point_of_the_map_is_its_group(explored: Explored) -> None:
    images = explored.table.images[explored.groups[4]] / 255
    shown = group(explored, held_out=4).images.flatten(0, 1)
    assert len(images) <= len(shown)
    assert all((shown == image).flatten(1).all(1).any() for image in images)
    with pytest.raises(ConfigError, match="held_out: no group 9999 in the map"):
        group(explored, held_out=9999)


def test_a_swap_has_every_way_with_its_control_below(explored: Explored) -> None:
    picture = swap(explored, "label = 0", "label = 1", group_size=6)
    assert picture.rows == [
        "images",
        "plain reconstruction",
        "fixed z",
        "transported z",
        "transported z, own beta",
        "matched z",
        "matched z, own beta",
        "the other group",
    ]
    own, other = explored.rows_of("label = 0", 6, 0), explored.rows_of("label = 1", 6, 1)
    images = explored.table.images[own].unsqueeze(0)
    betas = [explored.model.infer(explored.table.images[rows].unsqueeze(0)).beta.mean for rows in (own, other)]
    expected = explored.model.translate(images, *betas, "transported")[0]
    torch.testing.assert_close(picture.images[3], expected)
    assert LABELS[CONTROL["transported"]] == picture.rows[4]


def test_swap_of_a_model_without_a_mixture_has_no_transport(tmp_path: Path) -> None:
    rows = swap(load(run_of(tmp_path, MLVAE)), "domain = left", "domain = right").rows
    assert "matched z" in rows
    assert "transported z" not in rows


def test_components_hold_their_images(explored: Explored) -> None:
    picture = components(explored, "label")
    held = explored.d.argmax(1).bincount(minlength=5)
    assert len(picture.rows) == int((held > 0).sum())
    k = int(held.argmax())
    members = (explored.d.argmax(1) == k).nonzero().squeeze(1)
    labels, counts = explored.table.columns["label"][members].unique(return_counts=True)
    best = counts.max() / len(members)
    assert picture.rows[0].startswith(f"d = {k}: {held[k] / held.sum():.0%}; {labels[counts.argmax()]} {best:.0%}")
    surest = members[explored.d[members, k].argmax()]
    torch.testing.assert_close(picture.images[0, 0], explored.table.images[surest] / 255)


def test_two_models_on_the_same_images(explored: Explored, tmp_path: Path) -> None:
    other = run_of(tmp_path, VAE, DIGITS)
    picture = compare(explored, str(other), "label = 0", "label = 1", group_size=4)
    assert picture.rows[:2] == ["images", "A: plain reconstruction"]
    assert picture.rows[-1] == "B: plain reconstruction"
    rows = explored.rows_of("label = 0", 4)
    images = explored.table.images[rows]
    model = load(other).model
    decoded = model.decode(model.infer(images.unsqueeze(0)).z.mean)[0].detach()
    torch.testing.assert_close(picture.images[-1], decoded)
    assert f"B {float((decoded - images / 255).abs().mean()):.4f}" in picture.note


def test_the_kinds_of_image(tmp_path: Path) -> None:
    explored = load(run_of(tmp_path, UGVAE, TWO_DOMAINS))
    assert {ANY, "domain = left", "domain = right", "label = 0"} <= explored.kinds.keys()
    assert explored.table.columns["domain"][explored.rows_of("domain = right", 9)].tolist() == [1] * 9
    with pytest.raises(ConfigError, match="kind: no 'domain = middle'; there are any images, "):
        explored.rows_of("domain = middle", 9)


@pytest.mark.parametrize(
    ("view", "options"),
    [
        (walk, {"component": -1, "beta": [90, 50, 50, 50], "z": [1.0, 0.0, -2.5], "seed": 1}),
        (group, {"held_out": 3}),
        (swap, {"kind": "label = 0", "other_kind": "label = 1", "group_size": 7, "seed": 2}),
        (components, {"column": "label"}),
    ],
)
def test_the_lines_make_the_same_picture_again(
    explored: Explored, view: object, options: dict, workplace: Path
) -> None:
    html = picture_html(view, view(explored, **options), explored, options)
    lines = unescape(re.search(r"<summary>Python</summary><pre>(.*?)</pre>", html, re.DOTALL)[1])
    exec(compile(lines, "shown", "exec"), {})
    made = (workplace / f"{view.__name__}.png").read_bytes()
    assert (pixels(made) == pixels(view(explored, **options).png())).all()
    settings = json.loads(unescape(re.search(r'<pre class="settings" hidden>(.*?)</pre>', html, re.DOTALL)[1]))
    assert settings["view"] == view.__name__
    assert settings["options"] == options
    assert len(settings["checkpoint_digest"]) == 64
    assert options.keys() <= inspect.signature(view).parameters.keys()


@pytest.mark.parametrize("channels", [1, 2, 3, 16])
def test_pictures_of_any_number_of_channels(channels: int) -> None:
    images = torch.rand(2, 3, channels, 4, 5)
    made = pixels(Picture(images).png())
    assert made.shape == (9, 17, 3)
    shown = images[1, 2, 0, 3, 4] if channels == 2 else images[1, 2, -1 if channels < 3 else 2, 3, 4]
    assert made[8, 16, 2] == math.floor(float(shown) * 255 + 0.5)
