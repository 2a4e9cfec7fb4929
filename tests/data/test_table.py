"""Tables of images, the IDX files of some, and the dataset that answers whole batches of groups.

Axes: G groups, B images, N rows.
"""

import gzip
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.data.mnist import idx_bytes
from ugvae.data.module import split_rows
from ugvae.data.table import GroupDataset, ImageTable
from ugvae.datamodules.mnist import decode_idx, read_idx, write_idx
from ugvae.errors import DataError


def make_table(num_images: int = 10, channels: int = 3) -> ImageTable:
    """Every pixel of image i is i, its label 2 i and its domain i modulo 2."""
    rows = torch.arange(num_images)
    images = rows.to(torch.uint8).view(-1, 1, 1, 1).expand(-1, channels, 4, 5).contiguous()
    return ImageTable(images, {"label": 2 * rows, "domain": rows % 2})


def test_batch_has_five_axes_uint8_and_aligned_columns() -> None:
    indices = torch.tensor([[3, 1, 4], [9, 0, 3]])
    batch = GroupDataset(make_table())[indices]
    assert set(batch) == {"image", "index", "label", "domain"}
    assert batch["image"].shape == (2, 3, 3, 4, 5)
    assert batch["image"].dtype == torch.uint8
    assert torch.equal(batch["image"].long(), indices.view(2, 3, 1, 1, 1).expand(2, 3, 3, 4, 5))
    assert torch.equal(batch["index"], indices)
    assert torch.equal(batch["label"], 2 * indices)
    assert torch.equal(batch["domain"], indices % 2)


def test_batch_is_a_copy_of_the_table() -> None:
    dataset = GroupDataset(make_table())
    dataset[torch.tensor([[0, 1]])]["image"].fill_(99)
    assert torch.equal(dataset.table.images, make_table().images)


def test_dataset_is_as_long_as_its_table_and_needs_no_columns() -> None:
    table = ImageTable(make_table().images)
    assert len(GroupDataset(table)) == len(table) == 10
    assert set(GroupDataset(table)[torch.tensor([[0]])]) == {"image", "index"}


def test_row_outside_the_table_fails() -> None:
    with pytest.raises(IndexError):
        GroupDataset(make_table())[torch.tensor([[10]])]


def test_subset_takes_rows_in_the_order_given() -> None:
    subset = make_table().subset(torch.tensor([7, 2]))
    assert subset.images[:, 0, 0, 0].tolist() == [7, 2]
    assert {name: column.tolist() for name, column in subset.columns.items()} == {"label": [14, 4], "domain": [1, 0]}


@pytest.mark.parametrize(
    "images",
    [torch.zeros(4, 1, 2, 2), torch.zeros(4, 2, 2, dtype=torch.uint8), torch.zeros(4, 1, 2, 2, dtype=torch.int64)],
    ids=["float", "three axes", "int64"],
)
def test_only_uint8_images_of_four_axes(images: torch.Tensor) -> None:
    with pytest.raises(DataError, match=r"uint8 \(N, C, H, W\)"):
        ImageTable(images)


@pytest.mark.parametrize("column", [torch.zeros(3), torch.zeros(4, 1), torch.tensor(0)], ids=["short", "2-D", "0-D"])
def test_column_of_another_shape_is_named(column: torch.Tensor) -> None:
    with pytest.raises(DataError, match=r"column 'label'.* 4 images"):
        ImageTable(torch.zeros(4, 1, 2, 2, dtype=torch.uint8), {"label": column})


@pytest.mark.parametrize(("num_images", "held_out"), [(10, 3), (10, 0), (10, 10), (1, 1)])
def test_split_covers_all_rows_once_in_order(num_images: int, held_out: int) -> None:
    kept, held = split_rows(num_images, held_out, seed=0)
    assert len(held) == held_out
    assert sorted([*kept.tolist(), *held.tolist()]) == list(range(num_images))
    assert kept.tolist() == sorted(kept.tolist())
    assert held.tolist() == sorted(held.tolist())


def test_split_depends_on_its_seed_alone() -> None:
    first, again, other = (split_rows(100, 20, seed=seed)[1] for seed in (0, 0, 1))
    torch.manual_seed(123)
    assert torch.equal(first, again)
    assert torch.equal(first, split_rows(100, 20, seed=0)[1])
    assert not torch.equal(first, other)


WHOLE = idx_bytes(np.arange(6, dtype=np.uint8).reshape(3, 2))
PACKED = gzip.compress(WHOLE)


@pytest.mark.parametrize("data", [WHOLE, PACKED], ids=["raw", "gzipped"])
def test_idx_is_decoded(data: bytes) -> None:
    array = decode_idx(data, "name")
    assert array.dtype == torch.uint8
    assert array.tolist() == [[0, 1], [2, 3], [4, 5]]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not an IDX file"),
        (WHOLE[:3], "not an IDX file"),
        (b"<html>", r"begins with \[3c 68 74 6d\]"),
        (b"\x00\x00\x0d" + WHOLE[3:], "not an IDX file of bytes"),  # of floats
        (WHOLE[:9], "truncated in the IDX header"),
        (WHOLE[:-1], "6 values, got 5"),
        (WHOLE + b"\x00", "6 values, got 7"),
        (idx_bytes(np.zeros((0, 2), np.uint8)), "holds no array"),
        (b"\x00\x00\x08\x00\x05", "holds no array"),
        (PACKED[:-10], "damaged gzip data"),
        (PACKED[:12] + b"\xff\xff" + PACKED[14:], "damaged gzip data"),
        (PACKED[:-8] + bytes(8), "damaged gzip data"),  # its checksum
        (gzip.compress(WHOLE[:-2]), "6 values, got 4"),
    ],
)
def test_damaged_idx_is_named(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "file").write_bytes(data)
    with pytest.raises(DataError, match=f"^{tmp_path}/file: .*{message}"):
        read_idx(tmp_path / "file")


def test_idx_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"^{tmp_path}/none: cannot be read"):
        read_idx(tmp_path / "none")


@pytest.mark.parametrize("shape", [(5,), (3, 2), (4, 3, 2)])
def test_idx_is_written_as_its_format_says(tmp_path: Path, shape: tuple[int, ...]) -> None:
    array = torch.randint(0, 256, shape, dtype=torch.uint8)
    write_idx(tmp_path / "file", array)
    assert (tmp_path / "file").read_bytes() == idx_bytes(array.numpy())
    assert torch.equal(read_idx(tmp_path / "file"), array)
    write_idx(tmp_path / "file", array[:1])  # replaces
    assert torch.equal(read_idx(tmp_path / "file"), array[:1])
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_write_that_fails_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_idx(tmp_path / "file", torch.ones(3, dtype=torch.uint8))

    def full(_: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="no space"):
        write_idx(tmp_path / "file", torch.zeros(9, dtype=torch.uint8))
    assert read_idx(tmp_path / "file").tolist() == [1, 1, 1]
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
