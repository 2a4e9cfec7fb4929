"""``docs/own_data.md``: the commands of the page as they stand there, in a working folder with such data.

Training is two steps, and of ``make evaluate`` the probes are run: all of it is tested elsewhere.
"""

import os
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.data.clinic import write_clinic
from tests.data.image_folder import write_image_folder
from tests.helpers import EXPERIMENTS, PROJECT
from ugvae import cli
from ugvae.experiments.paper import __main__ as paper

PAGE = (PROJECT / "docs/own_data.md").read_text()
COMMANDS = re.findall(r"^    ((?:make|\.venv/bin/ugvae) .+)$", PAGE, re.MULTILINE)
SHORT = ["--trainer.max_epochs=1", "--trainer.max_steps=2", "--figures.every_n_epochs=0", "--trainer.accelerator=cpu"]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A working folder with what the page names."""
    folder = tmp_path_factory.mktemp("own_data")
    write_clinic(folder / "clinic")
    write_clinic(folder / "new_scans", patients=5, seed=1)
    write_image_folder(folder / "photos")
    np.save(folder / "wells.npy", np.random.default_rng(0).integers(0, 65536, (220, 16, 24, 24), dtype=np.uint16))
    (folder / "my_data.py").write_text(PAGE.split("```python\n")[1].split("```")[0])
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("WANDB_MODE", "disabled")
        patch.setattr(sys, "path", [path for path in sys.path if path])
        yield folder
    sys.modules.pop("my_data", None)


def run(command: str) -> None:
    """Runs a command of the page as the Makefile does, training for two steps."""
    words = shlex.split(command)
    settings = dict(word.split("=", 1) for word in words[2:] if re.match("[A-Z]+=", word))
    if words[:2] == ["make", "train"]:
        config = EXPERIMENTS / f"{settings['DATA']}.yaml"
        cli.main(["fit", "--config", str(config), *shlex.split(settings["ARGS"]), *SHORT])
    elif words[0] == "make":
        paper.main([{"evaluate": "probes", "report": "report"}[words[1]], "--run", settings["RUN"]])
    else:
        cli.main(words[1:] + (SHORT if words[1] == "fit" else []))


def test_every_command_of_the_page(workplace: Path) -> None:
    trained = [command for command in COMMANDS if " fit " in command or "train" in command]
    later = [command for command in COMMANDS if command not in trained]
    given = next(command for command in trained if "given" in command)
    trained.remove(given)
    for command in [given, *trained, *later]:  # the later commands are about version_0
        run(command)
    assert len(os.listdir(workplace / "lightning_logs/folder")) == 3
    report = (workplace / "lightning_logs/folder/version_0/report.html").read_text()
    assert "thickness, R²" in report
    groups = (workplace / "latents/groups.csv").read_text().splitlines()
    assert len(groups) == 1 + 5
    assert groups[1].startswith("P000,")
