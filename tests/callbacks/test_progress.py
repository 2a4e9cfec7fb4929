"""The time left of a run."""

import math
import time
from types import SimpleNamespace

import pytest
from pytorch_lightning.callbacks import Timer

from ugvae.callbacks import ElboProgressBar
from ugvae.machine import clock


@pytest.mark.parametrize(("seconds", "want"), [(0, "0:00"), (61.9, "1:01"), (3600, "1:00:00"), (90061, "25:01:01")])
def test_clock(seconds: float, want: str) -> None:
    assert clock(seconds) == want


@pytest.mark.parametrize(("last", "step", "want"), [(300, 200, "1:40"), (300, 100, "?"), (math.inf, 200, "?")])
def test_time_left_is_unknown_before_the_first_step_and_without_an_end(last: float, step: int, want: str) -> None:
    bar = ElboProgressBar()
    bar._first_step, bar._last_step, bar._started = 100, last, time.monotonic() - 100.5
    assert bar.time_left(SimpleNamespace(global_step=step, callbacks=[bar])) == want


@pytest.mark.parametrize(("last", "limit", "want"), [(300, 30, "0:30"), (300, 3600, "1:40"), (math.inf, 30, "0:30")])
def test_a_time_limit_ends_the_run_too(last: float, limit: int, want: str) -> None:
    bar, timer = ElboProgressBar(), Timer(duration={"seconds": limit + 1})
    bar._first_step, bar._last_step, bar._started = 100, last, time.monotonic() - 100.5
    timer.on_train_start(None, None)
    assert bar.time_left(SimpleNamespace(global_step=200, callbacks=[bar, timer])) == want
