"""Groups that the user has: all images with one value of a column, such as a patient, in any number.

Axes: D draws of an epoch, B images per draw at most.
"""

import math

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from ugvae.data.drawing import rows_by_value
from ugvae.data.samplers import GroupSampler
from ugvae.data.table import PADDING
from ugvae.errors import ConfigError

SIMILAR = 0.75  # share of the largest draw of a step that its smallest has at least,
FEW = 16  # unless it has only so many images fewer, whose padding costs nothing
JITTER = 0.05  # share of a size that is drawn, so that other groups of similar size travel together in every epoch


class GivenGroupSampler(GroupSampler):
    """Draws of given groups. An epoch is one pass over the images of the groups; no image comes twice.

    A group of at most ``group_size`` images is one draw of the epoch. A larger one is cut at random into as few draws
    as possible, of equal size to within one image, new ones in every epoch. The groups of a batch are padded with the
    index −1 to the largest of them. Groups of similar size travel together, and the order of the steps is drawn. A
    batch has ``groups_per_batch`` groups, or fewer where not so many are of similar size (with several processes and
    very few groups, one more); none is left out. In evaluation, the draws are the same in every pass.

    Args:
        values: the group of each image, integers ``(M,)``; images with a value below 0 are left out.
        column: name of the column, for messages.
        min_group_size: groups with fewer images are left out.
        **options: the options of ``GroupSampler``.

    Example:
        >>> sampler = GivenGroupSampler(torch.tensor([0, 0, 0, 1, -1]), "patient", group_size=4, groups_per_batch=2)
        >>> [sorted(group) for batch in sampler for group in batch.tolist()]
        [[0, 1, 2], [-1, -1, 3]]

    Raises:
        ConfigError: no group is large enough, there are fewer draws than processes, or the groups span processes.
    """

    def __init__(self, values: Tensor, column: str, min_group_size: int = 1, **options) -> None:
        if options.get("span"):
            raise ConfigError("span_devices: given groups differ in size and cannot span processes; set it to false")
        super().__init__(**options)
        groups = list(rows_by_value(values, (values >= 0).nonzero().flatten()).values())
        self.column, self.min_group_size = column, min_group_size
        self.groups = [rows for rows in groups if len(rows) >= min_group_size]
        self.small = len(groups) - len(self.groups)
        self.unknown = int((values < 0).sum())
        if self.num_groups < self.num_ranks:
            largest = f", the largest has {max(map(len, groups))} images" if groups else ""
            raise ConfigError(
                f"min_group_size: {self.num_groups} groups by {column!r} of {min_group_size} or more images for "
                f"{self.num_ranks} process(es); the split has {len(groups)} groups{largest}"
            )

        sizes = [len(part) for rows in self.groups for part in rows.tensor_split(self._draws_of(rows))]
        self.draws_of_steps = share_out(sorted(sizes, reverse=True), self.groups_per_batch, self.num_ranks)

    @property
    def num_groups(self) -> int:
        return sum(self._draws_of(rows) for rows in self.groups)

    def _draws_of(self, rows: Tensor) -> int:
        return math.ceil(len(rows) / self.group_size)

    def __len__(self) -> int:
        return len(self.draws_of_steps)

    def draw(self, generator: torch.Generator) -> list[Tensor]:
        return [
            part
            for rows in self.groups
            for part in rows[torch.randperm(len(rows), generator=generator)].tensor_split(self._draws_of(rows))
        ]

    def batches(self, generator: torch.Generator) -> list[Tensor]:
        draws = self.draw(generator)
        sizes = torch.tensor([len(draw) for draw in draws])
        noise = 1 + JITTER * (2 * torch.rand(len(draws), generator=generator) - 1)
        steps = (sizes * noise).argsort(descending=True).split(self.draws_of_steps)
        mine = [
            steps[number][self.rank :: self.num_ranks] for number in torch.randperm(len(steps), generator=generator)
        ]
        return [pad_sequence([draws[row] for row in rows], True, PADDING) for rows in mine]

    def announcement(self) -> str:
        left_out = {
            f"{self.unknown:,} images without a value": self.unknown,
            f"{self.small:,} groups of fewer than {self.min_group_size} images": self.small,
        }
        images = sum(map(len, self.groups))
        return (
            f"grouping given: an epoch is one pass over {images:,} images of {len(self.groups):,} groups by "
            f"{self.column!r}, in {self.num_groups:,} draws of at most {self.group_size}"
            + "".join(f"; left out: {text}" for text, count in left_out.items() if count)
        )


def share_out(sizes: list[int], groups_per_batch: int, num_ranks: int) -> list[int]:
    """The number of draws of each step, which depends on the sizes of the draws alone, so all epochs are as long.

    Args:
        sizes: images of every draw, falling; as many as ranks at least.
        groups_per_batch: draws of a step on every rank at most, one more where there are fewer than ranks left.
        num_ranks: every rank needs a draw in each step.

    Returns:
        the numbers for the draws in the order of ``sizes``. Draws that may travel together are shared equally.

    Example:
        >>> share_out([900, 800, 100, 20, 19, 18, 5, 1], groups_per_batch=4, num_ranks=1)
        [2, 1, 4, 1]
    """
    similar: list[int] = []  # numbers of draws that may travel together
    least = math.inf
    for size in sizes:
        if not similar or (size < least and similar[-1] >= num_ranks):
            similar.append(0)
            least = min(SIMILAR * size, size - FEW)
        similar[-1] += 1
    if similar[-1] < num_ranks:
        similar[-2:] = [sum(similar[-2:])]
    steps = []
    for count in similar:
        number = min(math.ceil(count / (groups_per_batch * num_ranks)), count // num_ranks)
        steps += [count // number + (step < count % number) for step in range(number)]
    return steps
