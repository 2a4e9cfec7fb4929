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

BUCKET_STEPS = 16  # steps whose groups are sorted by size together


class GivenGroupSampler(GroupSampler):
    """Draws of given groups. An epoch is one pass over the images of the groups; no image comes twice.

    A group of at most ``group_size`` images is one draw of the epoch. A larger one is cut at random into as few draws
    as possible, of equal size to within one image, new ones in every epoch. The groups of a batch are padded with the
    index −1 to the largest of them. Groups of similar size travel together: the draws of some steps are sorted by size,
    and then the order of the steps is drawn. The groups are shared equally between the batches of an epoch, so that
    none is left out: a batch has ``groups_per_batch`` groups or fewer (with several processes and very few groups, one
    more). In evaluation, the draws are the same in every pass.

    Args:
        values: the group of each image, integers ``(M,)``; images with a value below 0 are left out.
        column: name of the column, for messages.
        min_group_size: groups with fewer images are left out.
        **options: the options of ``GroupSampler``.

    Example:
        >>> sampler = GivenGroupSampler(torch.tensor([0, 0, 0, 1, -1]), "patient", group_size=4, groups_per_batch=2)
        >>> [sorted(group) for batch in sampler for group in batch.tolist()]
        [[-1, -1, 3], [0, 1, 2]]

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

    @property
    def num_groups(self) -> int:
        return sum(self._draws_of(rows) for rows in self.groups)

    def _draws_of(self, rows: Tensor) -> int:
        return math.ceil(len(rows) / self.group_size)

    def __len__(self) -> int:
        steps = math.ceil(self.num_groups / (self.groups_per_batch * self.num_ranks))
        return min(steps, self.num_groups // self.num_ranks)  # every process needs a group for each of its steps

    def draw(self, generator: torch.Generator) -> Tensor:
        parts = [
            part
            for rows in self.groups
            for part in rows[torch.randperm(len(rows), generator=generator)].tensor_split(self._draws_of(rows))
        ]
        return pad_sequence(parts, batch_first=True, padding_value=PADDING)

    def batches(self, generator: torch.Generator) -> list[Tensor]:
        draws = self.draw(generator)
        sizes = (draws != PADDING).sum(1)
        order = torch.randperm(len(draws), generator=generator)
        steps: list[Tensor] = []
        drawn = order.tensor_split(len(self))
        for start in range(0, len(drawn), BUCKET_STEPS):
            bucket = drawn[start : start + BUCKET_STEPS]
            rows = torch.cat(bucket)
            steps += rows[sizes[rows].argsort(stable=True)].split([len(step) for step in bucket])
        mine = [
            steps[number][self.rank :: self.num_ranks] for number in torch.randperm(len(steps), generator=generator)
        ]
        return [draws[rows, : sizes[rows].max()] for rows in mine]

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
