"""Tables of images, and the dataset that answers whole batches of groups.

Axes: G groups, B images, N rows.
"""

import numpy as np
import pytest
import torch

from ugvae.data.listing import hold_out, split_by_object
from ugvae.data.table import GroupDataset, ImageTable, split_rows
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


def test_batch_is_a_copy_and_needs_no_columns() -> None:
    dataset = GroupDataset(ImageTable(make_table().images))
    assert len(dataset) == len(dataset.table) == 10
    batch = dataset[torch.tensor([[0, 1]])]
    assert set(batch) == {"image", "index"}
    batch["image"].fill_(99)
    assert torch.equal(dataset.table.images, make_table().images)
    with pytest.raises(IndexError):
        dataset[torch.tensor([[10]])]


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


def test_splits_of_objects_do_not_move() -> None:
    """Runs of earlier versions go on with the same splits."""
    split = split_by_object(np.repeat(np.arange(24), 2), "objects")
    assert np.flatnonzero(split == 1).tolist() == [8, 9, 22, 23]
    assert np.flatnonzero(split == 2).tolist() == [10, 11, 40, 41]
    train = hold_out(np.array([0] * 20 + [2] * 5), 1, "images")
    assert np.flatnonzero(train == 1).tolist() == [4, 5]
    with pytest.raises(DataError, match="1 images are too few to cut a val split"):
        hold_out(np.array([0, 2]), 1, "images")
