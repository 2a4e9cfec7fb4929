"""The explorer in a real browser: what a hand does, what is shown, and that nothing leaves the machine."""

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.helpers.browser import CHROMIUM, needs_chromium
from tests.helpers.tiny_runs import DIGITS, run_of
from ugvae.experiments.explore.app import launch, page
from ugvae.experiments.explore.source import load
from ugvae.models import UGVAE, VAE

pytestmark = [pytest.mark.browser, needs_chromium]
SHOWN = "figure.picture:visible"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of the explorer, with a second run to compare with."""
    folder = tmp_path_factory.mktemp("runs")
    blocks = page(load(run_of(folder, UGVAE, DIGITS)), run_of(folder, VAE, DIGITS))
    yield launch(blocks)[1]
    blocks.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(params=[(1280, "light"), (390, "dark")], ids=str)
def opened(request: pytest.FixtureRequest, browser: Browser, address: str) -> Iterator[Page]:
    """The page in a window; at the end, nothing has gone wrong in it, and it has asked no other host."""
    width, scheme = request.param
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    tab = context.new_page()
    errors: list[str] = []
    asked: set[str | None] = set()
    tab.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.on("request", lambda asking: asked.add(urlsplit(asking.url).hostname))
    tab.goto(address)
    tab.wait_for_selector(SHOWN)
    yield tab
    context.close()
    assert not errors
    assert asked - {None, ""} == {"127.0.0.1"}  # None: addresses that hold their data


def source(tab: Page) -> str:
    return tab.locator(f"{SHOWN} img").get_attribute("src")


def changed(tab: Page, before: str) -> None:
    expect(tab.locator(f"{SHOWN} img")).not_to_have_attribute("src", before)


def open_view(tab: Page, name: str) -> None:
    """Chooses a tab, which a narrow window keeps behind a button."""
    if not tab.get_by_role("tab", name=name).is_visible():
        tab.locator(".overflow-menu > button").click()
        tab.locator(".overflow-dropdown").get_by_text(name).click()
    else:
        tab.get_by_role("tab", name=name).click()
    expect(tab.locator(SHOWN)).to_have_attribute("data-name", name.lower())


def test_a_slider_changes_the_walk(opened: Page) -> None:
    before = source(opened)
    opened.get_by_role("slider").first.press("ArrowRight")
    changed(opened, before)


def test_files_and_points_of_the_map_change_the_group(opened: Page, tmp_path: Path) -> None:
    open_view(opened, "Group")
    files = [tmp_path / f"{number}.png" for number in range(3)]
    for number, file in enumerate(files):
        Image.new("L", (20, 20), 60 * number).save(file)
    before, posterior = source(opened), opened.locator(".posterior").inner_html()
    opened.locator("input[type=file]").set_input_files(files)
    changed(opened, before)
    expect(opened.locator("figcaption:visible")).to_contain_text("3 images.")
    assert opened.locator(".posterior").inner_html() != posterior
    before = source(opened)
    opened.locator("[data-group='2']").dispatch_event("click")
    changed(opened, before)
    expect(opened.locator("[data-group='2']")).to_have_class("group chosen")
    opened.locator("[data-group='5']").press("Enter")
    expect(opened.locator("[data-group='5']")).to_have_class("group chosen")


def test_a_file_that_is_no_image_is_a_message_and_the_page_goes_on(opened: Page, tmp_path: Path) -> None:
    open_view(opened, "Group")
    (tmp_path / "notes.txt").write_text("no image")
    opened.locator("input[type=file]").set_input_files(tmp_path / "notes.txt")
    expect(opened.get_by_role("alert").filter(has_text="notes.txt: not a whole image")).to_be_visible()
    opened.get_by_role("slider").locator("visible=true").first.press("ArrowRight")
    opened.get_by_label("Clear").click()
    expect(opened.locator("figcaption:visible")).to_contain_text("17 images.")


@pytest.mark.parametrize("name", ["Swap", "Compare"])
def test_other_groups_change_the_picture(opened: Page, name: str) -> None:
    open_view(opened, name)
    before = source(opened)
    opened.get_by_role("slider").locator("visible=true").last.press("ArrowRight")
    changed(opened, before)


def test_the_labels_of_components_follow_the_column(opened: Page) -> None:
    open_view(opened, "Components")
    before = opened.locator(".labels:visible").inner_text()
    opened.get_by_label("Column whose values are named").click()
    opened.get_by_role("option", name="none").click()
    expect(opened.locator(".labels:visible")).not_to_have_text(before)


def test_a_picture_is_saved_with_its_settings(opened: Page, tmp_path: Path) -> None:
    with (
        opened.expect_download(lambda file: file.suggested_filename == "walk.json") as settings,
        opened.expect_download(lambda file: file.suggested_filename == "walk.png") as picture,
    ):
        opened.get_by_text("Save PNG + JSON").locator("visible=true").click()
    settings.value.save_as(tmp_path / "walk.json")
    picture.value.save_as(tmp_path / "walk.png")
    assert json.loads((tmp_path / "walk.json").read_text())["view"] == "walk"
    assert Image.open(tmp_path / "walk.png").size[0] > 8
