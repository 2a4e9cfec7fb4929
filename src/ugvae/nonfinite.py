"""A step whose loss is NaN or infinite: what is said of it, and what is kept to find out why."""

from pathlib import Path

from pytorch_lightning import Trainer
from pytorch_lightning.utilities import rank_zero_warn

from datamodules.samplers import distributed_rank
from ugvae.errors import NonFiniteLossError, OutputError
from ugvae.files import save_json
from ugvae.meter import NonFiniteStep

FILE = "nonfinite.json"


def non_finite_error(bad: NonFiniteStep, trainer: Trainer, directory: Path | None) -> NonFiniteLossError:
    """The error that ends a run; the rows of the training table that made the batch go to ``nonfinite.json``.

    Args:
        bad: the step.
        trainer: of the run.
        directory: of the run; None for none, then the message lists the rows.
    """
    step = trainer.global_step - bad.steps_ago
    where = f" on rank {bad.rank}" if distributed_rank()[1] > 1 else ""
    images = f"Images of that batch: {bad.indices}"
    if directory:
        path = directory / FILE
        record = {
            "step": step,
            "epoch": trainer.current_epoch,
            "rank": bad.rank,
            "terms": bad.names,
            "rows_of_the_training_images": bad.indices,
        }
        try:
            if trainer.is_global_zero:
                save_json(record, path)
            images = f"The images of that batch are listed in {path}"
        except OutputError as error:
            rank_zero_warn(str(error))
    return NonFiniteLossError(
        f"non-finite {', '.join(bad.names)} at step {step}{where}; the last good checkpoint is kept. {images}. "
        "Try a lower model.learning_rate."
    )
