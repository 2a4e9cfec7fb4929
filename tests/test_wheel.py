"""The wheel is the whole product: what it holds, and its commands where nothing of the repository is."""

import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from tests.helpers import PROJECT
from tests.test_layout import FOLDERS
from tests.test_requirements import pinned_to_floors
from ugvae.experiments.paper.registry import FIGURES, TABLES
from ugvae.runs.folder import read_run

FILES = ("pyproject.toml", "setup.cfg", "requirements.txt", "MANIFEST.in", "README.md", "LICENSE", "CHANGELOG.md")
FILES += ("Makefile", ".ci/run")
ROOMS = ("src", "datamodules", "experiments", "tests", "docs")
RUN = Path("lightning_logs/digits/version_0")


def build(kind: str, source: Path, output: Path) -> Path:
    """Builds an ``sdist`` or a ``wheel`` with the setuptools of this environment; no network."""
    code = f"from setuptools import build_meta; build_meta.build_{kind}({str(output)!r})"
    done = subprocess.run([sys.executable, "-c", code], cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (built,) = output.glob({"sdist": "*.tar.gz", "wheel": "*.whl"}[kind])
    return built


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution, unpacked."""
    folder = tmp_path_factory.mktemp("sdist")
    for room in ROOMS:
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(PROJECT / room, folder / "source" / room, ignore=ignored)
    (folder / "source" / ".ci").mkdir()
    for file in FILES:
        shutil.copy(PROJECT / file, folder / "source" / file)
    with tarfile.open(build("sdist", folder / "source", folder)) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    (unpacked,) = (folder / "unpacked").iterdir()
    return unpacked


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel that is built from the source distribution alone."""
    return build("wheel", sdist, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel, which sees the libraries of this one, and nothing of the repository."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python")]
    subprocess.run([*pip, "install", "--quiet", "--no-deps", "--no-index", str(wheel)], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    libraries = [path for path in sys.path if path.endswith("-packages")]  # without their .pth, as of editable installs
    (site / "libraries.pth").write_text("\n".join(libraries))
    return folder


@pytest.fixture
def empty(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, and no path but the environment's own."""
    monkeypatch.delenv("PYTHONPATH", raising=False)
    return workplace


def ugvae(environment: Path, *arguments: str) -> str:
    """What a command of the installed wheel prints."""
    command = [str(environment / "bin" / "ugvae"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def sources(folder: Path) -> set[str]:
    """All files of a source folder, without the bench, which needs the tests."""
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {path.as_posix() for path in paths if "__pycache__" not in path.parts and path.parts[0] != "bench"}


def test_the_wheel_holds_all_files_of_the_packages_and_no_other(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    prefixes = {folder: prefix.replace(".", "/") for folder, prefix in FOLDERS.items()}
    assert held == {f"{prefix}/{name}" for folder, prefix in prefixes.items() for name in sources(PROJECT / folder)}
    assert {"ugvae/py.typed", "ugvae/experiments/mnist.yaml", "ugvae/experiments/cluster/two_nodes.yaml"} <= held
    assert "ugvae/experiments/paper/report/page.html.j2" in held


def test_the_source_distribution_holds_what_its_tests_need(sdist: Path) -> None:
    for file in (file for file in FILES if file != "setup.cfg"):  # which gets an empty section
        assert (sdist / file).read_bytes() == (PROJECT / file).read_bytes()
    for folder in ("tests", "docs", "experiments/bench"):
        assert sources(sdist / folder) == sources(PROJECT / folder)


def test_a_stranger_trains_with_the_wheel_alone(environment: Path, empty: Path) -> None:
    python = [str(environment / "bin" / "python"), "-c"]
    code = "import importlib.util as u, ugvae; print(ugvae.__file__, u.find_spec('tests'), u.find_spec('experiments'))"
    where = subprocess.run([*python, code], capture_output=True, text=True, check=True).stdout.split()
    assert Path(where[0]).is_relative_to(environment)
    assert where[1:] == ["None", "None"]
    printed = ugvae(environment, "fit", "--config", "digits", "--trainer.max_epochs", "1")
    assert f"Next: ugvae evaluate {RUN} " in printed
    assert f"      ugvae report {RUN} " in printed
    ugvae(environment, "report", str(RUN))
    assert f"ugvae paper fig3 --run {RUN}" in (RUN / "report.html").read_text()


@pytest.mark.slow
def test_a_stranger_evaluates_reports_and_encodes(environment: Path, empty: Path) -> None:
    ugvae(environment, "fit", "--config", "digits", "--trainer.max_epochs", "1")
    ugvae(environment, "evaluate", str(RUN))
    run = read_run(RUN)
    assert run.test is not None
    assert run.commands.keys() == (FIGURES | TABLES).keys()
    assert {entry["status"] for entry in run.commands.values()} == {"done", "does not apply"}
    ugvae(environment, "report", str(RUN))
    assert (RUN / "report.html").stat().st_size > 2**20, "with its pictures"
    ugvae(environment, "encode", str(RUN), "--output", "latents")
    assert len(Path("latents/images.csv").read_text().splitlines()) == 1 + 1797


@pytest.mark.slow
@pytest.mark.network
def test_the_lowest_stated_versions(wheel: Path, tmp_path: Path) -> None:
    """The fast tests of the sources with the lowest versions of ``requirements.txt``: some gigabytes, and minutes."""
    venv.create(tmp_path / "floors", symlinks=True)
    python = str(tmp_path / "floors" / "bin" / "python")
    tools = ["pytest>=8", "hypothesis>=6.100", "setuptools>=70.1"]
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet"]
    subprocess.run([*pip, str(wheel), *pinned_to_floors(), *tools], check=True)
    rooms = ["tests/models", "tests/networks", "tests/evaluation", "tests/data", "tests/plots"]
    rooms += ["--ignore=tests/models/test_arithmetic.py"]  # needs the bench, which no wheel has
    rooms += ["--ignore=tests/models/test_gpu_readiness.py"]  # its stand-in for a GPU aborts torch 2.6
    variables = {**os.environ, "OMP_NUM_THREADS": "1", "WANDB_MODE": "disabled"}
    done = subprocess.run([python, "-m", "pytest", "-q", *rooms, "tests/test_cli.py"], cwd=PROJECT, env=variables)
    assert done.returncode == 0
