"""Callbacks of Lightning's trainer: start, progress, checkpoints, exact resume, figures, reports."""

from ugvae.callbacks.checkpointing import RunCheckpoint
from ugvae.callbacks.dashboard import Dashboard
from ugvae.callbacks.figures import TrainingFigures
from ugvae.callbacks.progress import ElboProgressBar
from ugvae.callbacks.ranks import RankWatch
from ugvae.callbacks.reports import RunSummary, TestReport
from ugvae.callbacks.resuming import ExactResume
from ugvae.callbacks.small_data import SmallData
from ugvae.callbacks.starting import NewRun, RunSettings
from ugvae.callbacks.stopping import GracefulStop

__all__ = [
    "Dashboard",
    "ElboProgressBar",
    "ExactResume",
    "GracefulStop",
    "NewRun",
    "RankWatch",
    "RunCheckpoint",
    "RunSettings",
    "RunSummary",
    "SmallData",
    "TestReport",
    "TrainingFigures",
]
