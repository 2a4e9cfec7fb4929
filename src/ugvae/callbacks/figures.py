"""Figures of a run, drawn during training and at its end: PNG beside the run, and the same in W&B."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path

import torch
from einops import rearrange
from jsonargparse.typing import NonNegativeInt
from matplotlib.figure import Figure
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.loggers import WandbLogger

from ugvae.callbacks.alone import Alone
from ugvae.callbacks.progress import say
from ugvae.data.known_groups import groups_by_value
from ugvae.evaluation.aggregate import principal_axes
from ugvae.evaluation.encoding import encode_beta, encode_groups
from ugvae.evaluation.kinds import alike_groups
from ugvae.evaluation.minimum import too_few_points
from ugvae.evaluation.reconstruction import reconstructions
from ugvae.evaluation.walks import (
    aggregate_walks,
    component_samples,
    component_walks,
    condition_name,
    global_walk,
    latent_walks,
)
from ugvae.plots.captions import caption_of
from ugvae.plots.curves import curves_figure
from ugvae.plots.figure import save_figure
from ugvae.plots.grids import (
    axes_figure,
    component_walk_figures,
    global_walk_figure,
    grid_figure,
    latent_walks_figure,
    samples_figure,
)
from ugvae.plots.maps import tsne_figure
from ugvae.runs.folder import read_metrics

MAPPED_IMAGES = 1000  # of the t-SNE map of z
WALKED_GROUPS = 64  # whose betas make the aggregated posterior of a figure


class TrainingFigures(Callback):
    """Draws ``figures/*.png`` in the run's folder, always from held-out images. A figure that fails does so alone.

    The random state is put back after drawing, so that a run with figures ends in the same weights as one without.

    Args:
        every_n_epochs: redraw the image grids and curves this often during training; 0 draws at the end only.
        groups_per_label: groups of each label in the t-SNE maps of beta, drawn at the end only; 0 leaves them out.
        columns: the columns whose values make the groups of a map, one map each; those that the data lack are left
            out. By default label and domain.
    """

    def __init__(
        self,
        every_n_epochs: NonNegativeInt = 10,
        groups_per_label: NonNegativeInt = 20,
        columns: list[str] | None = None,
    ) -> None:
        self.every_n_epochs, self.groups_per_label = every_n_epochs, groups_per_label
        self.columns = ["label", "domain"] if columns is None else columns
        self._alone = Alone("training goes on")

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        epoch = trainer.current_epoch + 1
        if self.every_n_epochs and epoch % self.every_n_epochs == 0 and epoch != trainer.max_epochs:
            self._draw(trainer, pl_module, final=False)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._draw(trainer, pl_module, final=True)

    def _draw(self, trainer: Trainer, model: LightningModule, final: bool) -> None:
        directory = trainer.log_dir  # a collective call: every rank makes it
        if not trainer.is_global_zero or directory is None or trainer.fast_dev_run:
            return
        training = model.training
        model.eval()
        with torch.no_grad(), torch.random.fork_rng():
            torch.manual_seed(0)
            with self._alone("figures"):
                for name, draw in self._figures(trainer, model, Path(directory), final):
                    with self._alone(f"figure {name}"):
                        self._save(trainer, Path(directory) / "figures", name, draw())
        model.train(training)

    def _save(self, trainer: Trainer, folder: Path, name: str, drawn: Figure | list[Figure] | None) -> None:
        """Saves the figure or the pages of a name, and gives them to W&B."""
        pages = drawn if isinstance(drawn, list) else [drawn]
        for number, figure in enumerate(pages, 1):
            page = f"{name}_{number}" if len(pages) > 1 else name
            if figure is None:
                continue
            path = folder / f"{page}.png"
            save_figure(figure, path)
            for logger in trainer.loggers:
                if isinstance(logger, WandbLogger):
                    caption = [caption_of(page)]
                    logger.log_image(f"figures/{page}", [str(path)], step=trainer.global_step, caption=caption)

    def _figures(
        self, trainer: Trainer, model: LightningModule, directory: Path, final: bool
    ) -> Iterator[tuple[str, Callable[[], Figure | list[Figure] | None]]]:
        """The names of the figures and what draws them; None or no page where a figure does not apply."""
        yield "reconstructions", partial(self._reconstructions, trainer, model)
        yield self._walks(model)
        yield "aggregate_walks", partial(self._aggregate_walks, trainer, model)
        yield "samples", partial(self._samples, model)
        yield "curves", partial(self._curves, model, directory)
        columns = trainer.datamodule.table("val").columns
        mapped = [column for column in self.columns if column in columns] if self.groups_per_label else []
        name = "beta_map" if model.beta_dim else "z_map"
        for number, column in enumerate(mapped if final else []):
            yield f"{name}_{column}" if number else name, partial(self._map, trainer, model, column)

    def _samples(self, model: LightningModule) -> Figure:
        samples = component_samples(model) if model.num_components else (model.sample(10, 10).cpu(),)
        return samples_figure(*samples)

    def _curves(self, model: LightningModule, directory: Path) -> Figure | None:
        metrics = read_metrics(directory / "metrics.csv")
        trained = any(name.startswith("train/") for name in metrics)
        return curves_figure(metrics, model.training_terms.group_terms) if trained else None

    def _walks(self, model: LightningModule) -> tuple[str, Callable[[], Figure | list[Figure]]]:
        """Walks that suit the latents: a mixture (Fig. 3), beta and z (Fig. 4), z alone (Fig. 9)."""
        if model.num_components:
            return "component_walks", lambda: component_walk_figures(*component_walks(model), condition_name(model))
        if model.beta_dim:
            return "global_walk", lambda: global_walk_figure(*global_walk(model))
        return "latent_walks", lambda: latent_walks_figure(*latent_walks(model))

    def _aggregate_walks(self, trainer: Trainer, model: LightningModule) -> Figure | None:
        """Walks where beta is: along the principal axes of the betas of held-out groups; None without two betas."""
        data = trainer.datamodule
        groups = alike_groups(data, "val", WALKED_GROUPS, 0) if model.beta_dim else []
        if len(groups) < 2:
            return None
        axes = principal_axes(encode_groups(model, data.table("val").images, groups).beta)
        return axes_figure(aggregate_walks(model, axes), axes.shares)

    def _reconstructions(self, trainer: Trainer, model: LightningModule) -> Figure:
        data = trainer.datamodule
        several = -(-4 // data.groups_per_batch)  # groups, which may be of several domains
        batches = islice(data.loader("val").sampler, several)
        members = [group[group >= 0] for batch in batches for group in batch]
        size = min(map(len, members))
        images = model.checked(data.table("val").images[torch.stack([group[:size] for group in members])])
        pairs = torch.stack([images, reconstructions(model, images)])
        pairs = pairs[:, :, : -(-48 // len(images))].flatten(1, 2)
        across = min(12, pairs.shape[1])
        down = min(4, pairs.shape[1] // across)
        pattern = "pair (down across) c h w -> (down pair) across c h w"
        rows = rearrange(pairs[:, : down * across], pattern, across=across)
        return grid_figure(rows, "held-out images and their reconstructions", ["original", "decoded"] * down)

    def _map(self, trainer: Trainer, model: LightningModule, column: str) -> Figure | None:
        """t-SNE of beta of groups of each value of a column; without beta, of z of images. None, said, of too few."""
        data, table = trainer.datamodule, trainer.datamodule.table("val")
        names, known = data.value_names(column), table.columns[column] >= 0
        images_of = table.columns[column][known].unique(return_counts=True)[1]
        groups, rarest = 2 * self.groups_per_label * len(images_of), int(images_of.min()) if len(images_of) else 0
        if reason := too_few_points(int(known.sum()), *((groups, rarest) if model.beta_dim else (len(table),))):
            say(f"map by {column} left out: {reason} (validation split)")
            return None
        if model.beta_dim:
            groups, labels, names = groups_by_value(table, column, data.group_size, self.groups_per_label, names=names)
            points = encode_beta(model, table.images, groups).mean
            what = f"the mean of beta, held-out groups of {groups.shape[1]}"
        else:
            rows = torch.randperm(len(table))[:MAPPED_IMAGES].sort().values
            points = encode_groups(model, table.images, rows.unsqueeze(1)).z.mean.squeeze(1)
            labels = table.columns[column][rows]
            names = {value: names.get(value, str(value)) for value in labels.unique().tolist()}
            what = f"the mean of q(z | image), {len(rows)} held-out images"
        return tsne_figure(points, labels, names, f"t-SNE of {what} by {column}")
