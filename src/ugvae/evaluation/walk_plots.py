"""Pictures of walks through the latents and of samples: what ``ugvae.evaluation.walks`` decodes.

Axes: K components, R rows, S columns, C channels, H and W pixels.
"""

from collections.abc import Sequence

from matplotlib.figure import Figure
from torch import Tensor

from ugvae.evaluation.plots import grid_figure, panels_figure, signed

PANELS_PER_PAGE = 20


def component_walk_figures(
    walks: Tensor, rows: Tensor, columns: Tensor, condition: str = "beta", notes: Sequence[str] = ()
) -> list[Figure]:
    """The walks of all components (Fig. 3, 8), a panel each, at most 20 to a page.

    Args:
        walks: ``(K, R, S, C, H, W)``.
        rows: values of beta (or of what else drives the mixture), ``(R,)``.
        columns: offsets of z, ``(S,)``.
        condition: name of what the rows move.
        notes: what to say of each component beside its number.
    """
    titles = [f"component {k}" + (f": {notes[k]}" if notes else "") for k in range(len(walks))]
    return [
        panels_figure(
            walks[start : start + PANELS_PER_PAGE],
            titles[start : start + PANELS_PER_PAGE],
            signed(rows),
            signed(columns),
            f"{condition}, every dimension",
            f"z − $m_k$({condition}), every dimension",
        )
        for start in range(0, len(walks), PANELS_PER_PAGE)
    ]


def global_walk_figure(images: Tensor, rows: Tensor, columns: Tensor) -> Figure:
    """The local/global grid (Fig. 4) of ``(R, S, C, H, W)``, with the values of beta ``(R,)`` and of z ``(S,)``."""
    titles = "beta, every dimension", "z, every dimension"
    return panels_figure([images], [""], signed(rows), signed(columns), *titles, inch=0.55)


def latent_walks_figure(images: Tensor, columns: Tensor) -> Figure:
    """A row per dimension of z (Fig. 9), ``(z_dim, S, C, H, W)``, with its values ``(S,)``."""
    labels = [f"z{i + 1}" for i in range(len(images))]
    titles = "one dimension of z per row, the others 0", "value of that dimension"
    return panels_figure([images], [""], labels, signed(columns), *titles, inch=0.55)


def samples_figure(images: Tensor, d: Tensor | None = None) -> Figure:
    """Samples ``(R, S, C, H, W)``, a group per row; with the component of each row ``(R,)``, where drawn (Fig. 10)."""
    if d is None:
        return grid_figure(images, "samples: one group per row")
    return grid_figure(images, "samples: one group and one component per row", [f"d = {k}" for k in d.tolist()])
