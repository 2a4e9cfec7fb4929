"""The files of a run that nobody trained; imports little, for processes that begin at once."""

from pathlib import Path


def leave_run(experiment: str, value: float) -> None:
    """The files of a trained run that a sweep reads."""
    run = Path("lightning_logs", experiment, "version_0")
    (run / "checkpoints").mkdir(parents=True)
    (run / "checkpoints" / "last.ckpt").touch()
    (run / "config.yaml").write_text("seed_everything: 1")
    (run / "metrics.csv").write_text(f"step,val/elbo\n1,{value}\n2,{value - 1}\n")
