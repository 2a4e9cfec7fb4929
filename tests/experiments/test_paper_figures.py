"""The figures of the paper as commands, on tiny runs. Axes: R rows, S columns, K components."""

from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from matplotlib.image import imread

from tests.helpers.refusals import refused
from tests.helpers.small_models import make
from tests.helpers.tiny_runs import DIGITS, call, run_of, write_run
from ugvae.datamodules import Cars3DDataModule, MixedDataModule, StanfordCarsDataModule
from ugvae.evaluation.trained_run import load_run
from ugvae.experiments.paper import baselines, crossing, own_grids
from ugvae.experiments.paper.maps import separation
from ugvae.models import GMVAE, MLVAE, UGVAE, VAE, BaseVAE, GMMPriorVAE, VampPriorVAE
from ugvae.plots.maps import map_figure

QUICK = ["--mapped", "4", "--group_size", "6"]


def test_crossing_is_between_two_pure_groups(tmp_path: Path) -> None:
    run = run_of(tmp_path, UGVAE)
    result = call("fig5", run, *QUICK, "--images", "2", "3")
    domain = load_run(run).table.columns["domain"]
    assert [int(domain[row]) for row in result["rows"]] == [0, 1]
    assert result["kinds"] == {"left": {"domain": 0}, "right": {"domain": 1}}
    assert list(result["change"]) == list(result["change_within"]) == ["fixed", "transported"]
    assert [figure["file"] for figure in result["figures"]] == ["fig5_a.png", "fig5_c.png", "fig5_b.png"]
    assert all(0 < change < 1 for way in result["change"].values() for change in way.values())
    assert result["group_size"] == 6
    assert {"versions", "config", "options", "split"} <= set(result)
    label = call("fig5", run, *QUICK, "--column", "label", "--values", "3", "8")
    values = load_run(run).table.columns["label"]
    assert [int(values[row]) for row in label["rows"]] == [3, 8]


def test_figures_follow_from_the_seed(tmp_path: Path) -> None:
    run = run_of(tmp_path, UGVAE)
    for name, key, options in (
        ("fig5", "rows", QUICK),
        ("fig10", "components", ["--steps", "5"]),
        ("samples", "components", ["--rows", "3"]),
    ):
        first = call(name, run, *options)
        picture = imread(run / "paper" / first["figures"][0]["file"])
        state = torch.get_rng_state()
        again = call(name, run, *options)
        assert torch.equal(state, torch.get_rng_state())
        assert again == first
        np.testing.assert_array_equal(imread(run / "paper" / first["figures"][0]["file"]), picture)
        assert call(name, run, *options, "--seed", "1")[key] != first[key]


def test_grids_of_one_domain_are_between_groups_without_a_common_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    draw = own_grids.groups_where

    def spy(*arguments: object, **settings: object) -> object:
        seen.append(draw(*arguments, **settings))
        return seen[-1]

    monkeypatch.setattr(own_grids, "groups_where", spy)
    run = run_of(tmp_path, MLVAE)
    result = call("within", run, *QUICK)
    assert list(result["change"]) == ["left", "right"]
    assert list(result["change"]["left"]) == ["fixed"], "nothing is transported without a mixture"
    domain = load_run(run).table.columns["domain"]
    for number, groups in enumerate(drawn.groups for drawn in seen[:2]):
        assert domain[groups].unique().tolist() == [number]
        assert len(groups.unique()) == groups.numel()
    single = call("within", run_of(tmp_path / "single", MLVAE, DIGITS), *QUICK)
    assert list(single["change"]) == ["any images"]


def test_components_are_counted_by_domain(tmp_path: Path) -> None:
    run = run_of(tmp_path, GMVAE)
    result = call("fig12", run)
    table, model = load_run(run).table, load_run(run).model
    d = model.infer(table.images[:].unsqueeze(0)).d[0].argmax(-1)
    counts = [[int(((d == k) & (table.columns["domain"] == value)).sum()) for value in (0, 1)] for k in range(5)]
    assert result["counts"] == counts
    assert result["domains"] == ["left", "right"]
    assert call("components", run)["counts"] == counts
    shares = [component["share"] for component in call("fig3", run)["components"]]
    assert shares == pytest.approx([sum(row) / len(table) for row in counts])


@pytest.mark.parametrize("kind", [GMMPriorVAE, VampPriorVAE])
def test_figures_of_a_mixture_that_nothing_drives(tmp_path: Path, kind: type[BaseVAE]) -> None:
    run = run_of(tmp_path, kind)
    fig3 = call("fig3", run, "--steps", "3")
    assert [figure["file"] for figure in fig3["figures"]] == ["fig3.png"]
    assert fig3["units"].endswith("one row, since nothing drives the mixture")
    assert sum(component["share"] for component in fig3["components"]) == pytest.approx(1)
    assert all(component["change"]["columns"] > 0 for component in fig3["components"])
    assert call("components", run)["counts"] == call("fig12", run)["counts"]
    for name in ("fig10", "samples"):
        assert set(call(name, run)["components"]) <= set(range(5))


def test_walk_of_every_dimension_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    draw = baselines.grid_figure
    monkeypatch.setattr(baselines, "grid_figure", lambda images, *words: seen.append(images) or draw(images, *words))
    run = run_of(tmp_path, VAE)
    change, model = call("fig9", run, "--steps", "3")["change"], load_run(run).model
    expected = model.decode(torch.tensor([-1.0, 0.0, 1.0]).view(1, 3, 1).expand(-1, -1, model.z_dim))
    torch.testing.assert_close(seen[0], expected)
    assert change == pytest.approx(float((expected[0, 0] - expected[0, 2]).abs().mean()))


def test_walk_with_a_component_drawn_for_each_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    draw = baselines.panels_figure
    monkeypatch.setattr(
        baselines, "panels_figure", lambda panels, *a, **b: seen.append(panels) or draw(panels, *a, **b)
    )
    run = run_of(tmp_path, UGVAE)
    components, model = call("fig10", run, "--steps", "3")["components"], load_run(run).model
    assert len(set(components)) > 1
    for row, (value, k) in enumerate(zip((-1.0, 0.0, 1.0), components, strict=True)):
        beta = torch.full((1, model.beta_dim), value)
        z = model.prior(beta).mean[:, k].unsqueeze(1) + torch.tensor([-3.0, 0.0, 3.0]).view(1, 3, 1)
        torch.testing.assert_close(seen[0][0][row], model.decode(z, beta)[0])


def test_map_of_z_with_the_interpolation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {}

    def spy(points: torch.Tensor, domain: torch.Tensor, names: dict, title: str, paths: dict, seed: int) -> Figure:
        seen.update(points=points, domain=domain, names=names, paths=paths)
        return Figure()

    monkeypatch.setattr(baselines, "tsne_figure", spy)
    run = run_of(tmp_path, GMVAE)
    result = call("fig12", run, "--mapped", "20", "--steps", "5")
    assert seen["names"] == {0: "left", 1: "right"}
    assert seen["domain"].tolist() == [0] * 10 + [1] * 10
    table, model = load_run(run).table, load_run(run).model
    assert table.columns["domain"][result["rows"]].tolist() == [0, 1]
    z = model.infer(table.images[torch.tensor(result["rows"])].unsqueeze(1)).z.mean.squeeze(1)
    (path,) = seen["paths"].values()
    torch.testing.assert_close(path, torch.stack([z[0].lerp(z[1], share) for share in (0, 0.25, 0.5, 0.75, 1)]))


def test_figure_6_is_of_cars(tmp_path: Path) -> None:
    run = run_of(tmp_path, UGVAE)
    assert crossing.FIG6.reason_not(load_run(run)).startswith("Fig. 6 is of cars and chairs")
    result = call("fig6", run, "--images", "2", "3", "--group_size", "6")  # asked for by name it draws any two domains
    assert list(result["kinds"]) == ["left", "right"]
    assert [figure["file"] for figure in result["figures"]] == ["fig6.png"]
    cars = Cars3DDataModule(), StanfordCarsDataModule()
    of_cars = load_run(run)._replace(data=MixedDataModule(list(cars)))
    assert crossing.FIG6.reason_not(of_cars) is None


def test_kinds_of_the_map_by_attribute(tmp_path: Path) -> None:
    run = run_of(tmp_path, UGVAE, DIGITS)
    by_default = call("fig7", run, "--mapped", "4", "--group_size", "5")
    assert list(by_default["images"]) == [f"label {digit}" for digit in range(10)]
    asked = call("fig7", run, "--mapped", "4", "--group_size", "500", "--column", "label", "--values", "4", "7")
    assert asked["group_size"] == min(asked["images"].values())
    assert set(asked["silhouette"]) == {"mean", "sample"}
    assert -1 <= asked["silhouette"]["mean"] <= 1


def test_silhouette_is_high_for_kinds_that_lie_apart() -> None:
    labels = torch.tensor([0, 1, -1]).repeat(10)
    apart = (labels * 10.0).unsqueeze(1) + 0.1 * torch.randn(30, 2)
    assert separation(apart, labels) > 0.9
    assert separation(torch.randn(30, 2), labels) < 0.3
    assert separation(apart, torch.full((30,), -1)) is None


def test_path_is_drawn_through_its_points() -> None:
    path = np.array([[0.0, 0.0], [1.0, 2.0], [3.0, 1.0]])
    points = np.random.default_rng(0).normal(size=(6, 2))
    figure = map_figure(points, np.arange(6) % 2, {0: "a", 1: "b"}, "title", {"path": path})
    line, first, last = figure.axes[0].lines
    np.testing.assert_array_equal(line.get_xydata(), path)
    np.testing.assert_array_equal(first.get_xydata()[0], path[0])
    np.testing.assert_array_equal(last.get_xydata()[0], path[-1])


def test_what_does_not_apply_and_what_is_mistyped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, vae = str(run_of(tmp_path, UGVAE)), str(run_of(tmp_path, VAE))
    single = str(run_of(tmp_path / "single", UGVAE, DIGITS))
    for arguments, message in (
        (["fig4", "--run", run], "fig4: the z of UGVAE has a mixture as prior; fig3 walks through its components"),
        (["fig5", "--run", vae], "fig5: VAE has no beta; see fig13"),
        (["fig5", "--run", single], "domain: the data are of one domain; name two kinds of image"),
        (["fig7", "--run", vae], "fig7: the model is VAE, which has no beta"),
        (["fig9", "--run", run], "fig9: UGVAE has beta besides z; see fig3"),
        (["fig6", "--run", vae], "fig6: VAE has no beta; see fig13"),
        (["fig10", "--run", vae], "fig10: VAE has no mixture"),
        (["fig11", "--run", run], "fig11: UGVAE has beta and a mixture; see fig5"),
        (["fig12", "--run", run], "fig12: UGVAE has beta for what a group shares"),
        (["fig13", "--run", run], "fig13: UGVAE has beta and a mixture; see fig5"),
        (["fig5", "--run", run, "--attribute", "Mael"], "attribute: no column 'Mael'; the data have"),
        (["fig5", "--run", run, "--column", "lable"], "column: no column 'lable'; the data have"),
        (["fig5", "--run", run, "--column", "label", "--values", "3", "3"], "values: two different values of 'label'"),
        (["fig5", "--run", run, "--values", "0", "7"], "values: no test image is domain 7"),
        (["fig5", "--run", run, "--images", "0", "99"], "images: numbers in a group of 16 are 0 to 15"),
        (["fig7", "--run", run, "--values", "3"], "values: name their column by --column"),
        (["fig7", "--run", run, "--has", "Black_Hiar"], "has, attribute: no column 'Black_Hiar'; the data have"),
        (["prior", "--run", run, "--component", "9"], "component: expected 0 to 4, got 9"),
        (["prior", "--run", vae, "--component", "0"], "component: VAE has no mixture"),
        (["figures", "--run", str(tmp_path)], f"run: {tmp_path} is not the folder of a run"),
    ):
        assert refused(capsys, *arguments).startswith(message)
    for name, option, value in (("fig5", "steps", "1"), ("within", "mapped", "0"), ("fig3", "z_range", "0")):
        assert f'key "{option}"' in refused(capsys, name, "--run", run, f"--{option}", value)
    for typed in (["fig33", "--run", run], ["fig5", "--run", run, "--atribute", "Male"], ["fig5"]):
        assert "usage: ugvae paper" in refused(capsys, *typed)


def test_a_run_is_loaded_once_until_it_changes(tmp_path: Path) -> None:
    folder = run_of(tmp_path, UGVAE)
    first = load_run(folder)
    assert load_run(folder) is first
    checkpoint = folder / "checkpoints" / "best.ckpt"
    torch.save(torch.load(checkpoint, weights_only=True), checkpoint)
    assert load_run(folder) is not first


def test_many_components_fill_pages(tmp_path: Path) -> None:
    model = make(UGVAE, (1, 8, 8), double=False, num_components=23)
    result = call("fig3", write_run(tmp_path / "run", model), "--steps", "2")
    drawn = [figure["file"] for figure in result["figures"]]
    pages = [f"{name}_{page}" for name in ("fig3", "fig3_aggregate") for page in (1, 2, 3)]  # of 10 components
    assert drawn == [f"{name}.png" for name in (*pages, "fig3_axes")]
    assert len(result["components"]) == len(result["aggregate"]["components"]) == 23
    assert len(result["aggregate"]["axes"]) == len(result["aggregate"]["shares"]) == model.beta_dim


def test_walk_of_a_model_without_mixture_goes_along_the_axes_too(tmp_path: Path) -> None:
    result = call("fig4", run_of(tmp_path, MLVAE), "--steps", "3")
    assert [figure["file"] for figure in result["figures"]] == ["fig4.png", "fig4_axes.png"]
    assert all(change["columns"] > 0 for change in result["aggregate"]["axes"])
