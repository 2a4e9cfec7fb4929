"""What happens around training: progress, figures, checkpoints on a stop, reports."""

from ugvae.callbacks.figures import TrainingFigures
from ugvae.callbacks.progress import ElboProgressBar
from ugvae.callbacks.reports import PosteriorWriter, RunSummary, TestReport
from ugvae.callbacks.stopping import GracefulStop

__all__ = ["ElboProgressBar", "GracefulStop", "PosteriorWriter", "RunSummary", "TestReport", "TrainingFigures"]
