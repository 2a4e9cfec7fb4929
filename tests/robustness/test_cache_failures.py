"""Builds of the image cache that fail, meet, or are killed: corrupt files, full disks, several processes."""

import json
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.helpers.cached_folder import cache_folder, contents, pictures_of
from ugvae.data import build
from ugvae.data.build import DecodedFiles, decode_files
from ugvae.data.cache import MANIFEST
from ugvae.data.table import SPLITS
from ugvae.datamodules import ImageFolderDataModule
from ugvae.errors import DataError

# -------------------------------------------------------------------------------------------------------- corrupt files


@pytest.mark.parametrize("workers", [1, 2])
def test_truncated_jpeg_stops_the_build(
    picture_data: Callable, picture_root: Path, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "CHUNK_IMAGES", 4)
    victim = picture_root / "cat" / "0018.jpg"
    victim.write_bytes(victim.read_bytes()[:-200])
    data = picture_data(cache_workers=workers)
    with pytest.raises(DataError, match=rf"^{victim}: not a whole image .*skip_corrupt: true$"):
        data.prepare_data()
    assert {path.name for path in cache_folder(data).iterdir()} <= {"lock"}


@pytest.mark.parametrize("workers", [1, 2])
def test_skipped_files_are_listed(
    picture_data: Callable, picture_root: Path, builds: list[int], workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "CHUNK_IMAGES", 4)
    bad = ["cat/0000.jpg", "cat/0018.jpg", "dog/0005.jpg"]
    for name in bad:
        (picture_root / name).write_text("<html>")
    data = picture_data(skip_corrupt=True, cache_workers=workers)
    with pytest.warns(UserWarning, match=r"3 corrupt files are left out, listed in .*manifest.json: .*\.jpg: not a "):
        kept = contents(data)
    assert sorted(number for pictures, _ in kept.values() for number in pictures) == sorted({*range(40)} - {0, 5, 18})
    assert all([number % 2 for number in pictures] == labels for pictures, labels in kept.values())
    skipped = json.loads((cache_folder(data) / MANIFEST).read_text())["skipped"]
    assert sorted(entry["file"] for entry in skipped) == bad
    with pytest.warns(UserWarning, match="3 corrupt files"):  # every time
        picture_data(skip_corrupt=True).prepare_data()
    with pytest.raises(
        DataError, match="the first of 3 corrupt files"
    ):  # nor is it silently used by who did not ask for it
        picture_data().prepare_data()
    assert len(builds) == 1


def test_nothing_but_corrupt_files(picture_data: Callable, picture_root: Path) -> None:
    for path in picture_root.rglob("*.jpg"):
        path.write_bytes(b"")
    with pytest.raises(DataError, match="the first of 40 corrupt files"):
        picture_data(skip_corrupt=True).prepare_data()


def test_file_that_cannot_be_read_is_not_skipped(
    picture_data: Callable, picture_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path) -> bytes:
        raise OSError(5, "Input/output error", str(path))

    monkeypatch.setattr(Path, "read_bytes", fail)
    with pytest.raises(DataError, match=r"\.jpg: cannot be read \(Input/output error\)$"):
        picture_data(skip_corrupt=True).prepare_data()


# ------------------------------------------------------------------------------------------------ folders and processes


def test_folder_that_cannot_be_written(picture_data: Callable, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=rf"^{tmp_path}/file/.*: the image cache cannot be written .*set cache_dir"):
        picture_data(cache_dir=str(tmp_path / "file")).prepare_data()


def test_disk_that_is_too_small(picture_data: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("usage", (), {"free": 1000})
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    with pytest.raises(DataError, match=r"0\.00 GB needed.*0\.00 GB free.*set cache_dir"):
        picture_data().prepare_data()


def die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.skipif(sys.platform != "linux", reason="the replaced function reaches the workers by fork")
def test_worker_that_dies_is_an_error_and_not_a_hang(picture_data: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "CHUNK_IMAGES", 4)
    monkeypatch.setattr(build, "read_bytes", die)
    with pytest.raises(DataError, match="cache_workers to a smaller number"):
        picture_data(cache_workers=2).prepare_data()


def build_and_count(root: str, results: multiprocessing.Queue) -> None:
    counts = []

    def slow(files: DecodedFiles, *others: object) -> dict[int, str]:
        counts.append(len(files))
        time.sleep(0.3)
        return decode_files(files, *others)

    build.decode_files = slow
    data = ImageFolderDataModule(root, image_size=16, split_by="image", cache_workers=1)
    images = sum(len(data.table(split)) for split in SPLITS)
    results.put((len(counts), images))


@pytest.mark.skipif(sys.platform != "linux", reason="the processes start by fork")
def test_of_processes_that_start_together_one_builds(picture_root: Path) -> None:
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    processes = [context.Process(target=build_and_count, args=(str(picture_root), results)) for _ in range(3)]
    for process in processes:
        process.start()
    outcomes = [results.get(timeout=30) for _ in processes]
    for process in processes:
        process.join(timeout=30)
    assert sorted(outcome[0] for outcome in outcomes) == [0, 0, 1]
    assert {outcome[1] for outcome in outcomes} == {40}


def build_until_stuck(root: str, workers: int, half_way: multiprocessing.Event) -> None:
    def slow(path: Path) -> bytes:
        if path.name > "0019":
            half_way.set()
            time.sleep(60)
        return path.read_bytes()

    build.read_bytes, build.CHUNK_IMAGES = slow, 4
    ImageFolderDataModule(root, image_size=16, split_by="image", cache_workers=workers).prepare_data()


@pytest.mark.skipif(sys.platform != "linux", reason="the processes start by fork")
@pytest.mark.parametrize("workers", [1, 2])
def test_killed_build_leaves_nothing_that_is_accepted(
    picture_data: Callable, picture_root: Path, builds: list[int], workers: int
) -> None:
    context = multiprocessing.get_context("fork")
    half_way = context.Event()
    process = context.Process(target=build_until_stuck, args=(str(picture_root), workers, half_way))
    process.start()
    assert half_way.wait(timeout=30)
    (place,) = (picture_root / ".cache").iterdir()
    (partial,) = place.glob(".images-*.bin")
    assert partial.stat().st_size == 40 * 3 * 16 * 16  # of the full size, and yet no cache
    process.kill()
    process.join()
    assert not (place / MANIFEST).exists()
    data = picture_data()  # waits until the orphaned workers have gone, and the lock with them
    numbers = pictures_of(data)
    assert numbers == list(range(40))
    assert builds == [40]
    assert not partial.exists()


@pytest.mark.parametrize("step", ["runs.files.os.replace", "data.build.save_arrays", "data.build.save_json"])
def test_interrupt_between_the_files(
    picture_data: Callable, builds: list[int], step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = contents(picture_data(cache_workers=1))
    os.utime(Path(picture_data().root) / "cat" / "0000.jpg", (1, 1))  # so that the next one rebuilds over the old

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(f"ugvae.{step}", interrupt)
        with pytest.raises(KeyboardInterrupt):
            picture_data().prepare_data()
    assert contents(picture_data()) == wanted
    assert builds == [40, 40, 40]
