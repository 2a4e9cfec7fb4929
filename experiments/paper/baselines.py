"""Fig. 9, 10 and 12 as the authors draw them; our own views are ``dimensions``, ``samples`` and ``components``."""

import torch
from jsonargparse.typing import PositiveFloat, PositiveInt

from ugvae.errors import ConfigError
from ugvae.evaluation.clusters import DomainCounts, component_counts, component_probabilities
from ugvae.evaluation.encoding import encode_groups
from ugvae.evaluation.interpolation import line
from ugvae.evaluation.kinds import DOMAIN, known_values, of_values
from ugvae.evaluation.minimum import too_few_points
from ugvae.evaluation.results import to_json
from ugvae.evaluation.trained_run import TrainedRun
from ugvae.evaluation.walks import changes, component_walks, condition_name
from ugvae.experiments.paper.command import Command, Made
from ugvae.experiments.paper.common import Captioned, TwoOrMore
from ugvae.experiments.paper.crossing import path_name
from ugvae.experiments.paper.walks import CHANGE, lacks_domains_by_component, lacks_mixture, lacks_single_z
from ugvae.plots.grids import grid_figure, panels_figure, signed
from ugvae.plots.maps import tsne_figure


@torch.no_grad()
def fig9(run: TrainedRun, steps: TwoOrMore = 7, z_range: PositiveFloat = 1.0) -> Made:
    """Fig. 9: one walk along the diagonal of z, for a model whose only latent is a standard normal z.

    That is β-VAE in the paper; VAE and NestedVAE too.

    Args:
        run: without beta and without a mixture.
        steps: images along the walk
        z_range: every dimension of z goes from minus this to this
    """
    model = run.model
    values = torch.linspace(-z_range, z_range, steps, device=model.device, dtype=model.dtype)
    images = model.decode(values.view(1, -1, 1).expand(-1, -1, model.z_dim)).cpu()
    caption = (
        f"Every dimension of z goes from −{z_range:g} to {z_range:g} at once. One walk changes content and style "
        "together: nothing in it tells a global factor from a local one."
    )
    title = f"{type(model).__name__}: z, every dimension"
    change = {"change": changes(images).columns, "units": CHANGE}
    return Made(change, {"fig9": Captioned(grid_figure(images, title, (), signed(values)), caption)})


def fig10(
    run: TrainedRun, steps: TwoOrMore = 7, beta_range: PositiveFloat = 1.0, z_range: PositiveFloat = 3.0, seed: int = 0
) -> Made:
    """Fig. 10: the walk of Fig. 3 with the component d drawn anew for each row.

    Args:
        run: with a mixture.
        steps: images along a walk
        beta_range: beta (GMVAE: w) goes from minus this to this
        z_range: z goes from minus this to this
        seed: of d
    """
    model = run.model
    walks, rows, columns = component_walks(model, steps, beta_range, z_range)
    d = torch.randint(model.num_components, (steps,), generator=torch.Generator().manual_seed(seed))
    condition = condition_name(model)
    if condition is None:
        images, labels = walks[d, 0], [f"d = {k}" for k in d.tolist()]
        caption = "Each row has another component, drawn from its prior; along the columns z crosses that component."
        titles = "component", "(z − $m_d$) / $s_d$, every dimension"
    else:
        images = walks[d, torch.arange(steps)]
        labels = [f"{value}, d = {k}" for value, k in zip(signed(rows), d.tolist(), strict=True)]
        caption = (
            f"Down the rows {condition} goes from −{beta_range:g} to {beta_range:g}, and each row has another "
            "component, drawn from its prior; along the columns z crosses that component. Rows differ by both, so this "
            f"figure shows the variety of the samples and not what {condition} does: see fig3."
        )
        titles = f"{condition}, every dimension; component", f"z − $m_d$({condition}), every dimension"
    figure = panels_figure([images], [""], labels, signed(columns), *titles, inch=0.55)
    return Made({"components": d.tolist()}, {"fig10": Captioned(figure, caption)})


def fig12(run: TrainedRun, mapped: PositiveInt = 100, steps: TwoOrMore = 7, seed: int = 0) -> Made:
    """Fig. 12: t-SNE map of z of a GMVAE trained on two domains, with an interpolation between them.

    The paper has two components (K = 2) and asks whether they find the domains; any K will do. So the held-out images
    of each domain are counted by the component of their largest π too.

    Args:
        run: with a mixture, without beta, of several domains.
        mapped: images in the map, of each domain alike
        steps: points of the interpolation, from an image of the first domain to one of the second
        seed: of the images
    """
    model, values = run.model, known_values(run, DOMAIN)
    domains = list(of_values(run, DOMAIN, values))
    column, generator = run.table.columns[DOMAIN], torch.Generator().manual_seed(seed)
    d, counted = component_probabilities(model, run.table.images, seed)
    counts = component_counts(d, column[counted], max(values) + 1)[:, values]
    of_domain = [(column == value).nonzero().flatten() for value in values]
    of_domain = [rows[torch.randperm(len(rows), generator=generator)] for rows in of_domain]
    shown = torch.cat([rows[: max(1, mapped // len(values))] for rows in of_domain])
    if reason := too_few_points(len(column), len(shown) + steps):
        raise ConfigError(f"mapped: {reason}")
    ends = torch.stack([rows[-1] for rows in of_domain[:2]])
    z = encode_groups(model, run.table.images, torch.cat([shown, ends]).unsqueeze(1)).z.mean.squeeze(1)
    path = {path_name(*domains[:2]): line(*z[-2:], steps)}
    title = f"t-SNE of the mean of z, {type(model).__name__}, held-out images"
    figure = tsne_figure(z[:-2], column[shown], dict(zip(values, domains, strict=True)), title, path, seed=seed)
    caption = (
        "t-SNE of the posterior mean of z, a point per held-out image, with the interpolation from an image of one "
        "domain to one of the other. Without beta the domains part in z itself, and the path has to leave one for the "
        "other."
    )
    results = {
        **to_json(DomainCounts(domains, counts.tolist())),
        "rows": ends.tolist(),
        "units": "counts: images by component and domain",
    }
    return Made(results, {"fig12": Captioned(figure, caption)})


FIG9 = Command("fig9", fig9, "figure", lacks_single_z)
FIG10 = Command("fig10", fig10, "figure", lacks_mixture)
FIG12 = Command("fig12", fig12, "figure", lacks_domains_by_component)
