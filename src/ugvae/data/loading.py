"""The data of a run: its datamodule again, and what tells whether the data have changed."""

from argparse import ArgumentError
from collections.abc import Sequence
from pathlib import Path

from jsonargparse import ArgumentParser

from ugvae.data.module import GroupDataModule
from ugvae.data.table import SPLITS, digest
from ugvae.errors import ConfigError, DataError
from ugvae.runs.folder import read_config


def load_data(config: Path | None, settings: Sequence[str] = ()) -> GroupDataModule:
    """The datamodule of a run's ``config.yaml``.

    Args:
        config: the file; None where the settings name the data, ``--data=MNISTDataModule``.
        settings: changed settings as the command line has them, ``--data.root=FOLDER`` or ``--data=my_module.MyData``.

    Raises:
        ConfigError: the run has no data, or a setting cannot work; the message names it.
    """
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(GroupDataModule, "data")
    try:
        if config is not None:
            parser.set_defaults({"data": read_config(config)["data"]})
        data = parser.instantiate(parser.parse_args(list(settings))).data
        if data is None:
            raise ConfigError("data: no run says which; name them, --data NAME --data.root FOLDER")
        return data
    except KeyError as error:
        raise ConfigError(f"run: {config} has no settings of the data") from error
    except ArgumentError as error:
        lines = str(error).splitlines()
        innermost = max(lines, key=lambda line: len(line) - len(line.lstrip()))
        where = " ".join([str(config)] * (config is not None) + list(settings))
        raise ConfigError(f"data: {innermost.strip(' -')} ({where})") from error


def describe_data(data: GroupDataModule) -> dict[str, int | str]:
    """The number of images and a digest of the content of every split that holds images, by a name for messages."""
    description: dict[str, int | str] = {}
    for split, name in zip(SPLITS, ("training", "validation", "test"), strict=True):
        try:
            table = data.table(split)
        except DataError:  # what needs this split says so itself
            continue
        description |= {f"{name} images": len(table), f"content of the {name} images": digest(table)}
    return description
