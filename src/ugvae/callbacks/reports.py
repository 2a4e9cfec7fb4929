"""What a command leaves in the run's folder besides figures, and the lines it ends with."""

import math
import shlex
import time
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.utilities.rank_zero import rank_zero_warn

from ugvae.callbacks.alone import Alone
from ugvae.callbacks.checkpointing import run_checkpoint
from ugvae.callbacks.dashboard import summary_of_test
from ugvae.callbacks.progress import say
from ugvae.distributions import DiagonalGaussian
from ugvae.errors import NonFiniteLossError, OutputError
from ugvae.evaluation.aggregate import information
from ugvae.evaluation.clusters import cluster_scores, no_cluster_scores
from ugvae.evaluation.reconstruction import QualityMetric
from ugvae.evaluation.results import to_json
from ugvae.machine import describe, versions
from ugvae.networks.likelihoods import bits_per_dim
from ugvae.runs.advice import advised
from ugvae.runs.checkpoints import LAST, checkpoint_digest
from ugvae.runs.files import finite, save_json
from ugvae.runs.weights_and_biases import add_results

AGREEMENT, QUALITY = "agreement of components and labels", "quality of reconstructions"
INFORMATION = "KL_beta in its parts"
TIMES = "sessions"  # entry of a checkpoint: seconds, last step and machine of each session that trained it


class RunSummary(Callback):
    """Says at the end of training where everything is and what to run next, and writes ``trained.json``.

    Both come before the last figures, whatever becomes of those; the file is written again with their time. It holds
    the seconds of training, with validation and figures, and the machine. Checkpoints carry the times of their
    sessions, so that those of a resumed run add up; work that a killed session lost does not count. The file also says
    how the last session spent its time: on steps, on validation, at the ends of epochs and of the run, where figures
    are drawn and checkpoints written.
    """

    def __init__(self) -> None:
        self._earlier: list[dict[str, Any]] = []
        self._alone = Alone("the run ends")
        self._trained = False

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        directory = trainer.log_dir  # a collective call
        self._directory = Path(directory) if trainer.loggers and directory else None
        self._started = self._last = time.monotonic()
        self._spent = dict.fromkeys(("start", "steps", "validation", "epoch_ends", "run_end"), 0.0)

    def _spend(self, phase: str) -> None:
        """Adds the time since the last call to that of ``phase``, which ends now."""
        now = time.monotonic()
        self._spent[phase] += now - self._last
        self._last = now

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._spend("start")

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._spend("epoch_ends")

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._spend("steps")

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._spend("validation")

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._spend("steps")

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._spend("epoch_ends")
        self._trained = True
        directory = trainer.log_dir  # a collective call
        if trainer.is_global_zero and directory is not None and not trainer.fast_dev_run:
            self._write_report(trainer, pl_module, Path(directory))
            with self._alone("last lines"):
                say_where(trainer, Path(directory))

    def _sessions(self, trainer: Trainer) -> list[dict[str, Any]]:
        this = {"seconds": time.monotonic() - self._started, "last_step": trainer.global_step}
        return [*self._earlier, {**this, "hardware": describe()["line"]}]

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        checkpoint[TIMES] = self._sessions(trainer)

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        self._earlier = checkpoint.get(TIMES, [])

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Lists the images of a batch with a non-finite loss in ``nonfinite.json``; the message names the file."""
        record = exception.record if isinstance(exception, NonFiniteLossError) else None
        if record is None or self._directory is None:
            return
        path = self._directory / "nonfinite.json"
        try:
            if trainer.is_global_zero:
                save_json(record, path)
            exception.args = (f"{exception} The images of that batch are listed in {path}.",)
        except OutputError as error:
            rank_zero_warn(str(error))

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Writes the report with the time of the last figures; Lightning calls this after they are drawn."""
        self._spend("run_end")
        directory = trainer.log_dir
        if not trainer.is_global_zero or directory is None or trainer.fast_dev_run:
            return
        if not self._trained:  # Lightning has not begun
            with self._alone("last lines"):
                say(
                    f"Nothing left to train at step {trainer.global_step}. To go on, set trainer.max_epochs, "
                    "trainer.max_steps or trainer.max_time to more, and limit_train_batches above 0"
                )
        if self._trained or not Path(directory, "trained.json").is_file():
            self._write_report(trainer, pl_module, Path(directory))

    def _write_report(self, trainer: Trainer, pl_module: LightningModule, directory: Path) -> None:
        with self._alone("trained.json"):
            sessions, checkpoint = self._sessions(trainer), run_checkpoint(trainer)
            best = checkpoint.best_elbo if checkpoint else None
            report = {
                "seconds": sum(session["seconds"] for session in sessions),
                "sessions": sessions,
                "seconds_of": self._spent,
                "epochs": trainer.current_epoch,
                "steps": trainer.global_step,
                "devices": trainer.num_devices * trainer.num_nodes,
                "best_val_elbo": None if best is None else finite(best),
                "per_group_terms": pl_module.training_terms.group_terms,
                "hardware": describe(),
                "versions": versions(),
            }
            save_json(report, directory / "trained.json")


def say_where(trainer: Trainer, directory: Path) -> None:
    """Says what was trained, which files there are, and what to run next."""
    checkpoint = run_checkpoint(trainer)
    best, kept = "", []
    if checkpoint:
        best = f" ({checkpoint.best})" if checkpoint.best else ""
        paths = map(Path, (checkpoint.best_model_path, checkpoint.last_model_path))
        kept = [path for path in paths if path.is_file()]
    say(
        f"\nTrained {trainer.current_epoch} epochs, {trainer.global_step} steps{best}.\n"
        f"  settings     {directory}/config.yaml\n"
        f"  metrics      {directory}/metrics.csv"
    )
    if kept:
        say(f"  checkpoints  {kept[0].parent}/{', '.join(path.name for path in kept)}")
    say(f"  figures      {directory}/figures/")
    if [path.name for path in kept] == [LAST]:
        say("No validation has chosen a best checkpoint: every command takes the last one in its place")
    if kept and kept[0].parent == directory / "checkpoints":  # where the other commands look
        say(
            f"Next: {advised('evaluate', directory)}    test ELBO, clusters, every figure and table that applies\n"
            f"      {advised('report', directory)}      all of it in one page, report.html"
        )
    if any(directory.glob("wandb/offline-run-*")):
        folder = shlex.quote(str(directory / "wandb"))
        say(f"      wandb sync {folder}/offline-run-*   to see the run in Weights & Biases, if you like")


class TestReport(Callback):
    """Writes ``test.json``: ELBO terms, bits per dimension, reconstructions and cluster scores of the test split.

    KL_beta is given in its parts too, at the posterior means of z. The checkpoint, the seed and the versions, which are
    needed to run it again, are there.

    Args:
        directory: the run's folder.
        checkpoint: the checkpoint that is tested.
        seed: of the noise and of the groups.
    """

    __test__ = False  # a name that pytest would collect

    def __init__(self, directory: str, checkpoint: str | None, seed: int | None) -> None:
        self.directory, self.checkpoint, self.seed = Path(directory), checkpoint, seed
        self._alone = Alone("the test goes on")

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._d, self._labels, self._beta, self._groups = [], [], [], 0
        self._quality = QualityMetric(pl_module)

    def on_test_batch_end(self, trainer: Trainer, pl_module: LightningModule, outputs, batch, *_: int) -> None:  # noqa: ANN001
        self._groups += len(batch["index"])
        posterior = pl_module.infer(batch["image"], batch.get("mask"))
        with self._alone(QUALITY):
            self._quality.update(batch["image"], batch.get("mask"), posterior)
        if posterior.beta is not None:
            self._beta.append(posterior.beta)
        if "label" in batch and pl_module.num_components > 1:  # one is no clustering
            known = batch["label"].flatten().cpu() >= 0  # the places without an image in a padded group have none
            self._d.append(posterior.d.flatten(0, 1).cpu()[known])
            self._labels.append(batch["label"].flatten().cpu()[known])

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        data = trainer.datamodule
        clusters, quality, notes = None, None, {}
        if self._d:
            labels = torch.cat(self._labels)
            if reason := no_cluster_scores(labels):
                notes[AGREEMENT] = f"left out: {reason}"
            else:
                with self._alone(AGREEMENT):
                    clusters = to_json(cluster_scores(torch.cat(self._d), labels))
        parts = None
        if self._beta and self._groups > 1:
            with self._alone(INFORMATION):
                beta = DiagonalGaussian(*(torch.cat(part).cpu() for part in zip(*self._beta, strict=True)))
                parts = information(beta)
        if QUALITY not in self._alone.failed:  # of part of the images it would be another number
            with self._alone(QUALITY):
                quality = to_json(self._quality.compute())
        notes |= dict.fromkeys(self._alone.failed, "left out: it failed")
        group_terms, path = pl_module.evaluation_terms.group_terms, self.directory / "test.json"
        bits = bits_per_dim(float(trainer.callback_metrics["test/elbo"]), math.prod(pl_module.image_shape))
        report = {
            "metrics": {name: finite(float(value)) for name, value in trainer.callback_metrics.items()},
            "units": f"nats per image; {', '.join(group_terms) or 'no term'}: nats per group; psnr: dB",
            "per_group_terms": group_terms,
            "likelihood": {"name": pl_module.hparams.likelihood, "bits_per_dim": finite(bits)},
            "reconstructions": quality,
            "clusters": clusters,
            "beta": None if parts is None else to_json(parts),
            **({"notes": notes} if notes else {}),
            "groups": self._groups,
            "group_size": data.group_size,
            "checkpoint": self.checkpoint,
            "checkpoint_digest": checkpoint_digest(self.checkpoint) if self.checkpoint else None,
            "seed": self.seed,
            "versions": versions(),
        }
        save_json(report, path)
        add_results(self.directory, summary_of_test(report))
        for what, note in notes.items():
            print(f"{what}: {note}")
        if clusters:
            print("clusters against labels: " + ", ".join(f"{name} {value:.3f}" for name, value in clusters.items()))
        if parts:
            print(f"KL_beta in its parts, nats per group: {parts}")
        if quality:
            print("reconstructions: " + ", ".join(f"{name} {value:.3f}" for name, value in quality.items()))
        print(f"Wrote {path}")
