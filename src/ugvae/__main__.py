"""``python -m ugvae`` and ``ugvae``: help and version at once; a command loads what it needs, which takes seconds."""

import difflib
import gc
import sys
from collections.abc import Callable, Sequence
from importlib import import_module

import ugvae

COMMANDS = {  # by name: ``module:function`` with the words that come first, imported when it is asked for; the help
    "fit": ("ugvae.cli:main fit", "train a model: checkpoints, metrics.csv and figures in a folder of its own"),
    "validate": ("ugvae.cli:main validate", "the bound of the validation split"),
    "test": ("ugvae.cli:main test", "the bound, the reconstructions and the clusters of the test split: test.json"),
    "predict": (
        "ugvae.cli:main predict",
        "the latents of every image and group: images.csv, groups.csv, posterior.npz",
    ),
    "evaluate": ("ugvae.experiments.evaluate:main", "of RUN: test, predict, every figure and table that applies"),
    "figures": ("ugvae.experiments.paper.__main__:main figures", "of RUN: every figure of the paper that applies"),
    "report": ("ugvae.experiments.paper.__main__:main report", "of RUN: all that it has left in one page, report.html"),
    "paper": ("ugvae.experiments.paper.__main__:main", "one figure or table: paper NAME RUN; paper --help lists them"),
    "encode": ("ugvae.cli:main encode", "the latents of new images with RUN, into --output FOLDER"),
    "compare": ("ugvae.experiments.compare:main", "train all models under one budget, one table: compare --data mnist"),
    "export": (
        "ugvae.experiments.export:main",
        "RUN as a folder to share, with a model card",
    ),
    "sweep": ("ugvae.experiments.sweep:main", "many runs over settings, a table and a plot: sweep sweeps/mnist"),
    "explore": (
        "ugvae.experiments.explore.__main__:main",
        "of RUN: a page in the browser to move z, d and beta by hand",
    ),
    "sheet": ("ugvae.experiments.sheet:main", "a contact sheet of a dataset: sheet icons --by style"),
}
HELP = """usage: ugvae COMMAND [settings]

commands:
{commands}

RUN is the folder of a trained run, lightning_logs/<experiment>/version_N.

settings, in a YAML or on the command line, where they count more:
  --config FILE           a YAML of settings, or the name of one that comes with ugvae: mnist, digits, folder, ...;
                          may be given more than once
  --model NAME            UGVAE, MLVAE, GVAE, NeuralStatistician, GMVAE, GMMPriorVAE, VampPriorVAE, VAE, BetaVAE,
                          AdaGVAE, AdaMLVAE, NestedVAE, or a class of yours; --model.NAME VALUE
  --data NAME             MNISTDataModule, ImageFolderDataModule, ... or a class of yours; --data.NAME VALUE
  --trainer.NAME VALUE    of Lightning's trainer: max_epochs, devices, precision, callbacks, ...
  --ckpt_path PATH        a checkpoint; last or best: of the newest run of the experiment with these data
  --experiment NAME       the folder of the runs; by default the name of the YAML

more:
  ugvae COMMAND --help               every setting of a command
  ugvae fit --model.help UGVAE       the settings of a model
  ugvae fit --data.help ImageFolderDataModule    the settings of a dataset
  ugvae --version"""


def _load(place: str) -> Callable[[list[str]], None]:
    """The function at ``module:function``.

    Libraries make a million objects that stay to the end. The garbage collector would search them again and again, a
    fifth of the start: it waits until they are there, and then leaves them out.
    """
    module, _, function = place.partition(":")
    gc.disable()
    try:
        loaded = import_module(module)
    finally:
        gc.freeze()
        gc.enable()
    return getattr(loaded, function)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of ``ugvae``."""
    name, *others = (sys.argv[1:] if arguments is None else arguments) or ["--help"]
    if name in ("-h", "--help"):
        print(HELP.format(commands="\n".join(f"  {known:<9} {line}" for known, (_, line) in COMMANDS.items())))
    elif name == "--version":
        print(f"ugvae {ugvae.__version__}")
    elif name in COMMANDS:
        place, *words = COMMANDS[name][0].split()
        _load(place)([*words, *others])
    else:
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        sys.stderr.write(f"error: no command {name}. {f'Did you mean {near[0]}?' if near else 'See ugvae --help'}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
