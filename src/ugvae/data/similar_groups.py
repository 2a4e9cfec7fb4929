"""Groups of images that are alike in a few statistics of their pixels. No label is used.

Axes: N groups, B images per group, M rows of the table, S statistics.
"""

from collections.abc import Sequence

import torch
from scipy.stats import rankdata
from torch import Tensor

from ugvae.data.drawing import distinct_numbers, in_turns
from ugvae.data.samplers import RandomGroupSampler
from ugvae.errors import ConfigError

DISTANCES = 2**19  # that are computed at a time: they stay in the cache of a processor
BLOCK = 16  # of which only the smallest is looked at first


def smallest_places(values: Tensor, count: int) -> Tensor:
    """Where the ``count`` smallest of each row stand, ``(N, L)`` to ``(N, count)``, in no order; BLOCK divides L.

    They are in the blocks with the smallest minima. To find these first takes half the time of ``topk`` alone.
    """
    minima = values.unflatten(1, (-1, BLOCK)).amin(2)
    blocks = minima.topk(min(count, minima.shape[1]), largest=False, sorted=False).indices
    places = (BLOCK * blocks.unsqueeze(2) + torch.arange(BLOCK)).flatten(1)
    return places.gather(1, values.gather(1, places).topk(count, largest=False, sorted=False).indices)


class SimilarGroupSampler(RandomGroupSampler):
    """Each group is drawn from a window: the W images nearest to a random image. W is drawn anew for each group.

    W is log-uniform between B and ``widest_window`` × M, so that a batch has groups from almost equal images to
    images of any kind. Where windows are narrow only, the local latents forget what every group has in common, and
    then an image by itself is reconstructed without it.

    An epoch has as many groups as one of random groups. No image comes twice in a group; in different groups of an
    epoch it may. Images of equal statistics are taken in random order, so that the order of the table says nothing.

    Distance is taken between ranks, where all statistics are uniform. With one statistic a window is W neighbours in
    its order. With several, the B nearest of B · M / W images drawn at random are the group: these are spread over
    about the W nearest of all, and the others need no distance.

    Args:
        values: the statistics, ``(M, S)``.
        names: of the statistics, for messages.
        random_share: share of the groups that are random groups, spread evenly among the others.
        widest_window: share of the table that the widest window has; it has B images at least.
        **options: the options of ``GroupSampler``.

    Raises:
        ConfigError: a statistic that all images have in common, or too few images for a batch.
    """

    def __init__(
        self, values: Tensor, names: Sequence[str], random_share: float = 0.0, widest_window: float = 1.0, **options
    ) -> None:
        super().__init__(len(values), **options)
        for name, column in zip(names, values.T, strict=True):
            if not column.max() > column.min():  # NaN too
                raise ConfigError(f"statistics: {name} is the same for all images of a split; leave it out")
        self.names = list(names)
        ranks = rankdata(values.numpy(), axis=0)  # ties have the mean of their ranks
        self.places = torch.from_numpy(ranks).T.float().contiguous() / len(values)  # (S, M), in (0, 1]
        self.widest = max(self.group_size, round(widest_window * len(values)))
        num_random = round(random_share * self.num_groups)
        self.counts = torch.tensor([num_random, self.num_groups - num_random])  # random and similar groups of an epoch

    def announcement(self) -> str:
        num_random = f", {self.counts[0]:,} of them random" if self.counts[0] else ""
        return (
            f"grouping similar: an epoch is {self.num_groups:,} groups of {self.group_size}{num_random}, alike in "
            f"{' and '.join(self.names)}: from windows of {self.group_size:,} to {self.widest:,} images"
        )

    def draw(self, generator: torch.Generator) -> Tensor:
        is_similar = in_turns(self.counts, generator if self.shuffle else None).bool()
        groups = super().draw(generator)
        groups[is_similar] = self.draw_similar(int(self.counts[1]), generator)[0]
        return groups

    def draw_similar(self, num_groups: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Groups ``(num_groups, B)`` in random order within each group, and the widths of their windows."""
        share = torch.rand(num_groups, generator=generator, dtype=torch.float64)
        widths = (self.group_size * (self.widest / self.group_size) ** share).round().long()
        middles = torch.randperm(self.num_images, generator=generator)[:num_groups]
        draw = self._neighbours if len(self.places) == 1 else self._nearest
        groups = draw(middles, widths, generator)
        return groups.gather(1, torch.rand(groups.shape, generator=generator).argsort(1)), widths

    def _neighbours(self, middles: Tensor, widths: Tensor, generator: torch.Generator) -> Tensor:
        """Groups of one statistic: B of the ``widths (N,)`` neighbours around the places ``middles (N,)``."""
        shuffled = torch.randperm(self.num_images, generator=generator)
        order = shuffled[self.places[0, shuffled].argsort(stable=True)]
        starts = (middles - widths // 2).clamp(min=0).minimum(self.num_images - widths)
        return order[starts.unsqueeze(1) + distinct_numbers(widths, self.group_size, generator)]

    def _nearest(self, middles: Tensor, widths: Tensor, generator: torch.Generator) -> Tensor:
        """Groups of several statistics: the B nearest to the images ``middles (N,)`` of some drawn at random.

        Those drawn for a group stand one after the other in a random order of the table, from a random place on.
        """
        counts = (self.group_size * self.num_images / widths).ceil().long().clamp(max=self.num_images)
        order = torch.randperm(self.num_images, generator=generator)
        starts = torch.randint(self.num_images, (len(middles),), generator=generator)
        circle = self.places[:, order].repeat(1, 2)  # (S, 2M)
        groups = torch.empty(len(middles), self.group_size, dtype=torch.long)
        by_count, done = counts.argsort(descending=True), 0
        while done < len(by_count):
            longest = int(counts[by_count[done]])
            some = by_count[done : done + max(1, DISTANCES // longest)]
            distance = torch.full((len(some), -(-longest // BLOCK) * BLOCK), torch.inf)
            known = distance[:, :longest].zero_()
            for line, place in zip(circle, self.places[:, middles[some]], strict=True):
                known += (line.unfold(0, longest, 1)[starts[some]] - place.unsqueeze(1)).square_()
            known.masked_fill_(torch.arange(longest) >= counts[some].unsqueeze(1), torch.inf)
            nearest = smallest_places(distance, self.group_size)
            groups[some] = order[(starts[some].unsqueeze(1) + nearest) % self.num_images]
            done += len(some)
        return groups
