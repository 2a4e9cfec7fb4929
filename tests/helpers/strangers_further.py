"""Further troubles of the same kinds, thought up."""

import os
from pathlib import Path

from tests.helpers import PROJECT
from tests.helpers.stranger import DIGITS, DONE, FIT, IN_PYTHON, LAST, NO_RUN, Case, callback, settings


def damaged_run() -> None:
    """Writes a run whose files are cut, and which seems to be newer than all others."""
    checkpoint = Path("lightning_logs/digits/version_7/checkpoints/last.ckpt")
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_bytes(b"PK")
    checkpoint.parents[1].joinpath("config.yaml").write_text("data: {class_path: [")
    os.utime(checkpoint, (4e9, 4e9))


FURTHER = [  # of the same kinds, on no list
    Case(
        "+ the same run once more",
        [FIT, f"{FIT} --ckpt_path last"],
        words=("Nothing left to train",),
        never=("Trained",),
    ),
    Case("+ one callback and no list", [f"{FIT} --trainer.callbacks LearningRateMonitor"], leaves=DONE),
    Case("+ a misspelt monitor", [f"{FIT} --checkpoint.monitor val/elbow"], 2, ("val/elbow",)),
    Case(
        "+ EarlyStopping on a misspelt metric",
        [f"{FIT} --config more.yaml"],
        2,
        ("trainer: Early stopping", "`val/elbo`"),
        prepare=callback("EarlyStopping", monitor="val/elbow"),
    ),
    Case("+ no logger", [f"{FIT} --trainer.logger false"], leaves=DONE, not_left=("trained.json", "figures")),
    Case("+ fast_dev_run", [f"{FIT} --trainer.fast_dev_run true"], not_left=NO_RUN),
    Case(
        "+ another metric is monitored",
        [f"{FIT} --checkpoint.monitor val/kl_z"],
        words=("(best val/kl_z",),
        leaves=DONE,
    ),
    Case("+ no training batch", [f"{FIT} --trainer.limit_train_batches 0"], words=("Nothing left to train",)),
    Case("+ no epoch", [f"{FIT} --trainer.max_epochs 0"], words=("Nothing left to train",), never=("Trained",)),
    Case("+ a profiler", [f"{FIT} --trainer.profiler simple"], leaves=DONE),
    Case("+ a sanity check", [f"{FIT} --trainer.num_sanity_val_steps 2"], leaves=DONE),
    Case("+ double precision", [f"{FIT} --trainer.precision 64-true"], leaves=DONE),
    Case("+ deterministic", [f"{FIT} --trainer.deterministic true"], leaves=DONE),
    Case("+ detect_anomaly", [f"{FIT} --trainer.detect_anomaly true"], leaves=DONE),
    Case("+ barebones", [f"{FIT} --trainer.barebones true"], 2, ("trainer",), not_left=NO_RUN),
    Case(
        "+ weights of another shape", [FIT, f"{FIT} --model.z_dim 3 --model.init_from {LAST}"], 2, ("model.init_from:",)
    ),
    Case(
        "+ init_from a text",
        [f"{FIT} --model.init_from more.yaml"],
        2,
        ("model.init_from:",),
        prepare=settings("more.yaml", a=1),
        not_left=NO_RUN,
    ),
    Case("+ ~ in ckpt_path", [FIT, f"test {DIGITS} --ckpt_path ~/{LAST}"], words=("Using",), environment={"HOME": "."}),
    Case(
        "+ ~ in default_root_dir",
        [f"{FIT} --trainer.default_root_dir ~/there"],
        leaves=("there",),
        not_left=("~",),
        environment={"HOME": "."},
    ),
    Case(
        "+ a damaged run beside",
        [FIT, f"{FIT} --ckpt_path last --trainer.max_epochs 2"],
        words=("Going on from lightning_logs/digits/version_8",),
        prepare=damaged_run,
    ),
    Case("+ two ranks on one machine", [f"{FIT} --trainer.devices 2 --trainer.accelerator cpu"], leaves=DONE),
    Case(
        "+ no stdout",
        [f'python -c "import sys; {IN_PYTHON.format(FIT)}; sys.stdout = sys.stderr = None; main(arguments)"'],
        leaves=DONE,
    ),
    Case("+ make of data that are none", [f"make -C {PROJECT} train DATA=foldr READY="], 2, ("none of: array",)),
    Case(
        "+ a validation in mid-epoch",
        [f"{FIT} --trainer.val_check_interval 1"],
        words=("best validation ELBO",),
        leaves=DONE,
    ),
    Case(
        "+ weights averaged",
        [f"{FIT} --config more.yaml"],
        prepare=callback("StochasticWeightAveraging", swa_lrs=0.01),
        leaves=DONE,
    ),
    Case(
        "+ gradients accumulated by a schedule",
        [f"{FIT} --config more.yaml"],
        prepare=callback("GradientAccumulationScheduler", scheduling={0: 2}),
        leaves=DONE,
    ),
    Case(
        "+ a tuner of the batch", [f"{FIT} --config more.yaml"], 2, prepare=callback("BatchSizeFinder"), not_left=NO_RUN
    ),
]
