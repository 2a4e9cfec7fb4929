"""Tables about images: what becomes of text, and which tables are refused by name."""

import math
from pathlib import Path

import numpy as np
import pytest

from ugvae.data.metadata import coded, join_tables, read_table
from ugvae.errors import DataError

IMAGES = ["a/1.png", "a/2.png", "b/1.png"]


@pytest.mark.parametrize(
    ("texts", "values", "names"),
    [
        (["2", "0", ""], [2, 0, -1], None),
        (["2", "0.5", ""], [2, 0.5, math.nan], None),
        (["-1", "3"], [-1.0, 3.0], None),  # whole numbers below 0 would be unknown
        (["1e3", "nan"], [1000.0, math.nan], None),
        (["b", "", "a", "b"], [1, -1, 0, 1], ["a", "b"]),
        (["007", "12"], [0, 1], ["007", "12"]),  # the name would be lost
        (["1", "x"], [0, 1], ["1", "x"]),
        (["", ""], [-1, -1], []),
        (["1_0", "2"], [0, 1], ["1_0", "2"]),  # a number of Python, and of nobody else
    ],
)
def test_text_becomes_numbers_or_names(texts: list[str], values: list[float], names: list[str] | None) -> None:
    column, value_names = coded(texts)
    np.testing.assert_array_equal(column, values)
    assert column.dtype == (np.float64 if any(isinstance(value, float) for value in values) else np.int64)
    assert value_names == names


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.csv", "file_name,age,site\na/1.png,3,\nb/1.png,,Rome\n"),
        ("t.csv", "\ufefffile_name;age;site\r\na/1.png;3;\r\n\r\nb/1.png;;Rome"),
        ("t.csv", ",file_name,age,site\n0,a/1.png,3,\n1,b/1.png,,Rome\n"),  # as pandas writes it
        ("t.tsv", 'file_name\tage\tsite\na/1.png\t3\t\n"b/1.png"\t\tRome\n'),
        (
            "t.jsonl",
            '{"file_name": "a/1.png", "age": 3, "site": null}\n\n{"file_name": "b/1.png", "age": "", "site": "Rome"}',
        ),
    ],
    ids=["CSV", "Excel", "pandas", "TSV", "JSON lines"],
)
def test_formats(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    rows = [{"file_name": "a/1.png", "age": "3", "site": ""}, {"file_name": "b/1.png", "age": "", "site": "Rome"}]
    assert read_table(tmp_path / name) == rows


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("t.csv", "", "the table has no row"),
        ("t.csv", "file_name,age\n", "the table has no row"),
        ("t.csv", "file_name,age\na.png,1,2\n", "line 2 has 3 values for 2 columns"),
        ("t.csv", "file_name,age,age\na.png,1,2\n", "two columns are called 'age'"),
        ("t.csv", 'file_name,age\n"a.png,1\n', "line 2 cannot be read"),
        ("t.csv", "file_name,image\na.png,1\n", "a column cannot be called 'image'"),
        ("t.jsonl", '{"file": "a.png"}\n{"file": ', "line 2 is not JSON"),
        ("t.jsonl", "[1]", "line 1 is not an object"),
        ("t.jsonl", '{"file": "a.png", "tags": [1, 2]}', "line 1 has more than one value in 'tags'"),
    ],
)
def test_bad_tables_are_named(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=f"/{name}: {message}"):
        read_table(tmp_path / name)


@pytest.mark.parametrize(
    ("table", "names"),
    [
        ("t.csv", IMAGES),
        ("t.csv", ["./a/1.png", "a\\2.png", "a/../b/1.png"]),
        ("a/t.csv", ["1.png", "2.png", "../b/1.png"]),
        ("a/t.csv", IMAGES),
        ("../t.csv", ["images/a/1.png", "a/2.png", "images/b/1.png"]),
    ],
)
def test_names_are_paths_from_the_table_or_from_the_root(tmp_path: Path, table: str, names: list[str]) -> None:
    root = tmp_path / "images"
    (root / "a").mkdir(parents=True)
    (root / table).write_text("file,n\n" + "".join(f"{name},{number}\n" for number, name in enumerate(names)))
    assert join_tables(root, [table], IMAGES) == {"n": ["0", "1", "2"]}
    (root / table).write_text("file,n\n" + "".join(f"{(root / name).resolve()},1\n" for name in IMAGES))
    assert join_tables(root, [table], IMAGES) == {"n": ["1", "1", "1"]}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["a/1.png,1", "a/2.png,1"], r"2 rows and 3 images; 1 images without a row: b/1.png\. Names are paths"),
        ([f"{name},1" for name in [*IMAGES, "c.png"]], r"4 rows and 3 images; 1 rows without an image: c.png"),
        ([f"{name},1" for name in [*IMAGES, *IMAGES[:2]]], r"5 rows and 3 images; 2 repeated rows: a/1.png, a/2.png"),
    ],
)
def test_rows_and_images_that_differ_are_counted_and_named(tmp_path: Path, rows: list[str], message: str) -> None:
    (tmp_path / "t.csv").write_text("\n".join(["file_name,n", *rows]))
    with pytest.raises(DataError, match=f"/t.csv: {message}"):
        join_tables(tmp_path, ["t.csv"], IMAGES)


def test_table_without_a_column_of_files(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("path,age\na/1.png,1\n")
    with pytest.raises(DataError, match=r"no column file_name or file; the columns are path, age"):
        join_tables(tmp_path, ["t.csv"], IMAGES)
