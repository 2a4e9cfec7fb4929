"""Charts of beta as SVG, in the colours of the page: the posterior of a group, and the map of held-out groups.

Axes: N held-out groups, D beta_dim.
"""

import torch
from torch import Tensor

from ugvae.distributions import DiagonalGaussian
from ugvae.evaluation.aggregate import LEVELS, PrincipalAxes

WIDTH, HEIGHT, MARGIN = 420, 240, 16
LEAST = 1e-12  # of a scale
WIDEST = 32  # bar of a dimension


def posterior_svg(q: DiagonalGaussian, held_out: DiagonalGaussian | None) -> str:
    """The posterior of beta of one group, mean ± 2 s.d. by dimension, before the means of the held-out groups.

    Args:
        q: of the group, ``(D,)``.
        held_out: of the held-out groups, ``(N, D)``; None if there are none.
    """
    low, high = q.mean - 2 * q.std, q.mean + 2 * q.std
    bands = None if held_out is None else held_out.mean.quantile(q.mean.new_tensor(LEVELS), 0)
    reach = max(float(part.abs().max()) for part in (low, high, *([] if bands is None else bands)))
    step = (WIDTH - 2 * MARGIN) / len(q.mean)

    def across(dimension: int) -> float:
        return MARGIN + (dimension + 0.5) * step

    def down(value: float) -> float:
        return HEIGHT / 2 - value / reach * (HEIGHT / 2 - MARGIN)

    marks = [f'<line class="zero" x1="{MARGIN}" x2="{WIDTH - MARGIN}" y1="{HEIGHT / 2}" y2="{HEIGHT / 2}"/>']
    for dimension, (mean, std) in enumerate(zip(q.mean.tolist(), q.std.tolist(), strict=True)):
        x = across(dimension)
        if bands is not None:
            bottom, top = bands[:, dimension].tolist()
            width = f'stroke-width="{min(WIDEST, 0.7 * step):.1f}"'
            marks.append(f'<line class="band" {_upright(x, down(bottom), down(top))} {width}/>')
        title = f"<title>beta {dimension + 1}: {mean:+.3f} ± {std:.3f}</title>"
        marks.append(f'<line class="own" {_upright(x, down(mean - 2 * std), down(mean + 2 * std))}/>')
        marks.append(f'<circle class="own" cx="{x:.1f}" cy="{down(mean):.1f}" r="3">{title}</circle>')
    caption = f"beta by dimension: mean ± 2 s.d., scale ±{reach:.2g}; grey: 5 % to 95 % of the means of held-out groups"
    return _chart("posterior", marks, caption)


def map_svg(means: Tensor, axes: PrincipalAxes, own: Tensor, chosen: int | None = None) -> str:
    """The held-out groups along the first two axes of their betas, and one group among them.

    Args:
        means: of beta of the held-out groups, ``(N, D)``.
        axes: of them.
        own: mean of beta of the group, ``(D,)``.
        chosen: number of the group in the map, if it is one of it.
    """
    places = (torch.cat([means, own.unsqueeze(0)]).double() - axes.mean) @ axes.directions[:2].T
    places = torch.nn.functional.pad(places, (0, 2 - places.shape[1]))  # where beta has one dimension
    places = places / places.abs().amax(0).clamp(min=LEAST)
    half = places.new_tensor([WIDTH / 2, HEIGHT / 2])
    points = (half + places * (half - MARGIN) * places.new_tensor([1, -1])).tolist()
    marks = [
        f'<circle class="group{" chosen" if number == chosen else ""}" cx="{x:.1f}" cy="{y:.1f}" r="5" tabindex="0" '
        f'role="button" data-group="{number}"><title>held-out group {number}</title></circle>'
        for number, (x, y) in enumerate(points[:-1])
    ]
    x, y = points[-1]
    marks.append(f'<circle class="own" cx="{x:.1f}" cy="{y:.1f}" r="6" pointer-events="none"/>')
    shares = " and ".join(f"{share:.0%}" for share in axes.shares[:2].tolist())
    caption = (
        f"this group among {len(means)} held-out groups, by the first axes of beta ({shares} of the variance), each on "
        "its own scale; click a point"
    )
    return _chart("map", marks, caption)


def _upright(x: float, y1: float, y2: float) -> str:
    """The ends of an upright line."""
    return f'x1="{x:.1f}" x2="{x:.1f}" y1="{y1:.1f}" y2="{y2:.1f}"'


def _chart(name: str, marks: list[str], caption: str) -> str:
    picture = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{caption}">{"".join(marks)}</svg>'
    return f'<div class="chart {name}">{picture}<p>{caption}</p></div>'
