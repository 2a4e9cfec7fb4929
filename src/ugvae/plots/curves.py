"""Every picture the project draws, as matplotlib figures made without pyplot's global state.

Axes: R rows, S columns, C channels, H and W pixels.
"""

import numpy as np
from matplotlib.figure import Figure

from ugvae.plots.figure import DPI

CURVES = {  # logged term: its name and unit
    "elbo": "ELBO, nats per image",
    "reconstruction": "log p(x | z, beta), nats per image",
    "kl_z": "KL_z, nats per image",
    "kl_d": "KL_d, nats per image",
    "kl_w": "KL_w, nats per image",
    "kl_beta": "KL_beta, nats per group",
    "inner_reconstruction": "log p(z of the partner | c), nats per image",
    "inner_kl": "KL of c, nats per image",
}


def curves_figure(metrics: dict[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """Curves of the ELBO and its terms.

    Args:
        metrics: (steps, values) of each logged name, such as ``train/elbo``.
    """
    panels = {term: label for term, label in CURVES.items() if f"train/{term}" in metrics}
    figure = Figure(figsize=(3.1 * len(panels), 2.9), dpi=DPI, layout="constrained")
    for axes, (term, label) in zip(figure.subplots(1, len(panels), squeeze=False).flat, panels.items(), strict=True):
        for stage, style in {"train": {"color": "C0", "lw": 1}, "val": {"color": "C1", "marker": ".", "lw": 1}}.items():
            if f"{stage}/{term}" in metrics:
                axes.plot(*metrics[f"{stage}/{term}"], label=stage, **style)
        axes.set_ylim(*curve_limits([metrics[n][1] for n in (f"train/{term}", f"val/{term}") if n in metrics]))
        axes.set_title(label, fontsize=9)
        axes.set_xlabel("optimiser step", fontsize=8)
        axes.tick_params(labelsize=7)
        axes.grid(alpha=0.25)
    figure.axes[0].legend(frameon=False, fontsize=8)
    return figure


def curve_limits(series: list[np.ndarray]) -> tuple[float, float]:
    """Limits that show everything but the first fifth of each series, which is orders of magnitude away."""
    shown = np.concatenate([values[len(values) // 5 :] for values in series])
    margin = 0.08 * (shown.max() - shown.min()) + 1e-3
    return shown.min() - margin, shown.max() + margin
