"""``python -m ugvae`` and ``ugvae``: help and version at once; everything else loads the library first."""

import sys
from importlib.metadata import PackageNotFoundError, version

HELP = """usage: ugvae COMMAND [settings]

commands:
  fit       train a model: checkpoints, metrics.csv and figures in lightning_logs/<experiment>/version_N
  validate  the bound of the validation split
  test      the bound, the reconstructions and the clusters of the test split: test.json
  predict   the latents of every image and group: images.csv, groups.csv, posterior.npz
  encode    the latents of new images with a trained run

settings, in a YAML or on the command line, where they count more:
  --config FILE           a YAML of settings, such as experiments/mnist.yaml; may be given more than once
  --model NAME            UGVAE, MLVAE, GVAE, NeuralStatistician, GMVAE, VAE, BetaVAE, NestedVAE, AdaGVAE, AdaMLVAE,
                          or a class of yours; --model.NAME VALUE
  --data NAME             MNISTDataModule, ImageFolderDataModule, ... or a class of yours; --data.NAME VALUE
  --trainer.NAME VALUE    of Lightning's trainer: max_epochs, devices, precision, callbacks, ...
  --ckpt_path PATH        a checkpoint; last or best: of the newest run of the experiment with these data
  --experiment NAME       the folder of the runs; by default the name of the YAML

more:
  ugvae COMMAND --help               every setting of a command
  ugvae fit --model.help UGVAE       the settings of a model
  ugvae fit --data.help ImageFolderDataModule    the settings of a dataset
  ugvae --version"""


def main(arguments: list[str] | None = None) -> None:
    """Entry point of ``ugvae``."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments in ([], ["-h"], ["--help"]):
        print(HELP)
    elif arguments == ["--version"]:
        print(f"ugvae {_version()}")
    else:
        from ugvae.cli import main as run  # takes seconds

        run(arguments)


def _version() -> str:
    try:
        return version("ugvae")
    except PackageNotFoundError:
        return "that is not installed"


if __name__ == "__main__":
    main()
