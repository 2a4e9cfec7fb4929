"""What held-out betas control, against what it costs in the bound, over several runs.

The figure has two points for each setting: the share of thickness (warmth of images in colour) that held-out betas
decide in the walk, and with z fixed, against the test ELBO. Runs that differ in one setting show what it does.
"""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from jsonargparse.typing import PositiveInt
from matplotlib.figure import Figure
from torch import Tensor

from ugvae.errors import ConfigError
from ugvae.evaluation.aggregate import principal_axes
from ugvae.evaluation.encoding import encode_groups
from ugvae.evaluation.factors import COLOUR, FIXED, GREY, HELD_OUT, PIXELS, Decided, decode_grid
from ugvae.evaluation.kinds import trained_groups
from ugvae.evaluation.results import read_results
from ugvae.evaluation.trained_run import lacks_beta, load_run
from ugvae.experiments.paper.common import TwoOrMore
from ugvae.experiments.paper.reproduction import read_runs
from ugvae.experiments.paper.reproduction.families import Family, families, train_and_evaluate
from ugvae.experiments.paper.table import Table, number, over_seeds
from ugvae.plots.figure import DPI, colours, plain, save_figure
from ugvae.plots.grids import panels_figure, quantiles
from ugvae.runs.advice import advised
from ugvae.runs.files import replace_section
from ugvae.runs.folder import RunFolder

SECTION = "control"
FIGURE = "control_frontier.png"
BOUND = "test ELBO, nats per image"
PLACES = {HELD_OUT: "walk", FIXED: "z fixed"}
AGGREGATED, STEPS = 64, 7  # groups whose betas make the aggregated posterior; rows of a walk
MARKERS = dict(zip(PLACES.values(), "os", strict=True))

Numbers = Mapping[str, float | None]  # of a run, by head of a column


def control(runs: list[Path], doc: Path = Path("docs/reproduction.md"), seeds: PositiveInt | None = None) -> None:
    """What held-out betas control against the bound, over several runs: shares of thickness or warmth.

    Fills a section of a page, and draws ``figures/control_frontier.png`` beside the page. Runs of one experiment that
    differ in the training seed alone are one row, mean ± sample s.d.

    Args:
        runs: folders of runs; with --seeds names of experiments too
        doc: page with a section 'control'
        seeds: training seeds of each run; those that are missing are trained and evaluated like the run

    Raises:
        ConfigError: a run has no result of ``factors``, or the page has no such section.
    """
    if seeds:
        runs = list(dict.fromkeys(trained for run in runs for trained in train_and_evaluate(run, seeds)))
    settings = families(read_runs(runs))
    measured = {short_name(family): [numbers_of(run) for run in family.runs] for family in settings}
    properties = [property_of(family.runs[0]) for family in settings]
    rows = [
        {"run": name, "property": kind}
        | {head: number(value, 1 if head == BOUND else 2) for head, value in numbers.items()}
        for (name, of_runs), kind in zip(measured.items(), properties, strict=True)
        for numbers in of_runs
    ]
    picture = f"![Shares that held-out betas decide, against the bound](figures/{FIGURE})"
    replace_section(doc, SECTION, f"{picture}\n\n{Table('', over_seeds(rows)).markdown()}")
    panels: dict[str, dict[str, Sequence[Numbers]]] = {}
    for family, kind, (name, of_runs) in zip(settings, properties, measured.items(), strict=True):
        panels.setdefault(f"{kind}, {family.runs[0].data}", {})[name] = of_runs
    save_figure(control_figure(panels), doc.parent / "figures" / FIGURE)
    print(f"Wrote {doc} and {doc.parent}/figures/{FIGURE}: {len(runs)} runs", flush=True)


@torch.no_grad()
def walks(runs: list[Path], output: Path = Path("docs/figures/walks.png"), columns: TwoOrMore = 7) -> None:
    """Walks along held-out betas of several runs, side by side: as the paper's walk, and with z fixed.

    Beta moves down the rows, along the first principal axis of the betas of held-out groups.

    Args:
        runs: folders of runs with beta
        output: the picture
        columns: local draws, and held-out images, of each panel

    Raises:
        ConfigError: a folder is no run's, or its model has no beta.
    """
    walked: dict[str, Tensor] = {}
    fixed: dict[str, Tensor] = {}
    for directory in runs:
        run = load_run(directory)
        if reason := lacks_beta(run):
            raise ConfigError(f"runs: {directory}: {reason}")
        groups = trained_groups(run, AGGREGATED, 0)
        posterior = encode_groups(run.model, run.table.images, groups)
        axes = principal_axes(posterior.beta)
        beta = axes.walk(0, STEPS).to(run.model.device, run.model.dtype)
        z = posterior.z.mean[:columns, 0].to(beta)
        name = directory.resolve().parent.name
        walked[f"{name}: {PLACES[HELD_OUT]}"] = decode_grid(run.model, beta, columns)
        fixed[f"{name}: {PLACES[FIXED]}"] = run.model.decode(z.expand(STEPS, -1, -1), beta).cpu()
    labels = "beta, quantiles of its first axis", "local draws (walk) or held-out images (z fixed)"
    panels = walked | fixed
    figure = panels_figure(list(panels.values()), list(panels), quantiles(STEPS), [], *labels, across=len(runs))
    save_figure(figure, output)
    print(f"Wrote {output}", flush=True)


def short_name(family: Family) -> str:
    """The experiment, with the seeds if there are several."""
    return family.name.replace("/version_0", "")


def factors_of(run: RunFolder) -> dict[str, Decided]:
    """What ``factors`` measured.

    Raises:
        ConfigError: the run has no result of ``factors`` with z fixed.
    """
    results = read_results(run.results).factors
    if not PLACES.keys() <= results.keys():
        raise ConfigError(f"runs: {run.shown} has no result of factors; {advised('evaluate', run.shown)}")
    return results


def property_of(run: RunFolder) -> str:
    """The property whose shares are shown: warmth of images in colour, thickness of others."""
    return COLOUR if COLOUR in factors_of(run)[FIXED].shares else GREY


def numbers_of(run: RunFolder) -> dict[str, float | None]:
    """The test ELBO, and what the betas of held-out groups decide."""
    results, kind = factors_of(run), property_of(run)
    numbers = {BOUND: (run.test or {}).get("metrics", {}).get("test/elbo")}
    for name, place in PLACES.items():
        numbers |= {place: results[name].shares[kind].beta, f"{place}: pixels": results[name].shares[PIXELS].beta}
    fixed = results[FIXED]
    return numbers | {
        "label kept": fixed.label_kept,
        "label kept by reconstructions": fixed.label_kept_plain,
        "source found": fixed.retrieval,
    }


def control_figure(panels: Mapping[str, Mapping[str, Sequence[Numbers]]]) -> Figure:
    """A panel per data set, a colour per setting, a marker per place; a point per run, a large one for their mean."""
    figure = Figure(figsize=(5.2 * len(panels), 5.2), dpi=DPI, layout="constrained")
    for axes, (panel, settings) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        for (name, of_runs), colour in zip(settings.items(), colours(len(settings)), strict=True):
            for place, marker in MARKERS.items():
                points = [(numbers[BOUND], numbers[place]) for numbers in of_runs]
                if any(None in point for point in points):  # not tested, or a share of nothing
                    continue
                axes.plot(*zip(*points, strict=True), marker, color=colour, ms=3, alpha=0.6)
                axes.plot(*map(statistics.fmean, zip(*points, strict=True)), marker, color=colour, ms=8)
            axes.plot([], [], color=colour, lw=4, label=plain(name))
        for place, marker in MARKERS.items():
            axes.plot([], [], marker, color="0.4", label=place)
        axes.set(title=plain(panel), xlabel=BOUND, ylabel="share that held-out betas decide", ylim=(-0.03, 1.03))
        axes.grid(alpha=0.25)
        axes.legend(fontsize=6, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, frameon=False)
    return figure
