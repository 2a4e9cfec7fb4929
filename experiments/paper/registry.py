"""Which commands make a figure or a table."""

from types import ModuleType

from experiments.paper import (
    bound,
    factors,
    fig3,
    fig4,
    fig5,
    fig6,
    fig7,
    fig9,
    fig10,
    fig11,
    fig12,
    fig13,
    latent_use,
    prior,
    series,
    table1,
    translation,
)

# A command is a module with add_arguments(parser), run(options) and reason_not(run): why it does not apply to a
# TrainedRun with its default options, or None. The first line of its docstring is its title.
FIGURES: dict[str, ModuleType] = {
    "fig3": fig3,
    "fig4": fig4,
    "fig5": fig5,
    "fig6": fig6,
    "fig7": fig7,
    "fig9": fig9,
    "fig10": fig10,
    "fig11": fig11,
    "fig12": fig12,
    "fig13": fig13,
    "prior": prior,
    "series": series,
}
TABLES: dict[str, ModuleType] = {
    "table1": table1,
    "translation": translation,
    "latent_use": latent_use,
    "factors": factors,
    "bound": bound,
}
