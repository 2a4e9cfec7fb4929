"""The commands that make a figure or a table of a run."""

from experiments.paper import bound, columns, crossing, factors, latent_use, maps, table1, translation, walks
from experiments.paper.command import Command

FIGURES: dict[str, Command] = {
    command.name: command
    for command in (
        walks.FIG3,
        walks.FIG4,
        crossing.FIG5,
        crossing.FIG6,
        maps.FIG7,
        walks.FIG9,
        walks.FIG10,
        crossing.FIG11,
        walks.FIG12,
        crossing.FIG13,
        crossing.PRIOR,
        table1.SERIES_COMMAND,
    )
}
TABLES: dict[str, Command] = {
    command.name: command
    for command in (
        table1.TABLE1,
        columns.COMMAND,
        columns.PROBES,
        translation.COMMAND,
        latent_use.COMMAND,
        factors.COMMAND,
        bound.COMMAND,
    )
}
