"""Folders that belong to another user, who lets nobody in (umask 077): one message, and no error while it is made."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.data.image_folder import write_image_folder
from tests.helpers.cached_folder import make
from ugvae import datamodules
from ugvae.errors import DataError, OutputError
from ugvae.runs.files import save_json

NOBODY = 65534
WITHOUT_FILES = {"GroupDataModule", "DigitsDataModule", "MixedDataModule"}


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that everybody may enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@contextmanager
def closed(folder: Path) -> Iterator[None]:
    """Closes a folder and goes on as a user who may not enter it: root may enter all."""
    root, mode = os.geteuid() == 0, folder.stat().st_mode
    folder.chmod(0o000)
    if root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(mode)


@pytest.mark.parametrize("part", ["cache", "cache/*"])
def test_cache_of_another_user(place: Path, part: str) -> None:
    write_image_folder(place / "images", num_images=20)
    data = partial(make, place / "images")
    data(cache_dir=str(place / "cache")).prepare_data()
    (folder,) = place.glob(part)
    (place / "own").mkdir()
    (place / "own").chmod(0o777)
    with closed(folder):
        with pytest.raises(DataError, match=rf"^{place}/cache/.*Permission denied.*set cache_dir to a folder"):
            data(cache_dir=str(place / "cache")).prepare_data()
        assert len(data(cache_dir=str(place / "own")).table("train")) > 10


@pytest.mark.parametrize("below", ["", "deeper"])
def test_file_in_a_folder_of_another_user(place: Path, below: str) -> None:
    (place / "theirs").mkdir()
    with closed(place / "theirs"), pytest.raises(OutputError, match=rf"Permission denied\); .* GB free in {place}"):
        save_json({}, place / "theirs" / below / "file.json")


@pytest.mark.parametrize("name", sorted({*datamodules.__all__} - WITHOUT_FILES))
@pytest.mark.parametrize("below", ["", "deeper"])
def test_data_of_another_user(place: Path, name: str, below: str) -> None:
    (place / "theirs").mkdir()
    with closed(place / "theirs"), pytest.raises(DataError, match=rf"{place}/theirs.*Permission denied"):
        getattr(datamodules, name)(str(place / "theirs" / below)).prepare_data()
