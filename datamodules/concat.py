"""Images of several tables as one, without copying them.

Axes: M rows, C channels, H and W pixels.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from ugvae.errors import DataError


class ConcatImages:
    """Answers ``images[rows]`` like one uint8 tensor ``(M, C, H, W)``, from arrays that stay where they are.

    Grey images become colour images, by repeating their channel, when another source has three.

    Args:
        sources: uint8 ``(M_i, C_i, H, W)``, in memory or memory-mapped; C_i is that of all, or 1.

    Raises:
        DataError: sources of different sizes, or with channels that cannot be mixed.
    """

    def __init__(self, sources: Sequence[Tensor]) -> None:
        shapes = [tuple(source.shape[1:]) for source in sources]
        channels = max(shape[0] for shape in shapes)
        if len({shape[1:] for shape in shapes}) > 1 or {shape[0] for shape in shapes} - {1, channels}:
            raise DataError(f"images of the shapes {', '.join(map(str, shapes))} cannot be mixed")
        self.sources = list(sources)
        self.dtype, self.device = torch.uint8, sources[0].device
        self.shape = torch.Size([sum(map(len, sources)), channels, *shapes[0][1:]])
        self.ndim = len(self.shape)
        self._ends = torch.tensor([len(source) for source in sources]).cumsum(0)
        self._rows = torch.arange(len(self))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Tensor | slice | int) -> Tensor:
        """A copy of the rows: an integer tensor of any shape, a mask ``(M,)``, a slice or a number."""
        rows = self._rows[index]  # as a tensor would read it
        return self.index_select(0, rows.flatten()).view(*rows.shape, *self.shape[1:])

    def index_select(self, dim: int, index: Tensor) -> Tensor:
        """The rows ``index (N,)``, as ``torch.Tensor.index_select`` gives them; ``dim`` must be 0.

        Raises:
            IndexError: a row outside the table.
        """
        if dim != 0:
            raise ValueError(f"dim: rows alone can be selected, got {dim}")
        if len(index) and not 0 <= int(index.min()) <= int(index.max()) < len(self):
            raise IndexError(f"rows {int(index.min())} to {int(index.max())} of {len(self)}")
        source = torch.bucketize(index.contiguous(), self._ends, right=True)
        taken, places = [], []
        for number, (part, end) in enumerate(zip(self.sources, self._ends.tolist(), strict=True)):
            here = (source == number).nonzero().flatten()
            images = part.index_select(0, index[here] - (end - len(part)))
            taken.append(images.expand(-1, self.shape[1], -1, -1))
            places.append(here)
        # several times as fast as writing each part to its places
        return torch.cat(taken).index_select(0, torch.cat(places).argsort())
