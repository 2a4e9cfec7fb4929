"""Folders of images with anything in them: the pictures with their labels, or an error; nothing written elsewhere."""

import os
import shutil
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.data.image_folder import write_image_folder
from tests.data.pictures import pixel_number, save_picture
from tests.helpers.bad_input import attempt, files_below
from tests.helpers.cached_folder import make
from ugvae.data.decoding import IMAGE_SUFFIXES
from ugvae.data.splits import SPLIT_OF
from ugvae.errors import DataError

KIND = "image folders"
CLASSES = ["cat", "dog"]
AWKWARD = "\n\t\r -$%*?&;|'\"\\{}[]()#~é字\U0001f600\u202e\u00a0"
STRANGERS = {  # what lies about in folders, by name: left out, whatever is in it
    "notes.txt": b"text",
    "noext": b"\x89PNG\r\n\x1a\n",
    ".hidden.png": b"hidden",
    "._0001.jpg": b"of a Mac",
    "archive.zip": b"PK\x03\x04",
    "image.png.part": b"half",
    "image.jpg.exe": b"MZ",
    "Thumbs.db": b"",
}
BROKEN = {
    "empty.png": b"",
    "html.jpg": b"<html>404</html>",
    "cut.png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    "eps.gif": b"%!PS",
}


def names() -> st.SearchStrategy[str]:
    """Names of files and folders that a file system allows and a shell would hate."""
    letters = st.characters(exclude_characters="/\0", exclude_categories=["Cs"])
    text = st.text(st.one_of(st.sampled_from(AWKWARD), letters, st.sampled_from(string.ascii_letters)), min_size=1)
    usable = text.map(lambda name: name[:20]).filter(lambda name: name not in (".", "..") and not name.startswith("."))
    return usable.filter(lambda name: Path(name).suffix.lower() not in IMAGE_SUFFIXES)


def table_of(root: Path, *named: object, **settings) -> dict[int, str] | None:
    """Class by picture over all splits, each picture once; None if the folder was refused."""
    outside = {name for name in files_below(root.parent) if not name.startswith(f"{root.name}/.cache")}
    data = make(root, **settings)
    tables = attempt(KIND, lambda: [data.table(split) for split in ("train", "val", "test")], root, *named)
    assert {name for name in files_below(root.parent) if not name.startswith(f"{root.name}/.cache")} == outside
    if tables is None:
        return None
    class_of: dict[int, str] = {}
    for table in tables:
        labels = table.columns["label"].tolist() if "label" in table.columns else [-1] * len(table)
        for number, value in zip(pixel_number(table.images), labels, strict=True):
            assert number not in class_of, "a picture comes twice"
            class_of[number] = data.names["label"][value] if value >= 0 else ""
    return class_of


def fresh(tmp_path: Path) -> Path:
    """An empty folder for one example."""
    root = tmp_path / "sandbox" / "images"
    shutil.rmtree(root.parent, ignore_errors=True)
    root.mkdir(parents=True)
    return root


@given(folders=st.lists(names(), min_size=1, max_size=3, unique=True), files=st.lists(names(), min_size=4, max_size=8))
def test_awkward_names(tmp_path: Path, folders: list[str], files: list[str]) -> None:
    root, wanted = fresh(tmp_path), {}
    for number, name in enumerate(dict.fromkeys(files)):
        folder = folders[number % len(folders)]
        save_picture(root / folder / f"{name}{number}.png", number, 8)
        wanted[number] = folder
    if any(name.lower() in SPLIT_OF for name in folders):
        return
    class_of = table_of(root)
    assert class_of == wanted or (class_of is None and len(wanted) < 3)


@given(
    strangers=st.sets(st.sampled_from(sorted(STRANGERS))),
    broken=st.sets(st.sampled_from(sorted(BROKEN))),
    skip=st.booleans(),
)
@pytest.mark.filterwarnings("ignore:.*corrupt files are left out")
def test_strangers_and_broken_files(tmp_path: Path, strangers: set[str], broken: set[str], skip: bool) -> None:
    root = fresh(tmp_path)
    write_image_folder(root, num_images=40, suffix=".png")  # enough that no split is of broken files alone
    for name in strangers:
        (root / "cat" / name).write_bytes(STRANGERS[name])
    for name in broken:
        (root / "dog" / name).write_bytes(BROKEN[name])
    class_of = table_of(root, *(root / "dog" / name for name in broken), skip_corrupt=skip)
    if broken and not skip:
        assert class_of is None
    else:
        assert class_of == {number: CLASSES[number % 2] for number in range(40)}


def test_names_that_are_no_text(tmp_path: Path) -> None:
    root = fresh(tmp_path)
    for number in range(4):
        save_picture(root / "cat" / f"{number}.png", number, 8)
    os.rename(os.fsencode(root / "cat"), os.fsencode(root) + b"/c\xe4t")  # Latin-1
    os.rename(os.fsencode(root) + b"/c\xe4t/0.png", os.fsencode(root) + b"/c\xe4t/\xff.png")
    class_of = table_of(root)
    assert {os.fsencode(name) for name in class_of.values()} == {b"c\xe4t"}
    assert sorted(class_of) == [0, 1, 2, 3]
    assert table_of(root) == class_of  # from the cache


@given(data=st.data())
def test_links(tmp_path: Path, data: st.DataObject) -> None:
    """Links to folders in, above and outside of the root: each picture once, or an error that names a link."""
    root = fresh(tmp_path)
    write_image_folder(root, num_images=6, suffix=".png")
    write_image_folder(root.parent / "outside", num_images=2, suffix=".png")
    targets = [root, root.parent, root / "cat", root / "dog", root.parent / "outside", root.parent / "nothing"]
    places = [root / "link", root / "cat" / "link", root / "dog" / "link.png", root.parent / "outside" / "link"]
    links = data.draw(st.lists(st.tuples(st.sampled_from(places), st.sampled_from(targets)), min_size=1, max_size=4))
    for place, target in dict(links).items():
        if data.draw(st.booleans()):
            place.symlink_to(target)
        else:
            place.symlink_to(os.path.relpath(target, place.parent))
    before = files_below(root.parent / "outside")
    try:
        tables = attempt(KIND, lambda: [make(root).table(split) for split in ("train", "val", "test")], root)
    finally:
        assert files_below(root.parent / "outside") == before
    if tables is not None:
        assert sum(map(len, tables)) in (6, 8)


def test_folders_that_link_to_each_other_end(tmp_path: Path) -> None:
    """Ten folders with links to all others would have ten million paths."""
    root = fresh(tmp_path)
    for number in range(10):
        save_picture(root / f"c{number}" / "0.png", number, 8)
    for number in range(10):
        for other in range(10):
            (root / f"c{number}" / f"to{other}").symlink_to(root / f"c{other}")
    with pytest.raises(DataError, match=r"by a link the same folder as .*would count twice"):
        make(root).find()
    assert table_of(root) is None


@pytest.mark.parametrize("kind", ["nothing", "itself", "each other", "device", "pipe", "no permission"])
def test_files_that_are_no_files(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    root = fresh(tmp_path)
    write_image_folder(root, num_images=6, suffix=".png")
    path = root / "cat" / "odd.png"
    if kind in ("nothing", "itself"):
        path.symlink_to(path if kind == "itself" else root / "nothing.png")
    elif kind == "each other":
        path.symlink_to(root / "cat" / "other.png")
        (root / "cat" / "other.png").symlink_to(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")  # read to its end, it would fill the memory
    elif kind == "pipe":
        os.mkfifo(path)  # opened, it would wait for ever
    else:
        path.write_bytes(b"")

        def refuse(*_: object) -> None:
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr(Path, "read_bytes", refuse)
    assert attempt(KIND, lambda: make(root).table("train"), root / "cat", root / "dog") is None


@pytest.mark.parametrize("root", ["", "\0", "nowhere", "file", "/dev/null", "x" * 5000, "~", "-rf"])
def test_roots_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, root: str) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "file").write_text("")
    data = make(Path("x"))
    data.relocate(root, 8)
    assert attempt(KIND, data.prepare_data) is None
    assert files_below(tmp_path).keys() == {"file"}
