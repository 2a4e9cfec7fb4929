"""Folders with a table about their images: columns, files, splits and given groups."""

import math
from pathlib import Path

import pytest
import torch

from tests.data.pictures import pixel_number, save_picture
from tests.helpers.cached_folder import make
from ugvae.data.table import SPLITS
from ugvae.errors import ConfigError, DataError


def write_patients(root: Path, num_images: int = 60, extra: str = "", values: str = "") -> None:
    """Picture n is of patient n // 4, whose site is Rome for even patients, and whose age is not always known."""
    lines = [f"file_name,patient,site,age,stage{extra}"]
    for number in range(num_images):
        save_picture(root / "scans" / f"{number}.png", number, 8)
        patient = number // 4
        age = "" if patient % 5 == 0 else f"{patient / 2}"
        lines.append(f"scans/{number}.png,p{patient},{'Bonn' if patient % 2 else 'Rome'},{age},{patient % 3}{values}")
    (root / "metadata.csv").write_text("\n".join(lines))


def test_columns_names_and_files(tmp_path: Path) -> None:
    write_patients(tmp_path)
    data = make(tmp_path)
    seen = []
    for split in SPLITS:
        table = data.table(split)
        assert set(table.columns) == {"patient", "site", "age", "stage"}  # one folder is no class
        for row, number in enumerate(pixel_number(table.images)):
            patient = number // 4
            assert table.files[row] == f"scans/{number}.png"
            assert data.value_names("patient")[int(table.columns["patient"][row])] == f"p{patient}"
            assert data.value_names("site")[int(table.columns["site"][row])] == ["Rome", "Bonn"][patient % 2]
            age = float(table.columns["age"][row])
            assert math.isnan(age) if patient % 5 == 0 else age == patient / 2
            assert int(table.columns["stage"][row]) == patient % 3
            seen.append(number)
    assert sorted(seen) == list(range(60))
    assert data.names.keys() == {"patient", "site"}
    again = make(tmp_path).table("train")  # from the cache
    torch.testing.assert_close(again.columns, data.table("train").columns, equal_nan=True)
    assert again.files == data.table("train").files
    assert again.subset(torch.tensor([3, 1])).files == [again.files[3], again.files[1]]


def test_table_elsewhere_and_a_changed_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "images"
    write_patients(root)
    (root / "metadata.csv").rename(tmp_path / "mine.csv")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert "patient" not in make(root).table("train").columns
    table = tmp_path / "mine.csv"
    for path in (str(table), "~/mine.csv", "../mine.csv"):
        data = make(root, metadata=path)
        assert len(data.value_names("patient")) == 15
    assert make(Path("~/images"), metadata=str(table)).value_names("site") == {0: "Bonn", 1: "Rome"}
    table.write_text(table.read_text().replace("Rome", "Pisa"))
    assert make(root, metadata=str(table)).value_names("site") == {0: "Bonn", 1: "Pisa"}
    with pytest.raises(ConfigError, match=r"^metadata: no such file: none.csv"):
        make(root, metadata="none.csv").prepare_data()


def test_a_table_in_each_folder(tmp_path: Path) -> None:
    for position, split in enumerate(("Train", "test")):
        lines = []
        for number in range(20 * position, 20 * position + 20):
            save_picture(tmp_path / split / f"{number}.png", number, 8)
            lines.append(f'{{"file_name": "{number}.png", "n": {number}}}')
        (tmp_path / split / "metadata.jsonl").write_text("\n".join(lines))
    data = make(tmp_path)
    for split in SPLITS:
        table = data.table(split)
        assert table.columns["n"].tolist() == pixel_number(table.images)
        assert (table.columns["n"].min() >= 20) == (split == "test")


def test_column_split(tmp_path: Path) -> None:
    write_patients(tmp_path, num_images=12)
    lines = (tmp_path / "metadata.csv").read_text().split("\n")
    names = ["split", *["train", "Valid", "TEST"] * 4]
    (tmp_path / "metadata.csv").write_text("\n".join(f"{line},{name}" for line, name in zip(lines, names, strict=True)))
    data = make(tmp_path)
    for number, split in enumerate(SPLITS):
        assert sorted(pixel_number(data.table(split).images)) == list(range(number, 12, 3))
    with pytest.raises(DataError, match=r"3 groups by 'patient' are in more than one split: p0, p1, p2"):
        make(tmp_path, grouping="given", group_column="patient").prepare_data()


def test_given_groups_stay_whole(tmp_path: Path) -> None:
    write_patients(tmp_path, num_images=120)
    data = make(tmp_path, grouping="given", group_column="patient", group_size=3, groups_per_batch=2)
    patients = [set(data.table(split).columns["patient"].tolist()) for split in SPLITS]
    assert all(patients)
    assert sum(map(len, patients)) == 30
    batch = next(iter(data.train_dataloader()))
    assert (batch["patient"] == batch["patient"][:, :1]).all()
    assert batch["image"].shape[:2] == (2, 2)  # four images make two draws of two
    same = make(tmp_path, split_by="group", group_column="patient")  # random groups on the same splits
    assert same.table("test").files == data.table("test").files


def test_one_file_more_in_a_folder_of_1000_moves_no_other(tmp_path: Path) -> None:
    for number in range(1000):
        save_picture(tmp_path / f"{number}.bmp", number, 2)

    def places() -> dict[str, str]:
        data = make(tmp_path, image_size=2)
        return {file: split for split in SPLITS for file in data.table(split).files}

    before = places()
    save_picture(tmp_path / "017b.bmp", 17, 2)
    after = places()
    assert len(after) == 1001
    assert {file: after[file] for file in before} == before


def test_no_splits(tmp_path: Path) -> None:
    write_patients(tmp_path, num_images=2)  # too few to divide
    data = make(tmp_path, split_by="none")
    assert len(data.table("test")) == 2
    with pytest.raises(DataError, match="is in the train split"):
        data.table("train")
    with pytest.raises(DataError, match="at least 3 are needed"):
        make(tmp_path).prepare_data()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"grouping": "given", "group_column": "ward"}, "group_column: no column 'ward'; the data have age"),
        ({"grouping": "given", "split_by": "file"}, "split_by: file would divide the given groups"),
        ({"split_by": "class"}, "split_by: expected"),
        ({"channels": 4}, "channels: expected"),
    ],
)
def test_bad_settings_are_named(tmp_path: Path, settings: dict, message: str) -> None:
    write_patients(tmp_path, num_images=12)
    with pytest.raises(ConfigError, match=f"^{message}"):
        make(tmp_path, **settings).prepare_data()


def test_rows_without_a_file_stop_the_build(tmp_path: Path) -> None:
    write_patients(tmp_path, num_images=12)
    (tmp_path / "scans" / "3.png").unlink()
    save_picture(tmp_path / "new.png", 50, 8)
    with pytest.raises(DataError, match=r"1 rows without an image: scans/3.png; 1 images without a row: new.png"):
        make(tmp_path).prepare_data()
