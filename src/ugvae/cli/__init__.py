"""The command line: ``ugvae {fit,validate,test,predict}``, every setting a YAML key that a flag overrides.

``ugvae encode`` has options of its own (``commands``).
"""

import faulthandler
import logging
import sys
import warnings
from argparse import ArgumentError
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from pytorch_lightning import Callback, Trainer
from pytorch_lightning.callbacks import ProgressBar, WeightAveraging
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI
from pytorch_lightning.utilities.exceptions import MisconfigurationException

from ugvae import callbacks, datamodules  # noqa: F401  short class names resolve to what is imported
from ugvae.callbacks.ranks import explain_launcher
from ugvae.cli.commands import COMMANDS, run_command, save_latents
from ugvae.cli.failures import fail, mendable
from ugvae.cli.parser import Seed, SettingsParser, check_settings, help_calls, refusal
from ugvae.cli.yamls import with_files
from ugvae.data.module import GroupDataModule
from ugvae.errors import ConfigError
from ugvae.evaluation.latents import encode
from ugvae.machine import default_precision, prepare_process
from ugvae.models import BaseVAE
from ugvae.runs.checkpoints import AtomicCheckpointIO, read_checkpoint
from ugvae.runs.folder import ROOT, newest_checkpoint, read_config, run_directory, stand_in
from ugvae.runs.loggers import run_loggers
from ugvae.runs.weights_and_biases import WandbSettings

TRAINER_DEFAULTS = {
    "use_distributed_sampler": False,  # the group samplers know their rank
    "num_sanity_val_steps": 0,
    "log_every_n_steps": 50,
    "gradient_clip_val": 100.0,  # nats per image and unit of weight: bounds the first steps, which are a thousandfold
    "enable_model_summary": False,
}
HARMLESS_WARNINGS = (
    "does not have many workers",  # tables in memory are fastest without
    "is smaller than the logging interval",  # the last steps of an epoch are logged too
    "The dirpath has changed",  # test and predict write no checkpoint
    "Checkpoint directory .* exists and is not empty",  # a resumed run goes on in its folder
    "loading a checkpoint outside the 'fit' stage",  # a test takes the averaged weights, which is what it is for
    "Sparse invariant checks",  # of torch, in torchmetrics' NMI and ARI
    "Couldn't infer the batch indices",  # batches carry their own
    "LightningCLI's args parameter",  # main() may be called from Python
    "isinstance\\(treespec, LeafSpec\\)",  # between Lightning and torch
)


class UGVAECommand(LightningCLI):
    """Lightning's command line with this project's defaults: loggers, checkpoints, figures and reports."""

    def add_default_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.add_argument("--seed_everything", type=bool | Seed, default=1, help="True for a random seed.")

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.add_argument(
            "--experiment", type=str | None, default=None, help="Folder under lightning_logs; default: the YAML's name."
        )
        parser.add_argument(
            "--matmul_precision",
            type=Literal["highest", "high", "medium"],
            default="high",
            help="Of float32 matrix products: high is TF32 on a GPU; medium is bfloat16, also on a CPU that has it.",
        )
        parser.add_lightning_class_args(callbacks.RunCheckpoint, "checkpoint")
        parser.add_lightning_class_args(callbacks.TrainingFigures, "figures")
        parser.add_class_arguments(WandbSettings, "wandb")
        parser.link_arguments("data.image_shape", "model.init_args.image_shape", apply_on="instantiate")

    def parse_arguments(self, parser: SettingsParser, args: list[str] | None) -> None:
        try:
            super().parse_arguments(parser, args)
        except ArgumentError as error:
            raise refusal(str(error)) from error

    def _parse_ckpt_path(self) -> None:  # Lightning has no public way to switch this off
        """Settings come from the YAML alone: a checkpoint's own would silently win over the command line."""

    def before_instantiate_classes(self) -> None:
        config = self.config[self.subcommand]
        check_settings(config)
        self.root = Path(config.trainer.default_root_dir or "").expanduser() / ROOT
        if config.experiment is None:
            config.experiment = experiment_name([Path(str(file)) for file in config.get("config") or []], config.data)
        if self.subcommand == "fit" and config.trainer.precision is None and not config.trainer.plugins:
            config.trainer.precision = default_precision(
                config.model.init_args.get("backbone"), config.trainer.accelerator
            )
        self.checkpoint = self._resolve_checkpoint(config)
        config.ckpt_path = str(self.checkpoint) if self.checkpoint else None

    def _resolve_checkpoint(self, config: Any) -> Path | None:
        """``last`` and ``best`` mean the newest of this experiment's runs, of the same data if there is one."""
        if config.ckpt_path is None and self.subcommand != "fit":
            raise ConfigError("ckpt_path: which model? --ckpt_path best is that of the newest run of the experiment")
        if config.ckpt_path is None:
            return None
        path = asked = Path(config.ckpt_path).expanduser()
        if config.ckpt_path in ("last", "best"):
            path = newest_checkpoint(config.experiment, config.ckpt_path, self.root, config.data.as_dict())
            asked = path and path.with_name(f"{config.ckpt_path}.ckpt")
            if path is None and self.subcommand == "fit":
                where = self.root / config.experiment
                print(f"ckpt_path: no {config.ckpt_path}.ckpt under {where} yet; starting a new run")
                return None
            if path is None:
                raise ConfigError(f"ckpt_path: no {config.ckpt_path}.ckpt under {self.root / config.experiment}")
        path = stand_in(path)
        step = read_checkpoint(path)["global_step"]
        if path != asked:
            print(f"{asked} is not there, because no validation has chosen a best checkpoint; the last one stands in")
        print(f"Going on from {path}, step {step}" if self.subcommand == "fit" else f"Using {path}, step {step}")
        return path

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Lightning's trainer with the callbacks of the command; the run's folder and logs come with ``NewRun``.

        Raises:
            ConfigError: Lightning refuses a setting of its trainer.
        """
        config, fit = self.config_init[self.subcommand], self.subcommand == "fit"
        chosen = as_list(config.trainer.callbacks)
        # before the user's: whatever those do at the end, the run's report is written; but after the averages of
        # weights, which must have taken a step before a checkpoint of it is written
        averages = [one for one in chosen if isinstance(one, WeightAveraging)]
        others = [one for one in chosen if one not in averages]
        kwargs |= {"logger": False, "callbacks": [*averages, *self._callbacks(config, chosen), *others]}
        kwargs["plugins"] = [*as_list(config.trainer.plugins), AtomicCheckpointIO()]
        kwargs["enable_checkpointing"] = True  # else Lightning refuses the callback, which is taken out below
        if not fit:
            self.save_config_callback = None
            kwargs |= one_process(config.trainer.devices)
        if self.subcommand == "predict":
            kwargs["limit_predict_batches"] = 0  # `after_predict` does the work; Lightning loads the checkpoint
        try:
            trainer = super().instantiate_trainer(**kwargs)
        except (MisconfigurationException, ArithmeticError, ImportError, RuntimeError, TypeError, ValueError) as error:
            setting = "trainer.accelerator" if "backend" in str(error) else "trainer"
            way = f"; this machine has no {config.trainer.accelerator}: auto takes what there is, cpu always works"
            message = f"{setting}: {' '.join(str(error).split())}"
            raise ConfigError(message + (way if setting != "trainer" else "")) from error
        if config.trainer.enable_checkpointing is False:
            trainer.callbacks = [one for one in trainer.callbacks if not isinstance(one, callbacks.RunCheckpoint)]
        if fit and trainer.num_devices * trainer.num_nodes > 1:
            trainer.callbacks.insert(0, callbacks.RankWatch(self.checkpoint))
        return trainer

    def _callbacks(self, config: Any, chosen: list[Callback]) -> list[Callback]:
        """The callbacks of a command, besides those that have settings of their own and those that the user chose."""
        no_bar = config.trainer.enable_progress_bar is False or any(isinstance(one, ProgressBar) for one in chosen)
        bars = [] if no_bar else [callbacks.ElboProgressBar()]
        if self.subcommand == "fit":
            where = config.experiment, self.checkpoint, self.root
            logs = partial(run_loggers, *where, config.trainer.logger, config.wandb)
            checks = [callbacks.SmallData(), callbacks.ExactResume(self.checkpoint)]
            start = callbacks.NewRun(logs, resumed=self.checkpoint is not None)
            return [*checks, start, *bars, callbacks.GracefulStop(), callbacks.RunSummary(), callbacks.Dashboard()]
        directory = str(self._run_folder(config))
        if self.subcommand == "test":
            return [*bars, callbacks.TestReport(directory, config.ckpt_path, config.seed_everything)]
        return bars

    def _run_folder(self, config: Any) -> Path:
        """Where an evaluation writes: the folder of the checkpoint's run."""
        return (self.checkpoint and run_directory(self.checkpoint)) or self.root / config.experiment

    def after_predict(self) -> None:
        """Encodes every image and group of ``data.predict_split``, which Lightning's loop of predictions would not."""
        model = self.model.to(self.trainer.strategy.root_device).eval()
        with self.trainer.precision_plugin.forward_context():
            latents = encode(model, self.datamodule, splits=self.datamodule.predicted_splits)
        save_latents(latents, self._run_folder(self.config[self.subcommand]))

    def after_instantiate_classes(self) -> None:
        torch.set_float32_matmul_precision(self.config[self.subcommand].matmul_precision)


def as_list(chosen: Any) -> list[Any]:
    """A setting that may be one object, several or none."""
    return chosen if isinstance(chosen, list) else [] if chosen is None else [chosen]


def experiment_name(files: list[Path], data: Any) -> str:
    """The name of an experiment: of the last YAML that names data, whatever others change of it."""
    with_data = [file for file in files if "data" in read_config(file)]
    named = with_data[-1:] or files[:1]
    return named[0].stem if named else data.class_path.split(".")[-1]


def one_process(devices: Any) -> dict[str, Any]:
    """Trainer settings of evaluation: one process sees every group, and writes one file, however many trained."""
    return {"devices": devices[:1] if isinstance(devices, list) else 1, "num_nodes": 1, "strategy": "auto"}


def main(arguments: list[str] | None = None) -> None:
    """Entry point of ``ugvae``: an error that the user can mend is one message and exit status 2."""
    with suppress(AttributeError, OSError, RuntimeError, ValueError):  # stderr may be no file, or not there at all
        if not faulthandler.is_enabled():
            faulthandler.enable()  # a mapped file that is cut short ends the process without another word
    for harmless in HARMLESS_WARNINGS:
        warnings.filterwarnings("ignore", f".*{harmless}")
    logging.getLogger("pytorch_lightning.utilities.rank_zero").addFilter(lambda record: "litlogger" not in record.msg)
    explain_launcher()
    prepare_process()
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        arguments = with_files(arguments)
        if arguments and arguments[0] in COMMANDS:
            run_command(arguments[0], arguments[1:])
            return
        if len(arguments) > 1 and {"--help", "-h"} & set(arguments):
            for call in help_calls(arguments):
                with suppress(SystemExit):
                    run_trainer(call)
            return
        run_trainer(arguments)
    except Exception as error:
        cause = mendable(error)
        if cause is None:
            raise
        fail(cause)


def run_trainer(arguments: list[str]) -> None:
    """Runs a command of Lightning's command line."""
    UGVAECommand(
        BaseVAE,
        GroupDataModule,
        subclass_mode_model=True,
        subclass_mode_data=True,
        trainer_defaults=TRAINER_DEFAULTS,
        save_config_callback=callbacks.RunSettings,
        save_config_kwargs={"overwrite": True},
        auto_configure_optimizers=False,
        load_from_checkpoint_support=False,
        parser_class=SettingsParser,
        parser_kwargs={
            "prog": "ugvae",
            "epilog": f"Commands with options of their own: {', '.join(COMMANDS)}; see their --help.",
        },
        args=arguments,
    )
