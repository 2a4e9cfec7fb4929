"""The built site: no link leads nowhere, nothing comes from another machine, every public name is in the reference."""

import importlib
import inspect
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.helpers import PROJECT

pytest.importorskip("mkdocs", reason="make docs installs it")
WITH_ALL = ("ugvae.models", "ugvae.datamodules")
WHOLE = ("ugvae.distributions", "ugvae.data.known_groups", "ugvae.runs.loading", "ugvae.evaluation.latents")


class Page(HTMLParser):
    """What a page links to, what it loads by itself, and the places in it that a link can name."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.places = {""}
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.places |= {given[name] for name in ("id", "name") if given.get(name)}
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        elif tag in ("link", "script", "img") and (source := given.get("href") or given.get("src")):
            (self.links if given.get("rel") in ("prev", "next", "canonical") else self.loads).append(source)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Page]:
    """The pages by their paths."""
    folder = tmp_path_factory.mktemp("site").resolve()
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {path: Page(path) for path in folder.rglob("*.html")}


def test_every_link_leads_somewhere(site: dict[Path, Page]) -> None:
    broken = []
    for path, page in site.items():
        for link in page.links + page.loads:
            parts = urlsplit(link)
            if parts.scheme in ("http", "https"):
                broken += [] if re.fullmatch(r"[\w.-]+\.\w{2,}", parts.netloc) else [f"{path.name}: {link}"]
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path not in ("", "/") else path
            known = site[target].places if target in site else {""}
            if path.name != "404.html" and (not target.is_file() or unquote(parts.fragment) not in known):
                broken.append(f"{path.name}: {link}")
    assert len(site) > 20
    assert not broken


def test_nothing_is_loaded_from_elsewhere(site: dict[Path, Page]) -> None:
    assert not {source for page in site.values() for source in page.loads if urlsplit(source).netloc}
    styles = [style.read_text() for style in next(iter(site)).parent.rglob("*.css")]
    assert styles
    assert not [style for style in styles if re.search(r"url\(\s*['\"]?(?:https?:)?//", style)]


def test_every_public_name_is_in_the_reference(site: dict[Path, Page]) -> None:
    names = {f"{module}.{name}" for module in WITH_ALL for name in importlib.import_module(module).__all__}
    for module in map(importlib.import_module, WHOLE):
        for name, value in vars(module).items():
            own = inspect.isfunction(value) or inspect.isclass(value)
            if own and value.__module__ == module.__name__ and not name.startswith("_"):
                names.add(f"{module.__name__}.{name}")
    assert names - {place for page in site.values() for place in page.places} == set()
