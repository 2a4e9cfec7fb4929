"""The walk of beta: its tiles, its place in the report, and what it does in a browser."""

import base64
import io
import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.helpers.browser import CHROMIUM, needs_chromium
from tests.helpers.outline import Outline
from tests.helpers.refusals import refused
from tests.helpers.small_models import make
from tests.helpers.tiny_runs import call, run_of, write_run
from ugvae.evaluation.trained_run import load_run
from ugvae.evaluation.walks import plane_walk
from ugvae.experiments.paper import __main__ as paper
from ugvae.experiments.paper import walk_sheet
from ugvae.experiments.paper.walks import held_out_axes
from ugvae.models import MLVAE, UGVAE, VAE, NeuralStatistician

PLAY = """<script>
const walk = document.querySelector(".walk"), tiles = walk.querySelector(".tiles"), seen = [];
const sliders = walk.querySelectorAll("input"), tile = walk.querySelectorAll(".tile")[1];
const note = () => seen.push([getComputedStyle(tile).backgroundPosition, ...[...sliders].map((one) => one.value)]);
const point = (kind, x, y) => tiles.dispatchEvent(
  new PointerEvent(kind, { clientX: x, clientY: y, pointerId: 1, bubbles: true }));
tiles.setPointerCapture = () => {};
note();
sliders[0].value = 2; sliders[0].dispatchEvent(new Event("input")); note();
for (const key of ["ArrowDown", "ArrowDown", "ArrowRight", "Home"])
  tiles.dispatchEvent(new KeyboardEvent("keydown", { key }));
note();
point("pointerdown", 500, 500); point("pointermove", 100, 500); point("pointerup", 100, 500); note();
point("pointermove", 900, 900); note();
document.body.innerHTML = `<pre>${JSON.stringify([seen, walk.innerText, tiles.tabIndex])}</pre>`;
</script>"""


def report(run: Path) -> str:
    paper.main(["report", "--run", str(run)])
    return (run / "report.html").read_text(encoding="utf-8")


def test_tiles_are_beta_on_the_plane_of_its_axes(tmp_path: Path) -> None:
    run = load_run(run_of(tmp_path, UGVAE))
    model, axes = run.model, held_out_axes(run, 0)
    panels = plane_walk(model, axes, 3)
    assert panels.shape == (model.num_components, 3, 3, 1, 8, 8)
    first, second = axes.places[:, 0].quantile(0.95), axes.places[:, 1].quantile(0.05)
    beta = (axes.mean + first * axes.directions[0] + second * axes.directions[1]).float().unsqueeze(0)
    expected = model.decode(model.prior(beta).mean[:, 2].unsqueeze(1), beta)
    torch.testing.assert_close(panels[2, 0, 2], expected[0, 0])


def test_a_draw_stays_while_beta_moves_where_there_is_no_mixture(tmp_path: Path) -> None:
    run = load_run(run_of(tmp_path, MLVAE))
    axes = held_out_axes(run, 0)
    panels = plane_walk(run.model, axes, 3, draws=4, seed=5)
    z = torch.randn(4, run.model.z_dim, generator=torch.Generator().manual_seed(5))
    beta = axes.walk(0, 3)[2] + axes.walk(1, 3)[1] - axes.mean
    torch.testing.assert_close(panels[:, 1, 2], run.model.decode(z.unsqueeze(0), beta.float().unsqueeze(0))[0])


def test_the_sheet_shows_the_components_of_the_most_images_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(walk_sheet, "MOST_PANELS", 3)
    folder = run_of(tmp_path, UGVAE)
    result = call("walk_sheet", folder, "--steps", "5")
    sheet = result["sheet"]
    assert (sheet["rows"], sheet["columns"], sheet["size"]) == (5, 5, [8, 8])
    message = refused(capsys, "walk_sheet", "--run", str(folder), "--steps", "128")
    assert message == "steps: a sheet has no room for 128×128 images; take 127 or less"
    shares = [component["share"] for component in call("fig3", folder)["components"]]
    largest = sorted(range(len(shares)), key=lambda k: -shares[k])[:3]
    assert sheet["panels"] == [f"d = {k}, {shares[k]:.0%}" for k in largest]
    assert all(change["columns"] > 0 for change in result["change"])
    with Image.open(folder / "paper" / "walk_sheet.webp") as image:
        pixels = np.asarray(image.convert("L"), dtype=float) / 255
    run = load_run(folder)
    expected = plane_walk(run.model, held_out_axes(run, 0), 5)[largest[1], 4, 3, 0].numpy()
    shown = pixels[8:16, (4 * 5 + 3) * 8 :][:, :8]
    assert np.abs(shown - expected).mean() < 0.05, "WebP loses a little"


def test_models_without_beta_say_so_and_one_axis_is_one_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    message = refused(capsys, "walk_sheet", "--run", str(run_of(tmp_path, VAE)))
    assert message == "walk_sheet: the model is VAE, which has no beta"
    model = make(NeuralStatistician, (1, 8, 8), double=False, beta_dim=1)
    result = call("walk_sheet", write_run(tmp_path / "run", model), "--steps", "3")
    assert (result["sheet"]["rows"], result["sheet"]["columns"], len(result["sheet"]["panels"])) == (1, 3, 1)
    page = report(tmp_path / "run")
    assert page.count('type="range"') == 1
    assert "--at: 1; --last-tile: 2; --last-panel: 1" in page


def test_the_report_holds_the_walk_in_place_of_its_picture(tmp_path: Path) -> None:
    run = run_of(tmp_path, UGVAE)
    call("fig3", run, "--steps", "2")
    caption = "The same along axis 1 of the betas of held-out groups"
    before = report(run)
    assert caption in before
    assert "<script" not in before
    call("walk_sheet", run)
    page = report(run)
    assert caption not in page
    outline, sheet = Outline(page), (run / "paper" / "walk_sheet.webp").read_bytes()
    (address,) = re.findall(r"url\(data:image/webp;base64,([^)]*)\)", page)
    assert page.count("url(") == 1
    with Image.open(io.BytesIO(base64.b64decode(address))) as image:
        assert image.size == (49 * 8, load_run(run).model.num_components * 8)
    assert base64.b64decode(address) == sheet
    assert "--at: 24; --last-tile: 48" in page, "the middle, with or without a script"
    assert "With JavaScript, beta moves." in outline.words()
    assert page.count("<script>") == 1
    script = Path(walk_sheet.__file__).parent / "report" / "walk.js"
    assert script.read_text().strip() in page
    assert len(script.read_text().splitlines()) <= 100


@pytest.mark.parametrize("damage", ["sheet", "numbers"])
def test_a_damaged_walk_is_named_and_the_picture_stays(tmp_path: Path, damage: str) -> None:
    run = run_of(tmp_path, UGVAE)
    call("fig3", run, "--steps", "2")
    call("walk_sheet", run)
    if damage == "sheet":
        (run / "paper" / "walk_sheet.webp").unlink()
    else:
        content = json.loads((run / "paper" / "walk_sheet.json").read_text())
        content["sheet"]["rows"] = "</style>"
        (run / "paper" / "walk_sheet.json").write_text(json.dumps(content))
    page = report(run)
    assert "The figure walk_sheet.webp: it cannot be read" in Outline(page).words()
    assert "The same along axis 1 of the betas of held-out groups" in page
    assert "<script" not in page


@pytest.mark.browser
@needs_chromium
def test_sliders_keys_and_dragging_move_it_in_a_browser(tmp_path: Path) -> None:
    run = run_of(tmp_path, UGVAE)
    call("walk_sheet", run, "--steps", "3")
    played = tmp_path / "played.html"
    played.write_text(report(run).replace("</body>", f"{PLAY}</body>"), encoding="utf-8")
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'browser'}"]
    page = subprocess.run(
        [CHROMIUM, *flags, "--dump-dom", played.as_uri()], capture_output=True, text=True, timeout=120, check=True
    ).stdout
    seen, text, focus = json.loads(Outline(page.split("<body>")[1].split("</body>")[0]).words())
    down = f"{100 / (load_run(run).model.num_components - 1):g}%"
    assert seen == [
        [f"50% {down}", "1", "1"],
        [f"62.5% {down}", "2", "1"],
        [f"100% {down}", "2", "2"],  # beyond the ends it stays where it is
        [f"75% {down}", "0", "2"],
        [f"75% {down}", "0", "2"],  # the pointer is up
    ]
    assert "beta, axis 1: 5% quantile" in text
    assert "beta, axis 2: 95% quantile" in text
    assert focus == 0
