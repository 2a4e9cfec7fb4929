"""Translation against content over several runs: how much content translation costs.

The figure has a point for each run and each way to carry z, in the worse of both directions. The dashed lines are the
targets of the project. Runs that differ in one setting show what this setting does.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from matplotlib.figure import Figure

from ugvae.errors import ConfigError
from ugvae.evaluation.control_claims import CONTENT, TRANSLATED
from ugvae.evaluation.results import read_results
from ugvae.evaluation.ways import LABELS, PLAIN, WAYS
from ugvae.experiments.paper.reproduction import read_runs
from ugvae.experiments.paper.table import Table, number
from ugvae.plots.figure import DPI, colours, save_figure
from ugvae.runs.advice import advised
from ugvae.runs.files import replace_section
from ugvae.runs.folder import RunFolder

SECTION = "frontier"
FIGURE = "translation_frontier.png"
MARKERS = dict(zip((PLAIN, *WAYS), "+os^", strict=True))


class Point(NamedTuple):
    """The rates of a run for one way to carry z, in the worse of both directions.

    Attributes:
        translated: share of images that are judged to be of the other domain.
        kept: share of images that keep the content; without labels of the content, relative to a reconstruction.
    """

    translated: float
    kept: float


def frontier(runs: list[Path], doc: Path = Path("docs/reproduction_tables.md")) -> None:
    """Translation against content over several runs: how much content translation costs.

    Fills a section of a page, and draws ``figures/translation_frontier.png`` beside the page.

    Args:
        runs: folders of runs
        doc: page with a section 'frontier'

    Raises:
        ConfigError: a folder is no run's or has no result of ``translation``, or the page has no such section.
    """
    points = {run.name.removesuffix("/version_0"): points_of(run) for run in read_runs(runs)}
    rows = [
        {"run": name}
        | {
            f"{LABELS[way]}: {what}": number(share)
            for way, point in reached.items()
            for what, share in point._asdict().items()
        }
        for name, reached in points.items()
    ]
    picture = f"![Translation against content](figures/{FIGURE})"
    replace_section(doc, SECTION, f"{picture}\n\n{Table('', rows).markdown()}")
    save_figure(frontier_figure(points), doc.parent / "figures" / FIGURE)
    print(f"Wrote {doc} and {doc.parent}/figures/{FIGURE}: {len(runs)} runs", flush=True)


def points_of(run: RunFolder) -> dict[str, Point]:
    """The points of one run by way; plain reconstruction is the reference.

    Raises:
        ConfigError: the run has no result of ``translation``.
    """
    result = read_results(run.results).translation
    if result is None:
        raise ConfigError(f"runs: {run.shown} has no result of translation; {advised('evaluate', run.shown)}")
    return {way: Point(result.worst("domain", way), result.kept(way)) for way in (PLAIN, *result.ways)}


def frontier_figure(points: Mapping[str, Mapping[str, Point]]) -> Figure:
    """A colour per run, a marker per way to carry z."""
    figure = Figure(figsize=(8.4, 4.6), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    for (name, reached), colour in zip(points.items(), colours(len(points)), strict=True):
        line: Sequence[Point] = sorted(reached.values())
        axes.plot(*zip(*line, strict=True), color=colour, lw=0.5, alpha=0.5)
        for way, point in reached.items():
            axes.plot(*point, MARKERS[way], color=colour, ms=7)
        axes.plot([], [], color=colour, lw=3, label=name)
    for way, marker in MARKERS.items():
        axes.plot([], [], marker, color="0.3", label=LABELS[way])
    axes.axvline(TRANSLATED, color="0.4", lw=0.8, ls="--")
    axes.axhline(CONTENT, color="0.4", lw=0.8, ls="--")
    axes.set(
        xlim=(-0.03, 1.03),
        ylim=(0, 1.03),
        xlabel="judged to be of the other domain, worse direction",
        ylabel="content kept, worse direction",
    )
    axes.grid(alpha=0.25)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize=8)
    return figure
