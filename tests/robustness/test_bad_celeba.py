"""CelebA's text files reordered, cut, in other encodings, or contradicting each other: right labels, or an error."""

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.data.celeba import NAMES, attribute, write_celeba
from tests.helpers.bad_input import attempt, damaged
from ugvae.datamodules import CelebADataModule
from ugvae.datamodules.celeba import ATTRIBUTES, PARTITION
from ugvae.errors import DataError

COUNT = 12
FILES = [ATTRIBUTES, PARTITION]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree, shared by all examples: each writes the text file that it damages, and puts it back."""
    folder = tmp_path_factory.mktemp("celeba")
    write_celeba(folder, num_images=COUNT)
    return folder


def read_with(root: Path, file: str, content: bytes, renamed: bool = False) -> dict | None:
    """Reads the listing with other content in one text file, and checks that all it says is true.

    Where the content names other attributes, ``renamed``, their values are not checked.
    """
    path = root / file
    whole = path.read_bytes()
    path.write_bytes(content)
    try:
        data = CelebADataModule(str(root), image_size=8)
        listing = attempt("CelebA text files", lambda: data.describe(list(data.find())), path)
    finally:
        path.write_bytes(whole)
    if listing is None:
        return None
    numbers = [int(Path(name).stem) for name in listing.files]
    assert numbers == list(range(1, COUNT + 1))
    if file == PARTITION:
        assert set(listing.split.tolist()) <= {0, 1, 2}
    else:
        assert listing.split.tolist() == [max(0, (number - 1) % 10 - 7) for number in numbers]
    if not renamed:
        for name, column in listing.columns.items():
            assert column.tolist() == [attribute(number, NAMES.index(name)) for number in numbers], name
    return listing.columns


def lines_of(root: Path, file: str) -> list[str]:
    return (root / file).read_text().splitlines()


def text(lines: list[str]) -> bytes:
    return "\n".join([*lines, ""]).encode()


def copy_with(attributes: bytes, root: Path, folder: Path) -> CelebADataModule:
    """The data of a copy of the tree in ``folder``, with another file of attributes."""
    shutil.copytree(root, folder, ignore=shutil.ignore_patterns(".cache"), dirs_exist_ok=True)
    (folder / ATTRIBUTES).write_bytes(attributes)
    return CelebADataModule(str(folder), image_size=8, cache_workers=1)


@given(data=st.data())
def test_rows_in_another_order(root: Path, data: st.DataObject) -> None:
    head, rows = lines_of(root, ATTRIBUTES)[:2], lines_of(root, ATTRIBUTES)[2:]
    assert read_with(root, ATTRIBUTES, text(head + data.draw(st.permutations(rows)))) is not None
    assert read_with(root, PARTITION, text(data.draw(st.permutations(lines_of(root, PARTITION))))) is not None


@given(order=st.permutations(range(40)))
def test_columns_in_another_order(root: Path, order: list[int]) -> None:
    count, header, *rows = lines_of(root, ATTRIBUTES)
    split = [row.split() for row in rows]
    moved = [" ".join([row[0], *(row[1 + column] for column in order)]) for row in split]
    names = " ".join(header.split()[column] for column in order)
    assert set(read_with(root, ATTRIBUTES, text([count, names, *moved]))) == set(NAMES)


@given(data=st.data(), file=st.sampled_from(FILES))
def test_rows_missing_doubled_or_of_strangers(root: Path, data: st.DataObject, file: str) -> None:
    """The count in the first line goes along or not: either way nothing but the true rows is read."""
    lines = lines_of(root, file)
    head, rows = (lines[:2], lines[2:]) if file == ATTRIBUTES else ([], lines)
    kind = data.draw(st.sampled_from(["missing", "doubled", "contradicted", "stranger"]))
    for _ in range(data.draw(st.integers(1, 3))):
        row = data.draw(st.integers(0, len(rows) - 1))
        if kind == "missing" and len(rows) > 1:
            rows.pop(row)
        elif kind == "doubled":
            rows.insert(data.draw(st.integers(0, len(rows))), rows[row])
        elif kind == "contradicted":
            other = rows[row - 1].split()
            rows.append(" ".join([rows[row].split()[0], *other[1:]]))
        else:
            rows.append(" ".join([f"{data.draw(st.integers(13, 999)):06d}.jpg", *rows[row].split()[1:]]))
    if head and data.draw(st.booleans()):
        head[0] = str(len(rows))
    assert read_with(root, file, text(head + rows)) is None


@given(data=st.data(), value=st.sampled_from(["0", "2", "-2", "+1", "1.0", "yes", "١", "--1", "1,", "nan"]))
def test_other_values(root: Path, data: st.DataObject, value: str) -> None:
    lines = lines_of(root, ATTRIBUTES)
    row, column = data.draw(st.integers(2, len(lines) - 1)), data.draw(st.integers(1, 40))
    words = lines[row].split()
    words[column] = value
    lines[row] = " ".join(words)
    assert read_with(root, ATTRIBUTES, text(lines)) is None


@pytest.mark.parametrize("count", ["", "-12", "12.0", "1e1", "0x0c", "12 12", "9" * 5000, "٣", "²", "13", "0"])
def test_wrong_count_line(root: Path, count: str) -> None:
    assert read_with(root, ATTRIBUTES, text([count, *lines_of(root, ATTRIBUTES)[1:]])) is None


@pytest.mark.parametrize("header", ["repeated", "short", "long", "gone", "image", "index"])
def test_header_that_cannot_be_right(root: Path, header: str, tmp_path: Path) -> None:
    names = {
        "repeated": [*NAMES[:-1], NAMES[0]],
        "short": NAMES[:-1],
        "long": [*NAMES, "More"],
        "gone": [],
        "image": ["image", *NAMES[1:]],  # what a batch has already
        "index": ["index", *NAMES[1:]],
    }[header]
    count, _, *rows = lines_of(root, ATTRIBUTES)
    content = text([count, " ".join(names), *rows])
    if header not in ("image", "index"):
        assert read_with(root, ATTRIBUTES, content) is None
        return
    with pytest.raises(DataError, match=f"column '{header}'"):
        copy_with(content, root, tmp_path).table("train")


@pytest.mark.parametrize("name", ["file", "allow_pickle", "Ma\0le", "a/b", "..", "x" * 300])
def test_attribute_names_that_are_awkward_as_names_of_files(root: Path, name: str, tmp_path: Path) -> None:
    count, _, *rows = lines_of(root, ATTRIBUTES)
    data = copy_with(text([count, " ".join([name, *NAMES[1:]]), *rows]), root, tmp_path)
    table = attempt("CelebA text files", lambda: data.table("train"))
    assert list(table.columns) == [name, *NAMES[1:]]
    numbers = [number for number in range(1, COUNT + 1) if number % 10 in range(1, 9)]
    assert table.columns[name].tolist() == [attribute(number, 0) for number in numbers]


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be", "utf-32", "utf-7", "cp037"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_encodings_and_line_ends(root: Path, file: str, encoding: str, newline: str) -> None:
    content = newline.join([*lines_of(root, file), ""]).encode(encoding)
    read = read_with(root, file, content)
    assert (read is not None) == (encoding in ("utf-8-sig", "utf-7"))  # UTF-7 of plain letters is plain text


@given(data=st.data(), file=st.sampled_from(FILES))
def test_damaged_bytes(root: Path, data: st.DataObject, file: str) -> None:
    """Of a name of an attribute, or of the digit of a value, no one can say that it was another: shape alone counts."""
    content = data.draw(damaged((root / file).read_bytes()))
    columns = read_with(root, file, content, renamed=True)
    if columns is not None and file == ATTRIBUTES:
        assert len(columns) == 40
        assert all(set(column.tolist()) <= {0, 1} for column in columns.values())
