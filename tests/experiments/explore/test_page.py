"""The page of the explorer: its tabs, what it can be opened with, and that its server gives no files."""

import json
import re
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from tests.helpers.small_models import every_model, make
from tests.helpers.tiny_runs import DIGITS, run_of, write_run
from ugvae.errors import ConfigError
from ugvae.experiments.explore import __main__ as entrance
from ugvae.experiments.explore.app import launch, page, reasons
from ugvae.experiments.explore.source import Explored, load
from ugvae.experiments.explore.walk import walk
from ugvae.models import UGVAE, VAE, BaseVAE


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


def test_a_model_of_other_images_is_refused(explored: Explored, tmp_path: Path) -> None:
    other = write_run(tmp_path / "larger", make(VAE, (1, 9, 9), double=False))
    with pytest.raises(ConfigError, match=r"compare: the images of .* are \(1, 9, 9\)"):
        page(explored, other)
    with pytest.raises(ConfigError, match="run: nowhere is not the folder of a run"):
        page(explored, Path("nowhere"))


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
