"""The commands of ``ugvae`` that Lightning does not have: ``ugvae encode``."""

from collections.abc import Callable, Sequence
from pathlib import Path

from jsonargparse import ArgumentParser

from ugvae.cli.parser import split_settings, with_run_flag
from ugvae.data.loading import load_data
from ugvae.errors import ConfigError
from ugvae.evaluation.latents import Latents
from ugvae.evaluation.latents import encode as encode_data
from ugvae.runs.loading import best_checkpoint, load_model


def encode(run: Path, output: Path, by: str | None = None, settings: Sequence[str] = ()) -> None:
    """Encodes images with a trained run: images.csv, groups.csv and posterior.npz in a folder.

    All images are encoded, whatever split they would be in. Nothing is trained, and nothing is written into the run.
    The data are those of the run with other settings, such as ``--data.root FOLDER``, or of another class,
    ``--data my_module.MyData``.

    Args:
        run: folder of a trained run; it may come first, without ``--run``.
        output: folder of the tables.
        by: column whose values make the groups, such as ``patient``; by default the groups of the data.
        settings: changed settings of the data, ``--data.NAME=VALUE``.

    Raises:
        ConfigError: not the folder of a run, an output in it, or settings that do not suit the data or the model.
        DataError: the data are missing or damaged.
    """
    checkpoint = best_checkpoint(run)
    if output.resolve().is_relative_to(run.resolve()):
        raise ConfigError(f"output: {output} is in the folder of the run, which stays as it is; name another one")
    data = load_data(run / "config.yaml", settings)
    model = load_model(checkpoint)
    print(f"Using {checkpoint}", flush=True)
    data.prepare_data()
    data.setup("predict")
    save_latents(encode_data(model, data, by, across_splits=True), output)


def save_latents(latents: Latents, folder: Path) -> None:
    """Saves latents and says where."""
    paths = latents.save(folder)
    images, groups = len(latents.images["row"]), len(latents.groups["group"])
    print(f"Wrote {', '.join(map(str, paths))}: {images:,} images, {groups:,} groups")


COMMANDS: dict[str, Callable[..., None]] = {"encode": encode}


def run_command(name: str, arguments: Sequence[str]) -> None:
    """Runs one of ``COMMANDS`` with the arguments of the command line.

    Raises:
        ConfigError: a setting of the data that cannot work.
    """
    settings, others = split_settings(arguments)
    function = COMMANDS[name]
    parser = ArgumentParser(prog=f"ugvae {name}", description=function.__doc__.partition("\n\n    Args:")[0])
    parser.add_function_arguments(function, as_group=False, skip={"settings"})
    function(**parser.parse_args(with_run_flag(others)).as_dict(), settings=settings)
