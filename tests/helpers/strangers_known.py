"""Troubles that people have reported with tools of this kind, as commands."""

import os
from pathlib import Path

from tests.helpers.stranger import (
    DIGITS,
    DONE,
    FIT,
    FOLDER,
    IN_A_THREAD,
    IN_PYTHON,
    LAST,
    NO_RUN,
    RUN,
    Case,
    callback,
    pictures,
    settings,
)


def two_folders() -> None:
    """Writes ``images`` and ``images2``."""
    pictures("a", "b")()
    os.rename("images", "images2")
    pictures("a", "b", count=50)()


CASES = [
    # ---- the issue: 1, a finished training ends as one
    Case("1 beta of one dimension", [f"{FIT} --model.beta_dim 1"], leaves=(*DONE, f"{RUN}/figures/beta_map.png")),
    Case("1 z of one dimension", [f"{FIT} --model VAE --model.z_dim 1"], leaves=(*DONE, f"{RUN}/figures/z_map.png")),
    Case("1 learning rate 0.3", [f"{FIT} --model.learning_rate 0.3 --trainer.max_epochs 4"], leaves=DONE),
    Case(
        "1 class names with $ ^ _ { \\",
        [FOLDER],
        prepare=pictures("cost_$5$", "a^2", "_hidden", "b_{1", "c\\x$y", count=120),
        leaves=("lightning_logs/folder/version_0/figures/beta_map.png",),
    ),
    Case(
        "1 held-out images without labels",
        [FOLDER],
        prepare=pictures("train/a", "train/b", "val", "test"),
        words=("left out: 0 groups",),
        leaves=("lightning_logs/folder/version_0/trained.json",),
    ),
    Case(
        "1 no best checkpoint: max_steps",
        [f"{FIT} --trainer.max_steps 2", f"test {DIGITS} --ckpt_path best --trainer.limit_test_batches 2"],
        words=("best.ckpt is not there", "Using " + LAST),
        leaves=(f"{RUN}/test.json",),
    ),
    Case("1 no validation", [f"{FIT} --trainer.limit_val_batches 0"], words=("No validation has chosen",), leaves=DONE),
    Case(
        "1 300 classes",
        [f"{FOLDER} --data.group_size 2"],
        prepare=pictures(*(f"class {number}" for number in range(300)), count=10),
        never=("collapsed to zero",),
        leaves=("lightning_logs/folder/version_0/trained.json",),
    ),
    # ---- 2, Lightning's own features
    Case(
        "2 a user's ModelCheckpoint",
        [f"{FIT} --config more.yaml"],
        prepare=callback("ModelCheckpoint", monitor="val/kl_beta", mode="min", filename="mine", dirpath="theirs"),
        words=("best validation ELBO -",),
        leaves=(*DONE, "theirs/mine.ckpt"),
    ),
    Case("2 accumulated gradients", [f"{FIT} --trainer.accumulate_grad_batches 3"], leaves=DONE),
    Case("2 no progress bar", [f"{FIT} --trainer.enable_progress_bar false"], leaves=DONE),
    Case("2 no checkpoints", [f"{FIT} --trainer.enable_checkpointing false"], not_left=(LAST,), leaves=DONE[:1]),
    Case("2 another progress bar", [f"{FIT} --config more.yaml"], prepare=callback("TQDMProgressBar"), leaves=DONE),
    Case("2 bf16-true", [f"{FIT} --trainer.precision bf16-true"], 2, ("trainer.precision:",), not_left=NO_RUN),
    Case("2 16-true", [f"{FIT} --trainer.precision 16-true"], 2, ("16-mixed keeps",), not_left=NO_RUN),
    Case("2 ddp_spawn", [f"{FIT} --trainer.strategy ddp_spawn"], 2, ("trainer.strategy:",), not_left=NO_RUN),
    Case(
        "2 compile without a compiler",
        [f"{FIT} --model.compile true"],
        2,
        ("model.compile:",),
        not_left=NO_RUN,
        environment={"CXX": "none", "PATH": "/nowhere"},
    ),
    Case(
        "2 EarlyStopping without validation",
        [f"{FIT} --config more.yaml --trainer.limit_val_batches 0"],
        2,
        ("trainer.callbacks:",),
        not_left=NO_RUN,
        prepare=callback("EarlyStopping", monitor="val/elbo", mode="max"),
    ),
    Case(
        "2 SLURM with --ntasks alone",
        [FIT],
        2,
        ("--ntasks-per-node=2",),
        not_left=NO_RUN,
        environment={"SLURM_NTASKS": "2", "SLURM_JOB_NAME": "x", "SLURM_JOB_ID": "1"},
    ),
    Case("2 default_root_dir", [f"{FIT} --trainer.default_root_dir there"], leaves=(f"there/{LAST}",), not_left=NO_RUN),
    Case(
        "2 max_time and resume",
        [
            f"{FIT} --trainer.max_time 00:00:10:00",
            f"{FIT} --trainer.max_time 00:00:10:00 --trainer.max_epochs 2 --ckpt_path last",
        ],
        words=("Trained 2 epochs, 6 steps",),
    ),
    Case(
        "2 WandbLogger",
        [f"{FIT} --trainer.logger WandbLogger"],
        words=(f"evaluate {RUN}",),
        leaves=DONE,
        not_left=("config.yaml", "figures"),
        environment={"WANDB_MODE": "offline"},
    ),
    # ---- 3, runs and resuming
    Case(
        "3 config.yaml of a resumed run",
        [FIT, f"{FIT} --trainer.max_epochs 2 --ckpt_path last", f"fit --config {RUN}/config.yaml"],
        leaves=("lightning_logs/digits/version_1/trained.json",),
    ),
    Case("3 a start that is refused", [f"{FIT} --data.group_size 4000"], 2, ("group_size",), not_left=NO_RUN),
    Case(
        "3 two runs of other data",
        [FOLDER, f"{FOLDER}2 --data.seed 2", f"{FOLDER} --ckpt_path last --trainer.max_epochs 2"],
        prepare=two_folders,
        words=("Going on from lightning_logs/folder/version_0",),
    ),
    Case(
        "3 two YAMLs",
        [f"fit --config more.yaml {FIT[4:]}"],
        prepare=settings("more.yaml", trainer={"log_every_n_steps": 7}),
        leaves=DONE,
    ),
    Case(
        "3 longer than planned",
        [FIT, f"{FIT} --trainer.max_epochs 2 --ckpt_path last"],
        words=("planned with 3 steps and has 6 now", "--model.init_from"),
    ),
    Case("3 weights alone", [FIT, f"{FIT} --model.init_from {LAST}"], leaves=("lightning_logs/digits/version_1",)),
    Case(
        "3 a name with a space", [f"{FIT} --experiment my\\ run"], words=("evaluate 'lightning_logs/my run/version_0'",)
    ),
    Case(
        "3 report after more training",
        [
            FIT,
            f"test {DIGITS} --ckpt_path best",
            f"{FIT} --trainer.max_epochs 3 --ckpt_path last",
            f"report {RUN}",
            f"python -c \"print(open('{RUN}/report.html').read().count('Stale'))\"",
        ],
        words=("1",),
    ),
    # ---- 4, paths, folders, places
    Case(
        "4 ~ in a root",
        [FOLDER.replace("--data.root images", "--data.root ~/images")],
        prepare=pictures("a", "b"),
        environment={"HOME": "."},
        not_left=("~",),
        leaves=("lightning_logs/folder/version_0/trained.json",),
    ),
    Case(
        "4 a folder that cannot be written",
        [FIT],
        2,
        ("lightning_logs/digits: cannot be written",),
        prepare=lambda: Path("lightning_logs").write_text("") and None,
    ),
    Case(
        "4 in a thread",
        [f'python -c "{IN_PYTHON.format(FIT)}; {IN_A_THREAD}"'],
        leaves=DONE,
    ),
    Case(
        "4 stderr is a StringIO",
        [f'python -c "import io, sys; {IN_PYTHON.format(FIT)}; sys.stderr = io.StringIO(); main(arguments)"'],
        leaves=DONE,
    ),
    Case("4 a notebook's MPLBACKEND", [FIT], leaves=DONE, environment={"MPLBACKEND": "module://none_such.backend"}),
    Case(
        "4 Train/ Val/ Test/",
        [FOLDER],
        prepare=pictures("Train/a", "Train/b", "Val/a", "Val/b", "Test/a", "Test/b"),
        leaves=("lightning_logs/folder/version_0/trained.json",),
    ),
    Case(
        "4 splits one level deeper",
        [FOLDER],
        prepare=pictures("mine/train/a", "mine/train/b", "mine/val/a", "mine/test/a"),
        leaves=("lightning_logs/folder/version_0/trained.json",),
    ),
    Case(
        "4 a margin without room",
        [f"{FOLDER} --data.margin 8"],
        2,
        ("margin: expected 0 to 7, got 8",),
        prepare=pictures("a", "b"),
        not_left=NO_RUN,
    ),
    # ---- 5, nothing meaningless
    Case("5 forty images", [FOLDER], 2, ("would do",), prepare=pictures("a", "b", count=6), not_left=NO_RUN),
    Case("5 no GPU", [f"{FIT} --trainer.accelerator gpu"], 2, ("trainer.accelerator:", "auto"), not_left=NO_RUN),
    Case("5 a folder that is not there", [FOLDER], 2, ("Name the place of your own images",), ("Get it",)),
    Case("5 --version", ["--version"], words=("ugvae 0",)),
    Case("5 --help", ["--help"], words=("commands:", "encode")),
    Case("5 --model.help", ["fit --model.help UGVAE"], words=("num_components", "init_from")),
    Case(
        "5 translation --content nonsense",
        [FIT, f"paper translation --run {RUN} --column label --values 0 1 --content nonsense"],
        2,
        ("content: no other column 'nonsense'",),
    ),
    Case(
        "5 translation --content of the column that is translated",
        [FIT, f"paper translation --run {RUN} --column label --values 0 1 --content label"],
        2,
        ("content: no other column 'label'",),
    ),
    Case(
        "5 table1 of groups larger than the images",
        [FIT, f"paper table1 --run {RUN} --values 0 1"],
        2,
        ("group_size: no groups of 128", "or less"),
    ),
    Case(
        "5 fig5 by the name that is shown",
        [FIT, f"paper fig5 --run {RUN} --column label --values label\\ 0 label\\ 1 --mapped 5"],
        leaves=(f"{RUN}/paper/fig5.json",),
    ),
    Case(
        "5 fig5 by a name that is not there",
        [FIT, f"paper fig5 --run {RUN} --column label --values class\\ 0 class\\ 1"],
        2,
        ("'class 0'; it has 0, 1, 2",),
    ),
]
