"""The command line: ``ugvae {fit,validate,test,predict}``, every setting a YAML key that a flag overrides.

``ugvae encode`` has options of its own (``ugvae.commands``).
"""

import errno
import faulthandler
import logging
import sys
import time
import warnings
from argparse import ArgumentError
from pathlib import Path
from typing import Any, Literal, NoReturn

import torch
from pytorch_lightning import Callback, Trainer
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI
from pytorch_lightning.utilities.exceptions import MisconfigurationException

from ugvae import callbacks, datamodules  # noqa: F401  short class names resolve to what is imported
from ugvae.callbacks.ranks import ADVICE, explain_launcher, is_lost_rank, reason
from ugvae.commands import COMMANDS, run_command, save_latents
from ugvae.data.module import GroupDataModule
from ugvae.distributed import distributed_rank
from ugvae.errors import ConfigError, DataError, LostRankError, NonFiniteLossError, OutputError
from ugvae.evaluation.latents import encode
from ugvae.machine import default_precision, prepare_process
from ugvae.models import GroupVAE
from ugvae.parser import Seed, SettingsParser, check_settings, refusal
from ugvae.runs.checkpoints import AtomicCheckpointIO, read_checkpoint
from ugvae.runs.files import output_error
from ugvae.runs.folder import ROOT, newest_checkpoint, run_directory
from ugvae.runs.loggers import run_loggers

TRAINER_DEFAULTS = {
    "use_distributed_sampler": False,  # the group samplers know their rank
    "num_sanity_val_steps": 0,
    "log_every_n_steps": 50,
    "gradient_clip_val": 100.0,  # nats per image and unit of weight: bounds the first steps, which are a thousandfold
    "enable_model_summary": False,
}
LAST_WORDS = 8.0  # seconds for the first rank to write its own message: Lightning ends all ranks when one has failed
MENDABLE = (ConfigError, DataError, MisconfigurationException, NonFiniteLossError, OutputError)
DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
HARMLESS_WARNINGS = (
    "does not have many workers",  # tables in memory are fastest without
    "is smaller than the logging interval",  # the last steps of an epoch are logged too
    "The dirpath has changed",  # test and predict write no checkpoint
    "Checkpoint directory .* exists and is not empty",  # a resumed run goes on in its folder
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
        if config.experiment is None:
            files = config.get("config") or []
            config.experiment = Path(str(files[0])).stem if files else config.data.class_path.split(".")[-1]
        if self.subcommand == "fit" and config.trainer.precision is None and not config.trainer.plugins:
            config.trainer.precision = default_precision(
                config.model.init_args.get("backbone"), config.trainer.accelerator
            )
        self.checkpoint = self._resolve_checkpoint(config)
        config.ckpt_path = str(self.checkpoint) if self.checkpoint else None

    def _resolve_checkpoint(self, config: Any) -> Path | None:
        """``last`` and ``best`` mean the newest of this experiment's runs."""
        if config.ckpt_path is None and self.subcommand != "fit":
            raise ConfigError("ckpt_path: which model? --ckpt_path best is that of the newest run of the experiment")
        if config.ckpt_path is None:
            return None
        path = Path(config.ckpt_path)
        if config.ckpt_path in ("last", "best"):
            path = newest_checkpoint(config.experiment, config.ckpt_path)
            if path is None and self.subcommand == "fit":
                print(f"ckpt_path: no {config.ckpt_path}.ckpt under {ROOT / config.experiment} yet; starting a new run")
                return None
            if path is None:
                raise ConfigError(f"ckpt_path: no {config.ckpt_path}.ckpt under {ROOT / config.experiment}")
        step = read_checkpoint(path)["global_step"]
        print(f"Going on from {path}, step {step}" if self.subcommand == "fit" else f"Using {path}, step {step}")
        return path

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Lightning's trainer with the callbacks and loggers of the command.

        Raises:
            ConfigError: Lightning refuses a setting of its trainer.
        """
        config, fit = self.config_init[self.subcommand], self.subcommand == "fit"
        own_loggers = fit and config.trainer.logger is None
        if not fit or own_loggers:
            kwargs["logger"] = False
        if not fit:
            self.save_config_callback = None
            kwargs |= one_process(config.trainer.devices)
        if self.subcommand == "predict":
            kwargs["limit_predict_batches"] = 0  # `after_predict` does the work; Lightning loads the checkpoint
        # a new list: jsonargparse gives the same one at every call, and Lightning adds to it
        kwargs["callbacks"] = [*(config.trainer.callbacks or []), *self._callbacks(config)]
        plugins = config.trainer.plugins or []
        kwargs["plugins"] = [*(plugins if isinstance(plugins, list) else [plugins]), AtomicCheckpointIO()]
        try:
            trainer = super().instantiate_trainer(**kwargs)
        except (MisconfigurationException, ArithmeticError, ImportError, TypeError, ValueError) as error:
            raise ConfigError(f"trainer: {' '.join(str(error).split())}") from error
        if own_loggers:  # only now: a run that cannot start leaves no folder
            trainer.loggers = run_loggers(config.experiment, self.checkpoint)
        if fit and trainer.num_devices * trainer.num_nodes > 1:
            trainer.callbacks.insert(0, callbacks.RankWatch())
        return trainer

    def _callbacks(self, config: Any) -> list[Callback]:
        """The callbacks of a command, besides those that have settings of their own."""
        bar = callbacks.ElboProgressBar()
        if self.subcommand == "fit":
            resume = callbacks.ExactResume(self.checkpoint)
            return [callbacks.SmallData(), bar, callbacks.GracefulStop(), resume, callbacks.RunSummary()]
        directory = str(self._run_folder(config))
        if self.subcommand == "test":
            return [bar, callbacks.TestReport(directory, config.ckpt_path, config.seed_everything)]
        return [bar]

    def _run_folder(self, config: Any) -> Path:
        """Where an evaluation writes: the folder of the checkpoint's run."""
        return (self.checkpoint and run_directory(self.checkpoint)) or ROOT / config.experiment

    def after_predict(self) -> None:
        """Encodes every image and group of ``data.predict_split``, which Lightning's loop of predictions would not."""
        model = self.model.to(self.trainer.strategy.root_device).eval()
        with self.trainer.precision_plugin.forward_context():
            latents = encode(model, self.datamodule, splits=self.datamodule.predicted_splits)
        save_latents(latents, self._run_folder(self.config[self.subcommand]))

    def after_instantiate_classes(self) -> None:
        torch.set_float32_matmul_precision(self.config[self.subcommand].matmul_precision)


def one_process(devices: Any) -> dict[str, Any]:
    """Trainer settings of evaluation: one process sees every group, and writes one file, however many trained."""
    return {"devices": devices[:1] if isinstance(devices, list) else 1, "num_nodes": 1, "strategy": "auto"}


def main(arguments: list[str] | None = None) -> None:
    """Entry point of ``ugvae``: an error that the user can mend is one message and exit status 2."""
    if not faulthandler.is_enabled() and sys.stderr is not None:
        faulthandler.enable()  # a mapped file that is cut short ends the process without another word
    for harmless in HARMLESS_WARNINGS:
        warnings.filterwarnings("ignore", f".*{harmless}")
    logging.getLogger("pytorch_lightning.utilities.rank_zero").addFilter(lambda record: "litlogger" not in record.msg)
    explain_launcher()
    prepare_process()
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        if arguments and arguments[0] in COMMANDS:
            run_command(arguments[0], arguments[1:])
            return
        UGVAECommand(
            GroupVAE,
            GroupDataModule,
            subclass_mode_model=True,
            subclass_mode_data=True,
            trainer_defaults=TRAINER_DEFAULTS,
            save_config_kwargs={"overwrite": True},
            auto_configure_optimizers=False,
            load_from_checkpoint_support=False,
            parser_class=SettingsParser,
            parser_kwargs={"epilog": f"Commands with options of their own: {', '.join(COMMANDS)}; see their --help."},
            args=arguments,
        )
    except Exception as error:
        cause = mendable(error)
        if cause is None:
            raise
        _fail(cause)


def mendable(error: BaseException) -> Exception | None:
    """The error behind ``error`` that the user can mend; None if there is none, which is a bug."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, MENDABLE):  # the parser wraps what a constructor raises
        cause = cause.__cause__
    if cause is None and isinstance(error, OSError) and error.errno in DISK_FULL:
        return output_error(Path(error.filename or ROOT), error)
    if cause is None and isinstance(error, RuntimeError) and is_lost_rank(error):
        return LostRankError(f"lost the connection to another rank ({reason(error)}): {ADVICE}")
    return cause


def _fail(error: Exception) -> NoReturn:
    rank, _ = distributed_rank()
    sys.stderr.write(f"error{f' on rank {rank}' if rank else ''}: {error}\n")
    sys.stderr.flush()
    if rank:
        time.sleep(LAST_WORDS)
    sys.exit(2)
