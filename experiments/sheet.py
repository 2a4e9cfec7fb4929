"""A contact sheet of a dataset: a row of test images for every value of a column.

``ugvae sheet icons --by style`` gets the data, as training does, and draws ``icons_sheet.png``.
Settings of the data, such as ``--data.root FOLDER``, are those of training.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from jsonargparse import ArgumentParser
from jsonargparse.typing import PositiveInt
from matplotlib.figure import Figure

import ugvae.datamodules  # noqa: F401 - the classes that the YAMLs name
from ugvae.cli.parser import split_settings
from ugvae.cli.yamls import yaml_named
from ugvae.data.loading import load_data
from ugvae.errors import ConfigError, DataError, OutputError
from ugvae.plots.figure import save_figure
from ugvae.plots.grids import grid_figure


def sheet(data: str, by: str = "label", images: PositiveInt = 16, settings: Sequence[str] = ()) -> Figure:
    """Draws the sheet.

    Args:
        data: a YAML that comes with ugvae, by its name, or a file
        by: column whose values make the rows
        images: in a row, at even distances in the order of the data
        settings: changed settings of the data

    Raises:
        ConfigError: no such dataset or column.
        DataError: the data are missing or damaged.
    """
    module = load_data(yaml_named(data, "data"), settings)
    module.prepare_data()
    table = module.table("test")
    if by not in table.columns:
        raise ConfigError(f"by: no column {by!r}; {table.described_columns}")
    values = [value for value in table.column(by).unique().tolist() if value >= 0]
    places = [(table.columns[by] == value).nonzero().flatten() for value in values]
    count = min(images, *map(len, places))
    rows = [place[torch.linspace(0, len(place) - 1, count).long()] for place in places]
    names = [module.value_names(by).get(value, f"{by} {value}") for value in values]
    return grid_figure(table.images[torch.stack(rows).flatten()].unflatten(0, (len(rows), count)) / 255, data, names)


def main(arguments: list[str] | None = None) -> None:
    """Entry point; an error that the user can mend is one message and exit status 2."""
    settings, others = split_settings(sys.argv[1:] if arguments is None else arguments)
    parser = ArgumentParser(prog="ugvae sheet", description=__doc__, allow_abbrev=False)
    parser.add_function_arguments(sheet, as_group=False, as_positional=True, skip={"settings"})
    parser.add_argument("--file", type=Path, help="where to draw it; by default DATA_sheet.png")
    options = parser.parse_args(others).as_dict()
    file = options.pop("file") or Path(f"{options['data']}_sheet.png")
    try:
        save_figure(sheet(**options, settings=settings), file)
    except (ConfigError, DataError, OutputError) as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)
    print(f"Wrote {file}", flush=True)


if __name__ == "__main__":
    main()
