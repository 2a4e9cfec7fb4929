"""Figures of a run, drawn during training and at its end: PNG beside the run, and the same in W&B."""

import csv
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from matplotlib.figure import Figure
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.loggers import WandbLogger

from ugvae.errors import ConfigError
from ugvae.evaluation import plots
from ugvae.evaluation.encoding import encode_groups, groups_by_value
from ugvae.evaluation.projection import tsne
from ugvae.evaluation.walks import component_samples, component_walks, reconstructions
from ugvae.files import save_figure

PANELS_PER_PAGE = 20


class TrainingFigures(Callback):
    """Draws ``figures/*.png`` in the run's folder, always from held-out images.

    The random state is put back after drawing, so that a run with figures ends in the same weights as one without.

    Args:
        every_n_epochs: redraw the image grids and curves this often during training; 0 draws at the end only.
        groups_per_label: groups of each label in the t-SNE map of beta, drawn at the end only; 0 leaves it out.
        column: the column whose values make the map's groups.
    """

    def __init__(self, every_n_epochs: int = 8, groups_per_label: int = 20, column: str = "label") -> None:
        if every_n_epochs < 0 or groups_per_label < 0:
            raise ConfigError("figures: every_n_epochs and groups_per_label are 0 or more")
        self.every_n_epochs, self.groups_per_label, self.column = every_n_epochs, groups_per_label, column

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
            for name, figure in self._figures(trainer, model, final):
                path = Path(directory) / "figures" / f"{name}.png"
                save_figure(figure, path)
                for logger in trainer.loggers:
                    if isinstance(logger, WandbLogger):
                        logger.log_image(name, [str(path)], step=trainer.global_step)
        model.train(training)

    def _figures(self, trainer: Trainer, model: LightningModule, final: bool) -> Iterator[tuple[str, Figure]]:
        yield "reconstructions", self._reconstructions(trainer, model)
        walks, rows, columns = component_walks(model)
        for page, start in enumerate(range(0, len(walks), PANELS_PER_PAGE)):
            suffix = f"_{page + 1}" if len(walks) > PANELS_PER_PAGE else ""
            panels = walks[start : start + PANELS_PER_PAGE]
            yield f"component_walks{suffix}", plots.walks_figure(panels, rows, columns, start)
        samples, d = component_samples(model)
        labels = [f"d = {k}" for k in d.tolist()]
        yield "samples", plots.grid_figure(samples, "samples: one group and one component per row", labels)
        metrics = read_metrics(Path(trainer.log_dir) / "metrics.csv")
        if any(name.startswith("train/") for name in metrics):
            yield "curves", plots.curves_figure(metrics)
        table = trainer.datamodule.table("val")
        if final and self.groups_per_label and self.column in table.columns:
            yield "beta_map", self._beta_map(trainer, model)

    def _reconstructions(self, trainer: Trainer, model: LightningModule) -> Figure:
        batch = next(iter(trainer.datamodule.loader("val")))
        images = model.to_unit(batch["image"].to(model.device))
        pairs = torch.stack([images, reconstructions(model, images)]).flatten(1, 2)
        across = min(12, pairs.shape[1])
        down = min(4, pairs.shape[1] // across)
        pattern = "pair (down across) c h w -> (down pair) across c h w"
        rows = rearrange(pairs[:, : down * across], pattern, across=across)
        return plots.grid_figure(rows, "held-out images and their reconstructions", ["original", "decoded"] * down)

    def _beta_map(self, trainer: Trainer, model: LightningModule) -> Figure:
        data = trainer.datamodule
        table = data.table("val")
        groups, values, names = groups_by_value(table.columns[self.column], data.group_size, self.groups_per_label)
        beta = encode_groups(model, table.images, groups).beta.mean
        title = f"t-SNE of the mean of q(beta | group), held-out groups of {groups.shape[1]} by {self.column}"
        return plots.map_figure(tsne(beta), values.numpy(), {v: str(v) for v in names}, title)


def read_metrics(path: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """``metrics.csv`` as (steps, values) of each name; nothing if the file is not there yet."""
    series: dict[str, list[tuple[float, float]]] = defaultdict(list)
    if path.exists():
        with path.open(newline="") as file:
            for row in csv.DictReader(file):
                for name, value in row.items():
                    if value and name not in ("step", "epoch"):
                        series[name].append((float(row["step"]), float(value)))
    return {name: tuple(np.array(pairs).T) for name, pairs in series.items()}
