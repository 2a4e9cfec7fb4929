"""Curves of training, and the names of the terms of the bound."""

from collections.abc import Collection, Mapping

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ugvae.plots.figure import DPI

Series = tuple[np.ndarray, np.ndarray]  # steps, values

FORMULAS = {"elbo": "ELBO", "reconstruction": "log p(x | z, beta)"}  # what every bound has
PER_GROUP = ("kl_beta",)  # terms with one value per group in runs that do not store them
STYLES = {"train": {"color": "C0", "lw": 1}, "val": {"color": "C1", "marker": ".", "lw": 1}}


def term_label(term: str) -> str:
    """A term of a bound as it is shown; the KL terms get their capitals.

    Example:
        >>> [term_label(term) for term in ("elbo", "kl_z", "inner_kl", "independence")]
        ['ELBO', 'KL_z', 'inner KL', 'independence']
    """
    words = term.split("_")
    if term in FORMULAS:
        return FORMULAS[term]
    return f"KL_{'_'.join(words[1:])}" if words[0] == "kl" else " ".join({"kl": "KL"}.get(word, word) for word in words)


def term_with_unit(term: str, per_group: Collection[str] = PER_GROUP) -> str:
    """A term and its unit: nats per image, or per group for the terms in ``per_group``."""
    return f"{term_label(term)}, nats per {'group' if term in per_group else 'image'}"


def logged_terms(metrics: Mapping[str, Series]) -> list[str]:
    """The terms of the bound among logged names such as ``train/kl_z``; the ELBO and the reconstruction first."""
    names = dict.fromkeys(name.partition("/")[2] for name in metrics if name.partition("/")[0] in STYLES)
    order = list(FORMULAS)
    terms = [name for name in names if name not in (*order, "images_per_second")]
    return [name for name in order if name in names] + terms


def curves_figure(metrics: Mapping[str, Series], per_group: Collection[str] = PER_GROUP) -> Figure:
    """Curves of the ELBO and its terms.

    Args:
        metrics: (steps, values) of each logged name, such as ``train/elbo``.
        per_group: terms with one value per group.
    """
    terms = logged_terms(metrics)
    figure = Figure(figsize=(3.1 * len(terms), 2.9), dpi=DPI, layout="constrained")
    for axes, term in zip(figure.subplots(1, len(terms), squeeze=False).flat, terms, strict=True):
        series = {stage: metrics[f"{stage}/{term}"] for stage in STYLES if f"{stage}/{term}" in metrics}
        for stage, points in series.items():
            axes.plot(*points, label=stage, **STYLES[stage])
        axes.set_ylim(*curve_limits([values for _, values in series.values()]))
        axes.set_title(term_with_unit(term, per_group), fontsize=9)
        axes.set_xlabel("optimiser step", fontsize=8)
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.tick_params(labelsize=7)
        axes.grid(alpha=0.25)
    figure.axes[0].legend(frameon=False, fontsize=8)
    return figure


def curve_limits(series: list[np.ndarray]) -> tuple[float, float]:
    """Limits that show all but the first fifth of each series, whose values are orders of magnitude away."""
    shown = np.concatenate([values[len(values) // 5 :] for values in series])
    margin = 0.08 * (shown.max() - shown.min()) + 1e-3
    return shown.min() - margin, shown.max() + margin
