"""The views of the explorer as functions: what they show, for every model; the lines that make a picture again."""

import inspect
import json
import math
import re
from html import unescape
from io import BytesIO
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import numpy as np
import pytest
import torch
from PIL import Image

from tests.helpers.small_models import every_model, make
from tests.helpers.tiny_runs import DIGITS, TWO_DOMAINS, run_of, write_run
from ugvae.distributions import product_of_gaussians
from ugvae.errors import ConfigError, DataError
from ugvae.evaluation.ways import CONTROL, LABELS
from ugvae.experiments.explore import __main__ as entrance
from ugvae.experiments.explore.app import launch, page, reasons
from ugvae.experiments.explore.compare import compare
from ugvae.experiments.explore.components import components
from ugvae.experiments.explore.group import MOST_FILES, group
from ugvae.experiments.explore.picture import Picture, picture_html
from ugvae.experiments.explore.source import ANY, Explored, load
from ugvae.experiments.explore.swap import swap
from ugvae.experiments.explore.walk import walk
from ugvae.models import GVAE, MLVAE, UGVAE, VAE, BaseVAE, NeuralStatistician


@pytest.fixture
def explored(tmp_path: Path) -> Explored:
    return load(run_of(tmp_path, UGVAE, DIGITS))


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(png)))


def write_images(folder: Path, count: int, size: tuple[int, int] = (9, 11)) -> list[str]:
    paths = [folder / f"own_{number}.png" for number in range(count)]
    for number, path in enumerate(paths):
        Image.new("L", size, 10 * number).save(path)
    return list(map(str, paths))


@every_model
def test_the_page_has_a_tab_or_a_reason_for_every_view(model_class: type[BaseVAE], tmp_path: Path) -> None:
    run = run_of(tmp_path, model_class)
    explored = load(run)
    config = json.dumps(page(explored, run).get_config_file(), default=str)
    tabs = set(re.findall(r'"label": "(Walk|Group|Swap|Components|Compare)"', config))
    assert tabs | reasons(explored).keys() == {"Walk", "Group", "Swap", "Components", "Compare"}
    assert not tabs & reasons(explored).keys()
    for name, reason in reasons(explored).items():
        assert f"{name} is left out: {model_class.__name__} has no " in config, reason
    assert 'class=\\"refused' not in config
    assert config.count("data:image/png") == len(tabs)


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


def test_images_of_ones_own(explored: Explored, tmp_path: Path) -> None:
    files = write_images(tmp_path, 3)
    picture = group(explored, files=files)
    greys = sorted(picture.images.flatten(0, 1).mean((1, 2, 3)).tolist())
    assert greys == pytest.approx([0, 10 / 255, 20 / 255])
    one = group(explored, files=files[:1])
    assert one.images.shape == (1, 1, 1, 8, 8)
    assert one.rows == ["100.0% to 100.0%"]


def test_a_huge_image_is_made_small(explored: Explored, tmp_path: Path) -> None:
    assert group(explored, files=write_images(tmp_path, 1, (6000, 4000))).images.shape[2:] == (1, 8, 8)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("notes.txt", b"no image at all", "notes.txt: not a whole image"),
        ("cut.png", b"\x89PNG\r\n\x1a\n\0\0", "cut.png: not a whole image"),
        ("empty.jpg", b"", "empty.jpg: not a whole image"),
    ],
)
def test_files_that_are_no_images(explored: Explored, tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=re.escape(message)):
        group(explored, files=[*write_images(tmp_path, 1), str(tmp_path / name)])


def test_a_file_too_large_to_be_read(explored: Explored, tmp_path: Path) -> None:
    with (tmp_path / "large.tif").open("wb") as file:
        file.truncate(65 * 2**20)
    with pytest.raises(DataError, match=r"large\.tif: 65 MB are more than 64 MB"):
        group(explored, files=[str(tmp_path / "large.tif")])


def test_too_many_files_and_files_that_are_gone(explored: Explored, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"files: 5,000 are too many; choose up to 1,000"):
        group(explored, files=[str(tmp_path / "a.png")] * (5 * MOST_FILES))
    with pytest.raises(DataError, match=r"a\.png: cannot be read"):
        group(explored, files=[str(tmp_path / "a.png")])


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


def test_a_model_of_other_images_is_refused(explored: Explored, tmp_path: Path) -> None:
    other = write_run(tmp_path / "larger", make(VAE, (1, 9, 9), double=False))
    with pytest.raises(ConfigError, match=r"compare: the images of .* are \(1, 9, 9\)"):
        page(explored, other)
    with pytest.raises(ConfigError, match="run: nowhere is not the folder of a run"):
        page(explored, Path("nowhere"))


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


def test_images_of_sixteen_channels(tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", np.random.default_rng(0).integers(0, 256, (200, 8, 8, 16), np.uint8))
    data = {
        "class_path": "ugvae.datamodules.ArrayDataModule",
        "init_args": {"root": str(tmp_path), "image_size": 8, "group_size": 4},
    }
    explored = load(write_run(tmp_path / "run", make(UGVAE, (16, 8, 8), double=False), data))
    config = json.dumps(page(explored).get_config_file(), default=str)
    assert config.count("data:image/png") == 4
    with pytest.raises(ConfigError, match="files: the model has images of 16×8×8, which no image file holds"):
        group(explored, files=write_images(tmp_path, 1))


def test_a_folder_of_save_pretrained_with_data(tmp_path: Path) -> None:
    run = run_of(tmp_path, UGVAE, DIGITS)
    of_run = load(run)
    folder = of_run.model.save_pretrained(tmp_path / "shared")
    explored = load(folder, ["--data=DigitsDataModule", "--data.image_size=8"])
    assert (walk(explored).images == walk(of_run).images).all()
    assert len(explored.digest) == 64
    with pytest.raises(ConfigError, match="data: no run says which; name them, --data NAME"):
        load(folder)
    with pytest.raises(ConfigError, match=r"data.image_size: the images are \(1, 16, 16\)"):
        load(folder, ["--data=DigitsDataModule", "--data.image_size=16"])


@pytest.mark.parametrize("arguments", [["nowhere"], ["nowhere", "--data.root", "x", "--no-browser"]])
def test_a_run_that_is_none(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        entrance.main(arguments)
    assert capsys.readouterr().err == "error: run: nowhere is not the folder of a run, it has no config.yaml\n"


def test_the_server_gives_no_files(explored: Explored, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    blocks = page(explored)
    _, address, public = launch(blocks)
    try:
        assert address.startswith("http://127.0.0.1:")
        assert public is None
        assert urlopen(address).status == 200
        for file in ("/etc/hostname", explored.source / "config.yaml", "setup.cfg"):
            with pytest.raises(HTTPError, match=r"403|404"):
                urlopen(f"{address}gradio_api/file={file}")
    finally:
        blocks.close()
