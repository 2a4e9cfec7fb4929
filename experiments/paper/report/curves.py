"""Curves of training as inline SVG: sharp at any size, in the colours of the page."""

from collections.abc import Mapping

import numpy as np

from experiments.paper.report.html import Html, tag
from ugvae.plots.curves import CURVES, curve_limits

WIDTH, HEIGHT = 340, 226
LEFT, RIGHT, TOP, BOTTOM = 46, 10, 10, 36  # margins
MOST_POINTS = 400  # of a curve; more cannot be told apart
SPEED = "images_per_second"

Series = tuple[np.ndarray, np.ndarray]  # steps, values


def curves(metrics: Mapping[str, Series]) -> Html | None:
    """A panel for each logged term; None if nothing was logged.

    Args:
        metrics: (steps, values) of each logged name, such as ``train/elbo``.
    """
    labels = {**CURVES, SPEED: "images per second of training"}
    panels = []
    for term, label in labels.items():
        stages = {
            stage: _finite(metrics[f"{stage}/{term}"]) for stage in ("train", "val") if f"{stage}/{term}" in metrics
        }
        stages = {stage: series for stage, series in stages.items() if len(series[0]) > 1}
        if stages:
            panels.append(tag("figure", tag("figcaption", label), _panel(label, stages), class_="curve"))
    if not panels:
        return None
    legend = tag("p", tag("span", "training", class_="key train"), tag("span", "validation", class_="key val"))
    return Html(legend + tag("div", panels, class_="curves"))


def _finite(series: Series) -> Series:
    steps, values = series
    keep = np.isfinite(values)
    steps, values = steps[keep], values[keep]
    order = np.argsort(steps, kind="stable")
    thin = order[np.linspace(0, len(order) - 1, min(len(order), MOST_POINTS)).astype(int)] if len(order) else order
    return steps[thin], values[thin]


def _panel(label: str, stages: Mapping[str, Series]) -> Html:
    low, high = curve_limits([values for _, values in stages.values()])
    last = max(float(steps[-1]) for steps, _ in stages.values())
    across, down = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def x(step: float) -> float:
        return LEFT + across * step / max(last, 1)

    def y(value: float) -> float:
        return TOP + down * (high - value) / (high - low)

    lines: list[Html] = []
    words: list[Html] = []
    for value in ticks(low, high, 4):
        at = f"{y(value):.1f}"
        lines.append(tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=at, y2=at, class_="grid"))
        words.append(tag("text", number(value), x=LEFT - 6, y=at, dy="0.32em", text_anchor="end"))
    for value in ticks(0, last, 4):
        words.append(tag("text", number(value), x=f"{x(value):.1f}", y=HEIGHT - 18, text_anchor="middle"))
    words.append(tag("text", "step", x=WIDTH - RIGHT, y=HEIGHT - 4, text_anchor="end"))
    for stage, (steps, values) in stages.items():
        heights = np.clip([y(value) for value in values], -HEIGHT, 2 * HEIGHT)  # the frame cuts off what lies outside
        points = " ".join(f"{x(step):.1f},{height:.1f}" for step, height in zip(steps, heights, strict=True))
        lines.append(tag("polyline", points=points, class_=stage))
    box = f"0 {TOP - 4} {WIDTH} {down + 8}"
    frame = tag("svg", lines, x=0, y=TOP - 4, width=WIDTH, height=down + 8, viewBox=box)
    ends = ", ".join(f"{stage} ends at {number(float(values[-1]))}" for stage, (_, values) in stages.items())
    return tag("svg", frame, words, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=f"{label}: {ends}")


def ticks(low: float, high: float, count: int) -> list[float]:
    """Round numbers between two limits, about ``count`` of them."""
    rough = (high - low) / count
    power = 10 ** np.floor(np.log10(rough)) if rough > 0 else 1.0
    step = float(next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough))
    first, last = np.ceil(low / step), np.floor(high / step)
    return [float(index * step) for index in np.arange(first, last + 1)]


def number(value: float) -> str:
    """A number of an axis, short."""
    if abs(value) >= 10_000:
        return f"{value / 1000:,.0f}k"
    return f"{value:,.4g}".replace("-", "−")
