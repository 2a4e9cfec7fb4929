"""Walks through the latents, and samples: Fig. 3 and 8, 4, and views of our own."""

from collections.abc import Sequence
from typing import Any

import torch
from jsonargparse.typing import PositiveFloat, PositiveInt
from matplotlib.figure import Figure

from ugvae.evaluation.aggregate import PrincipalAxes, principal_axes
from ugvae.evaluation.clusters import DomainCounts, component_counts, component_probabilities
from ugvae.evaluation.encoding import encode_beta
from ugvae.evaluation.kinds import DOMAIN, known_values, trained_groups
from ugvae.evaluation.results import to_json
from ugvae.evaluation.trained_run import TrainedRun, lacks_beta
from ugvae.evaluation.walks import (
    aggregate_walks,
    changes,
    component_samples,
    component_walks,
    component_walks_at,
    condition_name,
    global_walk,
    latent_walks,
)
from ugvae.experiments.paper.command import Command, Made
from ugvae.experiments.paper.common import Captioned, TwoOrMore
from ugvae.models import BaseVAE
from ugvae.plots.charts import shares_figure
from ugvae.plots.grids import (
    axes_figure,
    component_walk_figures,
    global_walk_figure,
    latent_walks_figure,
    samples_figure,
)

CHANGE = "mean absolute difference of pixels in [0, 1] from end to end"
AGGREGATED = 256  # held-out groups whose betas make the aggregated posterior
AGGREGATE = "the betas of held-out groups"
WHERE = (
    "These are betas that the decoder has seen, which those of the prior need not be: a claim about beta rests on them."
)


def fig3(
    run: TrainedRun, steps: TwoOrMore = 7, beta_range: PositiveFloat = 1.0, z_range: PositiveFloat = 3.0, seed: int = 0
) -> Made:
    """Fig. 3 and 8: walks through each component of the mixture.

    Of a model with a mixture: UG-VAE, whose beta moves down the rows, GMVAE, whose noise w does, or one whose mixture
    nothing drives, with a row for each component. The paper walks through the prior of beta. Beside it stand walks
    along the principal axes of the betas of held-out groups.

    Args:
        run: with a mixture.
        steps: images along a walk
        beta_range: beta goes from minus this to this, in the paper's walk
        z_range: z goes from minus this to this
        seed: of the images that are counted, of the held-out groups and of the local draws
    """
    model = run.model
    d, _ = component_probabilities(model, run.table.images, seed)
    shares = (d.argmax(-1).bincount(minlength=model.num_components) / len(d)).tolist()
    walks, rows, columns = component_walks(model, steps, beta_range, z_range)
    condition = condition_name(model)
    notes = [f"{share:.0%} of images" for share in shares]
    pages = component_walk_figures(walks, rows, columns, condition, notes)
    if condition is None:
        caption = (
            "A row per component, with the share of held-out images whose largest π it has. Along the columns z "
            "crosses the component's prior. If the mixture is used, components differ in kind."
        )
    else:
        caption = (
            f"A panel per component, with the share of held-out images whose largest π it has. Down the rows "
            f"{condition} goes from −{beta_range:g} to {beta_range:g}, along the columns z crosses the component's "
            f"prior. If {condition} is used, it changes all components alike; if the mixture is, components differ in "
            "kind."
        )
    components = [{"share": share, "change": changes(walk)} for share, walk in zip(shares, walks, strict=True)]
    results = {"components": components, "units": f"change: {CHANGE}; {_rows(condition)}"}
    figures = _paged("fig3", pages, caption)
    if axes := held_out_axes(run, seed):
        walks, columns = component_walks_at(model, axes.walk(0, steps), z_range)
        results["aggregate"] = {"components": [changes(walk) for walk in walks]}
        pages = component_walk_figures(walks, None, columns, notes=notes)
        figures |= _paged("fig3_aggregate", pages, f"The same along axis 1 of {AGGREGATE}. {WHERE}")
        made, figure = _along_axes(model, axes, steps, seed)
        results["aggregate"] |= made
        figures["fig3_axes"] = figure
    return Made(results, figures)


def held_out_axes(run: TrainedRun, seed: int) -> PrincipalAxes | None:
    """The principal axes of the betas of held-out groups of the kind of training; None without two betas."""
    groups = trained_groups(run, AGGREGATED, seed) if run.model.beta_dim else []
    return principal_axes(encode_beta(run.model, run.table.images, groups), seed) if len(groups) > 1 else None


def _along_axes(model: BaseVAE, axes: PrincipalAxes, steps: int, seed: int) -> tuple[dict[str, Any], Captioned]:
    """A panel for each of the principal axes, and how much its rows change."""
    walks = aggregate_walks(model, axes, steps, seed=seed)
    caption = (
        f"A panel per principal axis of {AGGREGATE}, the one in which they differ most first; down the rows beta goes "
        f"from the 5 % to the 95 % quantile, a column is one local draw. {WHERE}"
    )
    made = {"axes": [changes(walk) for walk in walks], "shares": axes.shares.tolist()}
    return made, Captioned(axes_figure(walks, axes.shares), caption)


def components(
    run: TrainedRun, steps: TwoOrMore = 7, beta_range: PositiveFloat = 1.0, z_range: PositiveFloat = 3.0, seed: int = 0
) -> Made:
    """Walks through the components of a mixture without beta, such as GMVAE's, and which domain each component holds.

    What Fig. 12 asks: with two components (K = 2), do they find the domains? The held-out images of each domain are
    counted by the component of their largest π.

    Args:
        run: with a mixture, without beta, of several domains.
        steps: images along a walk
        beta_range: w of GMVAE goes from minus this to this
        z_range: z goes from minus this to this
        seed: of the images that are counted
    """
    model, names, values = run.model, run.data.value_names(DOMAIN), known_values(run, DOMAIN)
    domains = [names.get(value, f"domain {value}") for value in values]
    d, rows = component_probabilities(model, run.table.images, seed)
    counts = component_counts(d, run.table.columns[DOMAIN][rows], max(values) + 1)[:, values]
    notes = [", ".join(f"{n}\u00a0{name}" for n, name in zip(row, domains, strict=True)) for row in counts.tolist()]
    walks, w, z = component_walks(model, steps, beta_range, z_range)
    condition = condition_name(model)
    place, moved = ("panel", "Rows move the noise w, columns") if condition else ("row", "Columns")
    caption = (
        f"A {place} per component, with the number of held-out images of each domain that it holds. {moved} cross the "
        f"component's prior in z. If the mixture found the domains, each {place} is of one of them."
    )
    figures = _paged("components", component_walk_figures(walks, w, z, condition, notes), caption)
    share = counts / counts.sum(0).clamp(min=1)
    figures["components_domains"] = Captioned(
        shares_figure(share.numpy(), domains, f"{type(model).__name__}, component of the largest π"),
        "Share of each domain's held-out images by component. Components that hold one domain alone have one bar.",
    )
    results = {
        **to_json(DomainCounts(domains, counts.tolist())),
        "change": [changes(walk) for walk in walks],
        "units": f"counts: images by component and domain; change: {CHANGE}; {_rows(condition)}",
    }
    return Made(results, figures)


def _rows(condition: str | None) -> str:
    return f"rows move {condition}" if condition else "one row, since nothing drives the mixture"


def _paged(name: str, pages: Sequence[Figure], caption: str) -> dict[str, Captioned]:
    """Pages by the names of their files, with a number if there are several."""
    names = [f"{name}_{number}" for number in range(1, len(pages) + 1)] if len(pages) > 1 else [name]
    return {page_name: Captioned(page, caption) for page_name, page in zip(names, pages, strict=True)}


def fig4(
    run: TrainedRun, steps: TwoOrMore = 7, beta_range: PositiveFloat = 1.0, z_range: PositiveFloat = 1.0, seed: int = 0
) -> Made:
    """Fig. 4: the grid of local and global latents, for a model with beta and a standard normal z.

    That is ML-VAE, UG-VAE without its mixture: the paper's question is whether beta still finds global factors. Beside
    the paper's walk through the prior stand walks through the betas of held-out groups.

    Args:
        run: with beta and without a mixture.
        steps: images along a walk
        beta_range: beta goes from minus this to this
        z_range: z goes from minus this to this
        seed: of the held-out groups and of the local draws
    """
    walk = global_walk(run.model, steps, beta_range, z_range)
    caption = "Rows move beta, columns z, every dimension at once. Rows all alike mean that beta controls nothing."
    results = {"change": changes(walk[0]), "units": f"{CHANGE}; rows move beta, columns z"}
    figures = {"fig4": Captioned(global_walk_figure(*walk), caption)}
    if axes := held_out_axes(run, seed):
        results["aggregate"], figures["fig4_axes"] = _along_axes(run.model, axes, steps, seed)
    return Made(results, figures)


def dimensions(run: TrainedRun, steps: TwoOrMore = 7, z_range: PositiveFloat = 3.0) -> Made:
    """Walks along each dimension of z, for a model whose only latent is a standard normal z: VAE, β-VAE, NestedVAE.

    Args:
        run: without beta and without a mixture.
        steps: images along a walk
        z_range: z goes from minus this to this
    """
    images, columns = latent_walks(run.model, steps, z_range)
    caption = (
        f"Each row moves one dimension of z from −{z_range:g} to {z_range:g}, the others stay at 0. Look for "
        "dimensions with one meaning each, and for those that change nothing: they are unused."
    )
    change = (images[:, 0] - images[:, -1]).abs().flatten(1).mean(1).tolist()
    results = {"change": change, "units": f"by dimension of z, {CHANGE}"}
    return Made(results, {"dimensions": Captioned(latent_walks_figure(images, columns), caption)})


def samples(run: TrainedRun, rows: PositiveInt = 10, columns: PositiveInt = 10, seed: int = 0) -> Made:
    """Samples with the component d drawn once per row, for a model with a mixture.

    Args:
        run: with a mixture.
        rows: groups, each of one component
        columns: images of each group
        seed: of the draws
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        images, d = component_samples(run.model, rows, columns)
    shared = "one beta and one component" if run.model.beta_dim else "one component"
    caption = (
        f"Images drawn from the prior, each row a group with {shared}. Images of a row should be of one kind, and rows "
        "of one component differ only by what the group shares."
    )
    return Made({"components": d.tolist()}, {"samples": Captioned(samples_figure(images, d), caption)})


def lacks_mixture(run: TrainedRun) -> str | None:
    """Why a command about components does not apply to a run; None if the model has some."""
    return None if run.model.num_components else f"{type(run.model).__name__} has no mixture"


def _not_fig4(run: TrainedRun) -> str | None:
    if run.model.num_components:
        return f"the z of {type(run.model).__name__} has a mixture as prior; fig3 walks through its components"
    return lacks_beta(run)


def lacks_single_z(run: TrainedRun) -> str | None:
    """Why a model has more than a standard normal z; None if it has that alone."""
    other = "beta" if run.model.beta_dim else "a mixture" if run.model.num_components else None
    instead = "fig3" if run.model.num_components else "fig4"
    return f"{type(run.model).__name__} has {other} besides z; see {instead}" if other else None


def lacks_domains_by_component(run: TrainedRun) -> str | None:
    """Why no component of a run can hold a domain by itself; None if one can."""
    if run.model.beta_dim and run.model.num_components:
        return f"{type(run.model).__name__} has beta for what a group shares; Fig. 12 is of a mixture without it"
    return lacks_mixture(run) or (None if DOMAIN in run.table.columns else "the data are of one domain")


FIG3 = Command("fig3", fig3, "figure", lacks_mixture)
FIG4 = Command("fig4", fig4, "figure", _not_fig4)
DIMENSIONS = Command("dimensions", dimensions, "figure", lacks_single_z)
SAMPLES = Command("samples", samples, "figure", lacks_mixture)
COMPONENTS = Command("components", components, "figure", lacks_domains_by_component)
