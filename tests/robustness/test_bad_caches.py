"""Caches of images that were edited or damaged after they were built: rebuilt, and never used as they are."""

import json
import os
import shutil
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.data.image_folder import write_image_folder
from tests.helpers.bad_input import attempt, damaged, files_below
from tests.helpers.cached_folder import cache_folder, contents, make
from tests.helpers.pickles import Trap
from ugvae.data.cache import MANIFEST

KIND = "caches"
TRUTH: dict[str, list] = {}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 12 pictures with its cache, and what is in it."""
    folder = tmp_path_factory.mktemp("cached") / "images"
    write_image_folder(folder, num_images=12)
    TRUTH.update(contents(make(folder)))
    return folder


def check(root: Path) -> None:
    """Whatever is in the cache, the table is the true one, and nothing is written but the cache."""
    outside = {name: content for name, content in files_below(root.parent).items() if ".cache" not in name}
    assert attempt(KIND, lambda: contents(make(root)), root) == TRUTH
    assert {name: content for name, content in files_below(root.parent).items() if ".cache" not in name} == outside


def part(root: Path, name: str) -> Path:
    """One of the files of the cache: the manifest, or what it calls ``images`` or ``columns``."""
    folder = cache_folder(make(root))
    manifest = folder / MANIFEST
    return manifest if name == MANIFEST else folder / json.loads(manifest.read_text())[name]


@cache
def first(root: Path, name: str) -> bytes:
    """A file of the first cache that was built: later ones differ in the speed that they note, and so in length."""
    return part(root, name).read_bytes()


@given(data=st.data(), name=st.sampled_from(["images", "columns", MANIFEST]))
def test_damaged_files(root: Path, data: st.DataObject, name: str) -> None:
    content = data.draw(damaged(first(root, name)))
    part(root, name).write_bytes(content)
    check(root)


ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.sampled_from(["", "..", "../../outside", "/etc/passwd", "images.bin", "a\0b"]),
    st.just([]),
    st.just({}),
    st.just([12, 3, 8, 8]),
    st.just({"train": 12, "val": 0, "test": 0}),
)
KEYS = ["title", "version", "source", "transform", "images", "columns", "shape", "splits", "names", "skipped"]
KEYS += ["images_per_second", "column_names", "modified", "checksums", "digest", "unknown"]


@given(changes=st.dictionaries(st.sampled_from(KEYS), ANYTHING, min_size=1, max_size=3), removed=st.booleans())
def test_edited_manifest(root: Path, changes: dict, removed: bool) -> None:
    path = part(root, MANIFEST)
    manifest = json.loads(path.read_text())
    if removed:
        manifest = {name: value for name, value in manifest.items() if name not in changes}
    else:
        manifest.update(changes)
    path.write_text(json.dumps(manifest))
    check(root)


NO_MANIFESTS = ["", "{", "[]", "null", "3", '"text"', "[" * 100_000, '{"a": 1' + "0" * 5000 + "}", "\ufeff{}"]


@pytest.mark.parametrize("content", NO_MANIFESTS, ids=lambda content: content[:8])
def test_manifest_that_is_none(root: Path, content: str) -> None:
    part(root, MANIFEST).write_text(content)
    check(root)


@pytest.mark.parametrize("name", ["images", "columns"])
def test_array_of_objects_is_not_unpickled(root: Path, tmp_path: Path, name: str) -> None:
    path = part(root, name)
    np.savez(tmp_path / "trap.npz", columns=np.array([Trap(os.mkdir, str(tmp_path / "sprung"))] * 12, dtype=object))
    shutil.copy(tmp_path / "trap.npz", path)
    check(root)
    assert not (tmp_path / "sprung").exists()


def test_moved_with_its_data_and_other_times_it_is_still_used(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path / "moved")  # keeps times
    images = part(tmp_path / "moved", "images")
    os.utime(images, (1, 1))
    before = images.stat().st_ino
    assert contents(make(tmp_path / "moved")) == TRUTH
    assert part(tmp_path / "moved", "images").stat().st_ino == before


@pytest.mark.parametrize("kind", ["nothing", "folder", "link to a folder", "link to nothing"])
@pytest.mark.parametrize("name", ["images", "columns", MANIFEST])
def test_something_else_in_the_place_of_a_file(root: Path, tmp_path: Path, kind: str, name: str) -> None:
    shutil.copytree(root, tmp_path / "copy" / "images")
    (tmp_path / "copy" / "outside").mkdir()
    (tmp_path / "copy" / "outside" / "precious").write_text("kept")
    path = part(tmp_path / "copy" / "images", name)
    path.unlink()
    if kind == "folder":
        path.mkdir()
    elif kind != "nothing":
        path.symlink_to(tmp_path / "copy" / ("outside" if "folder" in kind else "nothing"))
    read = attempt(KIND, lambda: contents(make(tmp_path / "copy" / "images")), tmp_path)
    assert read in (None, TRUTH)
    assert (tmp_path / "copy" / "outside" / "precious").read_text() == "kept"
    assert not (tmp_path / "copy" / "nothing").exists()


def test_splits_are_those_of_the_pictures(root: Path) -> None:
    assert sorted(TRUTH) == ["test", "train", "val"]
    assert sorted(number for pictures, _ in TRUTH.values() for number in pictures) == list(range(12))
