"""Fig. 12: walks through the components of a GMVAE trained on two domains, and which domain each component holds.

The paper has two components (K = 2) and asks whether they find the domains; any K will do. What each holds is a plain
count: held-out images of each domain by the component of their largest π.
"""

import argparse

from experiments.paper.common import Captioned, save_results, suited_run
from experiments.paper.walks import add_walk, changes, check_walk, component_probabilities
from ugvae.evaluation.clusters import component_counts
from ugvae.evaluation.kinds import DOMAIN, known_values
from ugvae.evaluation.trained_run import TrainedRun
from ugvae.evaluation.walks import component_walks
from ugvae.plots.charts import shares_figure
from ugvae.plots.grids import component_walk_figures


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The walk."""
    add_walk(parser, beta_range=1.0, z_range=3.0)
    parser.add_argument("--seed", type=int, default=0, help="of the images that are counted")


def reason_not(run: TrainedRun) -> str | None:
    """Why the command does not apply to a run; None if it does."""
    model = type(run.model).__name__
    if not run.model.num_components:
        return f"{model} has no mixture"
    if run.model.beta_dim:
        return f"{model} has beta for what a group shares; Fig. 12 is of a mixture without it"
    if DOMAIN not in run.table.columns:
        return "the data are of one domain"
    return None


def run(options: argparse.Namespace) -> None:
    """Writes ``fig12.json``, ``fig12.png`` (or several pages of it) and ``fig12_domains.png``."""
    check_walk(options)
    trained_run = suited_run(options, reason_not)
    model, names = trained_run.model, trained_run.data.value_names(DOMAIN)
    values = known_values(trained_run, DOMAIN)
    domains = [names.get(value, f"domain {value}") for value in values]
    d, rows = component_probabilities(trained_run, options.seed)
    counts = component_counts(d, trained_run.table.columns[DOMAIN][rows], max(values) + 1)[:, values]
    notes = [", ".join(f"{n}\u00a0{name}" for n, name in zip(row, domains, strict=True)) for row in counts.tolist()]
    walks, w, z = component_walks(model, options.steps, options.beta_range, options.z_range)
    pages = component_walk_figures(walks, w, z, "w", notes)
    caption = (
        "A panel per component, with the number of held-out images of each domain that it holds. Rows move the noise "
        "w, columns cross the component's prior in z. If the mixture found the domains, each panel is of one of them."
    )
    pages_of = [f"fig12_{number}" for number in range(1, len(pages) + 1)] if len(pages) > 1 else ["fig12"]
    figures = {name: Captioned(page, caption) for name, page in zip(pages_of, pages, strict=True)}
    share = counts / counts.sum(0).clamp(min=1)
    figures["fig12_domains"] = Captioned(
        shares_figure(share.numpy(), domains, f"{type(model).__name__}, component of the largest π"),
        "Share of each domain's held-out images by component. Components that hold one domain alone have one bar.",
    )
    results = {
        "domains": domains,
        "counts": counts.tolist(),
        "change": [changes(walk) for walk in walks],
        "units": "counts: images by component and domain; change: mean absolute difference of pixels, rows move w",
    }
    save_results(trained_run, "fig12", options, results, figures)
