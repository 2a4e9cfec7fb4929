"""The commands that make a figure or a table of a run."""

from ugvae.experiments.paper import (
    baselines,
    bound,
    columns,
    crossing,
    disentanglement,
    factors,
    group_sizes,
    image_quality,
    latent_use,
    maps,
    own_grids,
    table1,
    translation,
    walk_sheet,
    walks,
)
from ugvae.experiments.paper.command import Command

FIGURES: dict[str, Command] = {
    command.name: command
    for command in (
        walks.FIG3,
        walks.FIG4,
        walk_sheet.COMMAND,
        crossing.FIG5,
        crossing.FIG6,
        maps.FIG7,
        baselines.FIG9,
        baselines.FIG10,
        crossing.FIG11,
        baselines.FIG12,
        crossing.FIG13,
        table1.SERIES_COMMAND,
        own_grids.WITHIN,
        own_grids.PRIOR,
        walks.DIMENSIONS,
        walks.SAMPLES,
        walks.COMPONENTS,
    )
}
TABLES: dict[str, Command] = {
    command.name: command
    for command in (
        table1.TABLE1,
        group_sizes.COMMAND,
        columns.COMMAND,
        columns.PROBES,
        translation.COMMAND,
        latent_use.COMMAND,
        factors.COMMAND,
        bound.COMMAND,
        disentanglement.COMMAND,
        image_quality.COMMAND,
    )
}
