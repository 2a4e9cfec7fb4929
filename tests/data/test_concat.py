"""Images of several tables as one. Axes: M rows, C channels, H and W pixels."""

import pytest
import torch

from ugvae.data.table import ConcatImages, GroupDataset, ImageTable
from ugvae.errors import DataError


@pytest.mark.parametrize(
    "index",
    [
        torch.tensor([4, 0, 2, 3]),
        torch.tensor([[4, -1], [1, 1]]),
        torch.tensor([], dtype=torch.long),
        torch.tensor([True, False, False, True, True]),
        slice(1, 4),
        slice(None, None, 2),
        3,
        -5,
    ],
    ids=["rows", "groups", "none", "mask", "slice", "every other", "number", "negative"],
)
def test_concatenated_images_answer_like_one_tensor(index: object) -> None:
    parts = [torch.randint(0, 256, (size, 3, 2, 2), dtype=torch.uint8) for size in (2, 1, 2)]
    images, want = ConcatImages(parts), torch.cat(parts)
    assert (len(images), images.shape, images.dtype, images.ndim) == (5, want.shape, want.dtype, 4)
    assert torch.equal(images[index], want[index])
    images[index].fill_(9)  # a copy
    assert torch.equal(images[:], want)


@pytest.mark.parametrize("row", [5, -6])
def test_row_outside_the_concatenated_images_fails(row: int) -> None:
    table = ImageTable(ConcatImages([torch.zeros(5, 1, 2, 2, dtype=torch.uint8)]))
    with pytest.raises(IndexError):
        GroupDataset(table)[torch.tensor([[row]])]


@pytest.mark.parametrize("shape", [(2, 1, 3, 2), (2, 2, 2, 2)], ids=["size", "channels"])
def test_images_that_cannot_be_concatenated(shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match="cannot be mixed"):
        ConcatImages([torch.zeros(2, 3, 2, 2, dtype=torch.uint8), torch.zeros(shape, dtype=torch.uint8)])
