"""YAMLs by name: those of the current folder, then those that come with ugvae; typos are refused with near names."""

from pathlib import Path

import pytest
import yaml

from tests.helpers import EXPERIMENTS
from tests.helpers.yaml_sweep import SHORT, SMALL, YAMLS
from ugvae import cli
from ugvae.cli.yamls import with_files, yaml_named
from ugvae.errors import ConfigError
from ugvae.runs.folder import read_config

pytestmark = pytest.mark.usefixtures("workplace")


@pytest.mark.parametrize("name", [path.stem for path in YAMLS] + ["cluster/two_nodes"])
def test_every_yaml_is_found_by_its_name(name: str) -> None:
    assert yaml_named(name).resolve() == (EXPERIMENTS / f"{name}.yaml").resolve()


def test_what_lies_in_the_current_folder_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("mnist").mkdir()  # of data: no settings
    assert yaml_named("mnist") == EXPERIMENTS / "mnist.yaml"
    Path("mnist.yaml").touch()
    assert yaml_named("mnist") == Path("mnist.yaml")
    Path("digits").touch()
    assert yaml_named("digits") == Path("digits")
    monkeypatch.chdir(EXPERIMENTS.parent)
    assert yaml_named("celeba") == Path("experiments/celeba.yaml"), "as the paths of runs in the repository"
    assert yaml_named("experiments/celeba.yaml") == Path("experiments/celeba.yaml")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("mnits", "Did you mean mnist"),
        ("experiments/mnist.yaml", "Did you mean mnist"),
        ("a/b/celba_control", "celeba_control"),
        ("zzz", "It has array, cars3d, "),
    ],
)
def test_a_name_that_is_none(name: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=f"^data: no file {name}, .*{hint}"):
        yaml_named(name, "data")


def test_which_words_are_names() -> None:
    shipped = str(EXPERIMENTS / "digits.yaml")
    typed = ["fit", "--config", "digits", "--config=digits", "-c", "digits", "--experiment", "digits"]
    expected = ["fit", "--config", shipped, f"--config={shipped}", "-c", shipped, "--experiment", "digits"]
    assert with_files(typed) == expected
    others = ["--config", "{experiment: mine}", "--config=~/mine.yaml", "--config"]
    assert with_files(others) == others


def test_fit_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    """The experiment has the name of the YAML, and its data lie where the command is given."""
    Path("more.yaml").write_text(yaml.safe_dump({"trainer": {"log_every_n_steps": 7}}))
    cli.main(["fit", "--config", "digits", "--config", "more", *SMALL, *SHORT, "--figures.groups_per_label=0"])
    assert read_config(Path("lightning_logs/digits/version_0/config.yaml"))["trainer"]["log_every_n_steps"] == 7
    with pytest.raises(SystemExit, match="2"):
        cli.main(["fit", "--config=celeba", *SHORT])
    assert " under data/celeba.\n" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        cli.main(["fit", "--config=digit", *SHORT])
    assert "error: config: no file digit, and ugvae has no YAML of that name. Did you mean digits" in (
        capsys.readouterr().err
    )
