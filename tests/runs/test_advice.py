"""The commands that messages advise exist where the user is."""

import shutil
from pathlib import Path

import pytest

from tests.helpers import PROJECT
from ugvae.runs.advice import advised, with_present_command

RUN = "lightning_logs/my run/version_0"
SETTINGS = ["--experiment", "mine", "--data.roots", "[a, b]"]


@pytest.mark.parametrize(
    ("asked", "make", "elsewhere"),
    [
        (("evaluate", RUN), f"make evaluate RUN='{RUN}'", f"ugvae evaluate '{RUN}'"),
        (("report", Path("a")), "make report RUN=a", "ugvae report a"),
        (("fit", "digits"), "make train DATA=digits", "ugvae fit --config digits"),
        (
            ("fit", "mnist", SETTINGS),
            "make train DATA=mnist ARGS=\"--experiment mine --data.roots '[a, b]'\"",
            "ugvae fit --config mnist --experiment mine --data.roots '[a, b]'",
        ),
    ],
)
def test_make_in_the_repository_and_ugvae_elsewhere(asked: tuple, make: str, elsewhere: str, workplace: Path) -> None:
    assert advised(*asked) == elsewhere
    Path("Makefile").write_text("all:\n\techo another project\n")
    assert advised(*asked) == elsewhere
    shutil.copy(PROJECT / "Makefile", "Makefile")
    assert advised(*asked) == make


def test_a_stored_command_of_an_earlier_version() -> None:
    now = "ugvae paper fig3 --run a --seed 1"
    assert with_present_command("python -m experiments.paper fig3 --run a --seed 1") == now
    assert with_present_command(now) == now
