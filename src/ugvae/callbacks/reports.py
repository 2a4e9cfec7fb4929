"""What a command leaves in the run's folder besides figures, and the lines it ends with."""

import time
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.utilities.rank_zero import rank_zero_warn

from ugvae.callbacks.progress import say
from ugvae.distributions import DiagonalGaussian
from ugvae.errors import NonFiniteLossError, OutputError
from ugvae.evaluation.aggregate import information
from ugvae.evaluation.clusters import cluster_scores, no_cluster_scores
from ugvae.evaluation.reconstruction import QualityMetric
from ugvae.evaluation.results import to_json
from ugvae.machine import describe, versions
from ugvae.runs.files import finite, save_json

TIMES = "sessions"  # entry of a checkpoint: seconds, last step and machine of each session that trained it


class RunSummary(Callback):
    """Says at the end of training where everything is and what to run next, and writes ``trained.json``.

    The file holds the seconds of training, with validation and figures, and the machine. Checkpoints carry the times of
    their sessions, so that those of a resumed run add up; work that a killed session lost does not count. The file
    also says how the last session spent its time: on steps, on validation, at the ends of epochs and of the run, where
    figures are drawn and checkpoints written.
    """

    def __init__(self) -> None:
        self._earlier: list[dict[str, Any]] = []

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
        """Writes the report; Lightning calls this after the last figures are drawn."""
        self._spend("run_end")
        directory = trainer.log_dir
        if not trainer.is_global_zero or directory is None or trainer.fast_dev_run:
            return
        best = trainer.checkpoint_callback.best_model_score
        sessions = self._sessions(trainer)
        report = {
            "seconds": sum(session["seconds"] for session in sessions),
            "sessions": sessions,
            "seconds_of": self._spent,
            "epochs": trainer.current_epoch,
            "steps": trainer.global_step,
            "devices": trainer.num_devices * trainer.num_nodes,
            "best_val_elbo": None if best is None else finite(float(best)),
            "per_group_terms": pl_module.training_terms.group_terms,
            "hardware": describe(),
            "versions": versions(),
        }
        try:
            save_json(report, Path(directory) / "trained.json")
        except OutputError as error:
            rank_zero_warn(str(error))  # training is done, and its checkpoints are written
        score = "" if best is None else f" (best validation ELBO {best:.1f} nats per image)"
        say(
            f"\nTrained {trainer.current_epoch} epochs, {trainer.global_step} steps{score}.\n"
            f"  settings     {directory}/config.yaml\n"
            f"  metrics      {directory}/metrics.csv\n"
            f"  checkpoints  {directory}/checkpoints/best.ckpt, last.ckpt\n"
            f"  figures      {directory}/figures/\n"
            f"Next: make evaluate RUN={directory}    test ELBO, clusters, every figure and table that applies\n"
            f"      make report RUN={directory}      all of it in one page, report.html"
        )
        if Path(directory, "wandb").is_dir():
            say(f"      wandb sync {directory}/wandb/*   to see the run in Weights & Biases, if you like")


class TestReport(Callback):
    """Writes ``test.json``: ELBO terms, quality of reconstructions and cluster scores of the test split.

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

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._d, self._labels, self._beta, self._groups = [], [], [], 0
        self._quality = QualityMetric(pl_module)

    def on_test_batch_end(self, trainer: Trainer, pl_module: LightningModule, outputs, batch, *_: int) -> None:  # noqa: ANN001
        self._groups += len(batch["index"])
        self._quality.update(batch["image"], batch.get("mask"))
        posterior = pl_module.infer(batch["image"], batch.get("mask"))
        if posterior.beta is not None:
            self._beta.append(posterior.beta)
        if "label" in batch and pl_module.num_components:
            known = batch["label"].flatten().cpu() >= 0  # the places without an image in a padded group have none
            self._d.append(posterior.d.flatten(0, 1).cpu()[known])
            self._labels.append(batch["label"].flatten().cpu()[known])

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        data = trainer.datamodule
        clusters, notes = None, {}
        if self._d:
            labels = torch.cat(self._labels)
            if reason := no_cluster_scores(labels):
                notes["agreement of components and labels"] = f"left out: {reason}"
            else:
                clusters = to_json(cluster_scores(torch.cat(self._d), labels))
        parts = None
        if self._beta and self._groups > 1:
            parts = information(DiagonalGaussian(*(torch.cat(part).cpu() for part in zip(*self._beta, strict=True))))
        quality, group_terms = to_json(self._quality.compute()), pl_module.evaluation_terms.group_terms
        path = self.directory / "test.json"
        report = {
            "metrics": {name: finite(float(value)) for name, value in trainer.callback_metrics.items()},
            "units": f"nats per image; {', '.join(group_terms) or 'no term'}: nats per group; psnr: dB",
            "per_group_terms": group_terms,
            "reconstructions": quality,
            "clusters": clusters,
            "beta": None if parts is None else to_json(parts),
            **({"notes": notes} if notes else {}),
            "groups": self._groups,
            "group_size": data.group_size,
            "checkpoint": self.checkpoint,
            "seed": self.seed,
            "versions": versions(),
        }
        save_json(report, path)
        for what, note in notes.items():
            print(f"{what}: {note}")
        if clusters:
            print("clusters against labels: " + ", ".join(f"{name} {value:.3f}" for name, value in clusters.items()))
        if parts:
            print(f"KL_beta in its parts, nats per group: {parts}")
        print("reconstructions: " + ", ".join(f"{name} {value:.3f}" for name, value in quality.items()))
        print(f"Wrote {path}")
